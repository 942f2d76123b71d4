"""The session: a signed cookie with the agent and messages for the next page; no data of electors."""

import hashlib
import secrets
import time
from collections import OrderedDict
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import structlog
from itsdangerous import TimestampSigner
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from producers.web.exports.spool import write_whole
from producers.web.security import KEY_SHOWN, AuthorizedAgent, Identity

SESSION_SECONDS = 8 * 3600
"""Maximum session, a working day; then the agent logs in again."""
IDLE_SECONDS = 3600
"""Maximum time without a page request, so that an unattended screen is closed."""

_ID, _SINCE, _SEEN, _WHO, _AGENT = "sid", "since", "seen", "who", "agent"
_IDENTITY, _ENDED = "identity", "ended"
_SEEN_EVERY = 60
_REMEMBERED = 10_000
_Value = TypeVar("_Value")

log = structlog.get_logger("producers.web")

CSRF_FIELD = "jeton"
_CSRF_KEY = "csrf"

RETURN = "retour"
"""Key of the session: the page to show after the login. Only its path, since the query may name an elector."""


class SignedSessions(SessionMiddleware):
    """Starlette's sessions, signed by HMAC-SHA-256 instead of SHA-1."""

    def __init__(self, app: ASGIApp, secret_key: str, *, session_cookie: str, https_only: bool) -> None:
        super().__init__(app, secret_key, session_cookie, SESSION_SECONDS, same_site="lax", https_only=https_only)
        self.signer = TimestampSigner(secret_key, digest_method=hashlib.sha256)


def is_partial(request: Request) -> bool:
    """Whether htmx sends the request; responses may arrive out of order."""
    return "hx-request" in request.headers


def answer_poll(request: Request, response: Response, *, is_done: bool) -> None:
    """Reload a waiting page once the work is done, unless the agent has typed into it.

    `screen.js` announces typed text by the header `X-Written`; the page then shows a link to itself instead.
    """
    if is_done and is_partial(request) and "x-written" not in request.headers:
        response.headers["HX-Refresh"] = "true"


class WebSessions:
    """The ended sessions, and the identity token of each session, which is too large for a cookie.

    Ended sessions are stored in a file, so that a copied cookie stays invalid after a restart. Tokens are in memory
    only: after a restart, the logout at the provider has none.
    """

    def __init__(self, ended_at: Path) -> None:
        self._file = ended_at
        self._tokens: OrderedDict[str, str] = OrderedDict()

    @cached_property
    def _ended(self) -> OrderedDict[str, int]:
        """Digests of ended sessions, each with the second at which its cookie expires anyway."""
        ended: OrderedDict[str, int] = OrderedDict()
        with suppress(OSError):
            for line in self._file.read_text("ascii").splitlines():
                digest, _, until = line.partition(" ")
                if until.isdecimal() and int(until) > time.time():
                    ended[digest] = int(until)
        return ended

    def begin(self, request: Request, who: str, token: str, *, identity: str = "", ended: int = 0) -> None:
        """Start a new session for the logged-in person; the former one is cleared.

        `identity` is the provider's; `ended` is the agent's `sessions_ended` at this time.
        """
        now, sid = int(time.time()), secrets.token_urlsafe(16)
        request.session.clear()
        request.session.update({_ID: sid, _WHO: who, _SINCE: now, _SEEN: now, _IDENTITY: identity, _ENDED: ended})
        _remember(self._tokens, sid, token)

    def end(self, request: Request) -> str:
        """End the session; return its identity token, empty if it is not in memory."""
        sid = str(request.session.get(_ID, ""))
        request.session.clear()
        _remember(self._ended, _digest(sid), int(time.time()) + SESSION_SECONDS)
        self._keep()
        return self._tokens.pop(sid, "")

    def _keep(self) -> None:
        """Store the ended sessions atomically; a full disk does not prevent the logout."""
        now = time.time()
        lines = (f"{digest} {until}\n".encode("ascii") for digest, until in self._ended.items() if until > now)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(self._file, lines)
        except OSError as error:
            log.error("logout_not_kept", error=error.strerror)  # noqa: TRY400 — no traceback

    def who(self, request: Request) -> str:
        """Return the address of the logged-in person; empty without session, or if it has expired."""
        session, now = request.session, time.time()
        who, sid = session.get(_WHO), session.get(_ID)
        if not who or _digest(str(sid)) in self._ended:
            return ""
        if now > session[_SINCE] + SESSION_SECONDS or now > session[_SEEN] + IDLE_SECONDS:
            return ""
        if now > session[_SEEN] + _SEEN_EVERY and not _is_by_itself(request):
            session[_SEEN] = int(now)
        return str(who)

    def is_of(self, request: Request, agent: AuthorizedAgent) -> bool:
        is_bound = agent.identity in {"", request.session.get(_IDENTITY)}
        return is_bound and request.session.get(_ENDED) == agent.sessions_ended


def require_agent(request: Request, identity: Identity) -> AuthorizedAgent:
    """Return the agent of the request; a session of another agent is cleared.

    Raises:
        NotIdentified: the request is not authenticated.
        NotAnAgent: the person is not in the table of agents.
        Untrusted: the request is not trustworthy.
        StateAwayError: the database did not answer.
    """
    agent = identity.identify(request)
    if request.session.get(_AGENT, agent.name) != agent.name:
        forget(request)
    if request.session.get(_AGENT) != agent.name:
        request.session[_AGENT] = agent.name
    request.state.agent = agent.name
    return agent


def forget(request: Request) -> None:
    """Clear the session, except the key that the browser showed: it belongs to the computer, not to an agent."""
    kept = {name: value for name, value in request.session.items() if name == KEY_SHOWN}
    request.session.clear()
    request.session.update(kept)


def _is_by_itself(request: Request) -> bool:
    return is_partial(request) or "text/event-stream" in request.headers.get("accept", "")


def _digest(sid: str) -> str:
    return hashlib.sha256(sid.encode()).hexdigest()


def _remember(memory: OrderedDict[str, _Value], key: str, value: _Value) -> None:
    memory[key] = value
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)


def csrf_token(request: Request) -> str:
    token: str = request.session.setdefault(_CSRF_KEY, secrets.token_urlsafe(32))
    return token


def require_csrf(request: Request, form: FormData) -> None:
    """Check that the form has this session's token.

    Raises:
        HTTPException: 403, the token is another site's or an old one.
    """
    given, expected = form.get(CSRF_FIELD), request.session.get(_CSRF_KEY)
    if not (isinstance(given, str) and expected and secrets.compare_digest(given.encode(), expected.encode())):
        raise HTTPException(403)
