"""Where an agent goes back to once she is known: signed by us, for ten minutes, so that no link leads elsewhere."""

from itsdangerous import BadSignature, URLSafeTimedSerializer

RETURN_SECONDS = 600
HOME = "/"


class Returns:
    """Signs addresses of our pages, and reads them again."""

    def __init__(self, secret: str) -> None:
        self._serializer = URLSafeTimedSerializer(secret, salt="producers.web.security.returns")

    def sign(self, path: str) -> str:
        """What may stand in a link; what follows the question mark is not kept, it may name an elector."""
        return self._serializer.dumps(path)

    def read(self, signed: str) -> str:
        """The path; home when it is forged, expired, or leads out of here."""
        try:
            path = self._serializer.loads(signed, max_age=RETURN_SECONDS)
        except BadSignature:
            return HOME
        return path if isinstance(path, str) and _is_ours(path) else HOME


def _is_ours(path: str) -> bool:
    r"""Browsers read `//host` and `/\host` as other sites, and forget control characters."""
    is_plain = path.isascii() and path.isprintable() and "\\" not in path
    return is_plain and path.startswith("/") and not path.startswith("//")
