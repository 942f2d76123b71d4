"""Middleware of all pages: security headers, log, address of the client, allowed hosts and origins."""

import re
import time
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from common.logs import describe_exception
from producers.web.error_pages import on_http, show_failure
from producers.web.security import FROM_PROXY
from producers.web.settings import LOOPBACK, ProxyNetwork, WebSettings

_log = structlog.get_logger("producers.web")
_PLAIN = re.compile(r"[0-9A-Za-z-]{1,40}")
_UNLOGGED = ("/static/", "/sante")
_LEFT = 499
"""nginx's status for a client that closed the connection."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

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
"""For this host only: the module must not decide for other services of the town hall."""

OPEN_TO_ANY_NAME = frozenset({"/sante", "/sante/vie"})
"""Health checks of a container use its address, not its name."""

SAFE_METHODS = frozenset({"GET", "HEAD"})
METHODS = SAFE_METHODS | {"POST"}
"""Other methods get 405."""


class SecurityHeaders:
    """Adds the headers; without a Cache-Control of their own, responses are not cached."""

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self._app = app
        self._headers = dict(HEADERS) | ({"Strict-Transport-Security": HSTS} if is_https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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


class RequestLog:
    """Logs requests by the name of the route, never by URL, which may contain anything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 0, time.monotonic()

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting_status)
        except HTTPException as error:
            if not status:
                await (await on_http(Request(scope, receive), error))(scope, receive, send_noting_status)
        except ClientDisconnect:
            status = status or _LEFT
        except Exception as error:  # noqa: BLE001 — last handler: the server's own log must not get it
            _log.error("page_failed", **_loggable(scope), exception=describe_exception(error))
            if not status:
                await show_failure(Request(scope, receive), 500)(scope, receive, send_noting_status)
        finally:
            if not scope["path"].startswith(_UNLOGGED):
                seconds = round(time.monotonic() - began, 3)
                _log.info("request", **_loggable(scope), status=status, seconds=seconds)


def _loggable(scope: Scope) -> dict[str, Any]:
    """Return the loggable values of a request: known names and plain words only."""
    values: dict[str, Any] = {"method": scope["method"] if scope["method"] in _METHODS else "?"}
    if endpoint := scope.get("endpoint"):
        values["page"] = getattr(endpoint, "__name__", "?").strip("_")
    for name, value in scope.get("path_params", {}).items():
        values[name] = value if _PLAIN.fullmatch(str(value)) else "?"
    state = scope.get("state", {})
    values |= {name: state[name] for name in ("agent", "correlation_id", "refused") if state.get(name)}
    return values


class TrustedProxies:
    """Marks requests from a listed proxy, and trusts its headers about the client's address and scheme.

    uvicorn's middleware parses the headers; this class records the peer before uvicorn replaces it.
    """

    def __init__(self, app: ASGIApp, proxies: Sequence[ProxyNetwork]) -> None:
        self._believing = ProxyHeadersMiddleware(app, trusted_hosts=[str(it) for it in proxies])  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        scope[FROM_PROXY] = client is not None and client[0] in self._believing.trusted_hosts
        await self._believing(scope, receive, send)  # type: ignore[arg-type]


class OwnHosts:
    """Accepts the screen's own host names only; another name (DNS rebinding) gets 400.

    Starlette compares the header Host. This class adds the French page, the rejection of a second Host header, and the
    exception for health checks.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        public = urlsplit(settings.public_url).hostname
        names = {public} if public and settings.web_auth != "none" else LOOPBACK
        self._app = app
        self._names = [f"[{name}]" if ":" in name else name for name in names]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_TO_ANY_NAME:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if len(headers.getlist("host")) > 1:
            raise HTTPException(400)
        if "content-length" in headers and "transfer-encoding" in headers:
            # Two servers may read the body differently (RFC 9112, 6.3): the response closes the connection.
            raise HTTPException(400, headers={"Connection": "close"})

        async def go_on(scope: Scope, receive: Receive, _refuse: Send) -> None:
            await self._app(scope, receive, send)

        await TrustedHostMiddleware(go_on, self._names, www_redirect=False)(scope, receive, _refuse)


async def _refuse(_message: Message) -> None:
    raise HTTPException(400)


class SameOrigin:
    """Refuses a POST from another site's page, before its body is read; CSRF tokens are checked too."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        parts = urlsplit(settings.public_url)
        has_public = bool(settings.public_url) and settings.web_auth != "none"
        self._public = f"{parts.scheme}://{parts.netloc}".lower() if has_public else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
