"""What surrounds every page: headers for browsers, our own names only, changes from our own pages only."""

from types import MappingProxyType
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from producers.web.settings import LOOPBACK, WebSettings

HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex, nofollow",
    }
)
HSTS = "max-age=31536000"
"""For this host only: what else the town hall serves is not ours to decide."""

OPEN_TO_ANY_NAME = frozenset({"/sante", "/sante/vie"})
"""Those who watch over a container ask by its address."""

SAFE_METHODS = frozenset({"GET", "HEAD"})
METHODS = SAFE_METHODS | {"POST"}
"""No page answers to another one."""


class SecurityHeaders:
    """Adds the headers; what is not a file of ours for everybody is kept by no cache."""

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self._app = app
        self._headers = dict(HEADERS) | ({"Strict-Transport-Security": HSTS} if is_https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class OwnHosts:
    """The screen answers to its own names only: a foreign name that was made to lead here (DNS rebinding) gets 400.

    Starlette reads the header Host and compares; ours is what it lacks: the page in French, one header only, and those
    who ask by address how the screen is.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        public = urlsplit(settings.public_url).hostname
        names = {public} if public and settings.web_auth != "none" else LOOPBACK
        self._app = app
        self._names = [f"[{name}]" if ":" in name else name for name in names]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Go on, or refuse."""
        if scope["type"] != "http" or scope["path"] in OPEN_TO_ANY_NAME:
            await self._app(scope, receive, send)
            return
        if len(Headers(scope=scope).getlist("host")) > 1:
            raise HTTPException(400)

        async def go_on(scope: Scope, receive: Receive, _refuse: Send) -> None:
            await self._app(scope, receive, send)

        await TrustedHostMiddleware(go_on, self._names, www_redirect=False)(scope, receive, _refuse)


async def _refuse(_message: Message) -> None:
    raise HTTPException(400)


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
