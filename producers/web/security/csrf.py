"""Forms are ours: a token of the session in each; where they come from is looked at before (`origin`)."""

import secrets

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

FIELD = "jeton"
_KEY = "csrf"


def csrf_token(request: Request) -> str:
    """The token of this session's forms."""
    token: str = request.session.setdefault(_KEY, secrets.token_urlsafe(32))
    return token


def require_csrf(request: Request, form: FormData) -> None:
    """Go on only with a form that this session was given.

    Raises:
        HTTPException: 403, it is another site's or an old one.
    """
    given, expected = form.get(FIELD), request.session.get(_KEY)
    if not (isinstance(given, str) and expected and secrets.compare_digest(given.encode(), expected.encode())):
        raise HTTPException(403)
