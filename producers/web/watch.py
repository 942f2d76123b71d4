"""Around everything: one line of log a request, and a page in French whatever fails inside."""

import re
import time
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.logs import describe_exception
from producers.web.failures import on_http, show_failure

_log = structlog.get_logger("producers.web")
_PLAIN = re.compile(r"[0-9A-Za-z-]{1,40}")
_UNWATCHED = ("/static/", "/sante")
_LEFT = 499
"""nginx's word for a browser that did not wait."""


class Watch:
    """Logs the name of the route, never the address: that may be anything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 0, time.monotonic()

        async def send_watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        except HTTPException as error:
            if not status:
                await (await on_http(Request(scope, receive), error))(scope, receive, send_watched)
        except ClientDisconnect:
            status = status or _LEFT
        except Exception as error:  # noqa: BLE001 — the last net: nothing of it reaches the server's own log
            _log.error("page_failed", **_facts(scope), exception=describe_exception(error))
            if not status:
                await show_failure(Request(scope, receive), 500)(scope, receive, send_watched)
        finally:
            if not scope["path"].startswith(_UNWATCHED):
                seconds = round(time.monotonic() - began, 3)
                _log.info("request", **_facts(scope), status=status, seconds=seconds)


def _facts(scope: Scope) -> dict[str, Any]:
    """What may be logged of a request: ours, or plain words only."""
    facts: dict[str, Any] = {"method": scope["method"] if scope["method"] in _METHODS else "?"}
    if endpoint := scope.get("endpoint"):
        facts["page"] = getattr(endpoint, "__name__", "?").strip("_")
    for name, value in scope.get("path_params", {}).items():
        facts[name] = value if _PLAIN.fullmatch(str(value)) else "?"
    state = scope.get("state", {})
    facts |= {name: state[name] for name in ("agent", "correlation_id") if state.get(name)}
    return facts


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
