"""The screen answers to its own names only: a foreign name that was made to lead here (DNS rebinding) gets 400."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from producers.web.settings import LOOPBACK, WebSettings

OPEN_TO_ANY_NAME = frozenset({"/sante", "/sante/vie"})
"""Those who watch over a container ask by its address."""


def own_names(settings: WebSettings) -> frozenset[str]:
    """The names that are ours: that of `public_url`; of this computer where nobody else can come, or none is set."""
    public = urlsplit(settings.public_url).hostname
    return frozenset({public}) if public and settings.web_auth != "none" else LOOPBACK


class OwnNames:
    """Refuses any other name than ours in the header Host."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Go on, or refuse."""
        if scope["type"] == "http" and scope["path"] not in OPEN_TO_ANY_NAME and not self._is_named(scope):
            raise HTTPException(400)
        await self._app(scope, receive, send)

    def _is_named(self, scope: Scope) -> bool:
        hosts = Headers(scope=scope).getlist("host")
        return len(hosts) == 1 and _name(hosts[0]) in self._names


def _name(host: str) -> str | None:
    """Without its port; None when it is not the name of a host."""
    if any(sign in host for sign in "/\\@?#, "):
        return None
    try:
        parts = urlsplit(f"//{host}")
        has_port = parts.port is not None
    except ValueError:  # no number, no address
        return None
    return parts.hostname if has_port or not host.endswith(":") else None
