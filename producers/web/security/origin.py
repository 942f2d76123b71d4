"""What changes something comes from our own pages: browsers say where a form was, in Origin and Sec-Fetch-Site."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from producers.web.settings import WebSettings

SAFE_METHODS = frozenset({"GET", "HEAD"})
METHODS = SAFE_METHODS | {"POST"}
"""No page answers to another one."""


class SameOrigin:
    """Refuses a POST that another site's page made, before anything of it is read; tokens are checked besides."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        parts = urlsplit(settings.public_url)
        has_public = bool(settings.public_url) and settings.web_auth != "none"
        self._public = f"{parts.scheme}://{parts.netloc}".lower() if has_public else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Go on, or refuse."""
        if scope["type"] == "http":
            if scope["method"] not in METHODS:
                raise HTTPException(405, headers={"Allow": "GET, HEAD, POST"})
            if scope["method"] not in SAFE_METHODS and not self._is_ours(scope):
                raise HTTPException(403)
        await self._app(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return False
        own = self._public or f"{scope['scheme']}://{headers.get('host', '')}".lower()
        return all(origin.lower() == own for origin in headers.getlist("origin"))
