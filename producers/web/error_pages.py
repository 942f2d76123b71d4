"""Error pages in French: the cause and the remedy, without internal details.

Agents without access, or logged out, read why and whom to ask. The provider's logout is reached by a page that
refreshes itself: the CSP forbids a redirect to another site after a form.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from producers import errors
from producers.errors import ProducerError
from producers.web.page_context import SEE_OTHER, WebServices
from producers.web.security import (
    RETURN,
    NotAnAgent,
    NotIdentified,
    Untrusted,
    csrf_token,
    is_partial,
)

_log = structlog.get_logger("producers.web")


def show_access_page(
    request: Request,
    case: Literal["closed", "failed", "left", "not_an_agent", "not_identified", "untrusted"],
    status_code: int = 200,
    *,
    who: str = "",
    code: str = "",
    onward: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Render one of these pages; `who` is the refused name, `code` of a failure; the browser continues to `onward`."""
    services: WebServices = request.app.state.services
    settings = services.settings
    if (
        case == "not_identified"
        and settings.web_auth == "proxy"
        and not settings.web_trusted_proxies
    ):
        case = "closed"
    has_login = settings.has_login
    return services.templates.TemplateResponse(
        request,
        "templates/access.html",
        {
            "case": case,
            "code": code,
            "is_alone": settings.web_auth == "none",
            "who": who,
            "onward": onward,
            "login": request.app.url_path_for("connexion")
            if has_login and case != "not_an_agent"
            else "",
            "logout": request.app.url_path_for("deconnexion")
            if has_login and case == "not_an_agent"
            else "",
            "csrf_token": csrf_token(request) if "session" in request.scope else "",
        },
        status_code=status_code,
        headers=dict(headers or {}) | ({"Refresh": f"0; url={onward}"} if onward else {}),
    )


def show_failure(
    request: Request, status: int, reason: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    services: WebServices = request.app.state.services
    return services.templates.TemplateResponse(
        request,
        "templates/failure.html",
        {"status": status, "reason": reason, "seconds": (headers or {}).get("Retry-After")},
        status_code=status,
        headers=dict(headers or {}),
    )


async def on_http(request: Request, error: Exception) -> Response:
    """Show the page of an HTTP status, or redirect to the login; the log records why access is refused."""
    if isinstance(error, NotAnAgent | NotIdentified | Untrusted):
        request.state.refused = error.code
    match error:
        case NotIdentified():
            # to the login, which returns to the page; a page reloads after a refused script request
            services: WebServices = request.app.state.services
            is_by_script, mode = (
                is_partial(request),
                request.headers.get("sec-fetch-mode", "navigate"),
            )
            is_opened = request.method in {"GET", "HEAD"} and mode == "navigate"
            if not services.settings.has_login or is_by_script or not is_opened:
                headers = {"HX-Refresh": "true"} if is_by_script else {}
                return show_access_page(request, "not_identified", 401, headers=headers)
            request.session[RETURN] = request.url.path
            return RedirectResponse(request.app.url_path_for("connexion"), SEE_OTHER)
        case NotAnAgent():
            return show_access_page(request, "not_an_agent", 403, who=error.who)
        case Untrusted():
            return show_access_page(request, "untrusted", 403)
        case HTTPException(status_code=429 | 503 as status):
            return show_failure(request, status, error.detail, error.headers)
        case HTTPException():
            return show_failure(request, error.status_code, headers=error.headers)
    raise error


async def on_producer(request: Request, error: Exception) -> Response:
    if isinstance(error, errors.InvalidRequestError):
        return show_failure(request, 400, reason=str(error))
    _log.warning("part_failed", error=type(error).__name__, reason=str(error))
    look_first = (
        "La demande est peut-être partie\u202f: regardez les derniers exports avant de la refaire."
    )
    is_sent = isinstance(error, errors.BrokerBlockedError | errors.UnconfirmedError)
    return show_failure(request, 503, reason=look_first if is_sent else "")


HANDLERS: Mapping[Any, Callable[[Request, Exception], Any]] = {
    HTTPException: on_http,
    ProducerError: on_producer,
}
