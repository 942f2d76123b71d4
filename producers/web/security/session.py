"""The session: a signed cookie that holds who comes and what the next page says; nothing of an elector."""

import secrets
import time
from collections import OrderedDict
from typing import TypeVar

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

from producers.web.security.identity import AuthorizedAgent, Identity

SESSION_SECONDS = 8 * 3600
"""A working day: then she is asked again who she is."""
IDLE_SECONDS = 3600
"""Without a page asked for: then too, so that a screen left open shows nothing to the next person."""

_ID, _SINCE, _SEEN, _WHO, _AGENT = "sid", "since", "seen", "who", "agent"
_SEEN_EVERY = 60
_REMEMBERED = 10_000
_Value = TypeVar("_Value")

CSRF_FIELD = "jeton"
_CSRF_KEY = "csrf"

RETURN_SECONDS = 600
HOME = "/"


def is_partial(request: Request) -> bool:
    """Whether htmx asks; a later answer may overtake this one."""
    return "hx-request" in request.headers


class WebSessions:
    """Which sessions ended before their time, and the identity token of each, too large for a cookie.

    Kept by this process: after a restart a cookie that was copied before its logout is good again until its end, and
    the provider is asked to log out without a token.
    """

    def __init__(self) -> None:
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._tokens: OrderedDict[str, str] = OrderedDict()

    def begin(self, request: Request, who: str, token: str) -> None:
        """A new session for whoever logged in; nothing of the former one stays."""
        now, sid = int(time.time()), secrets.token_urlsafe(16)
        request.session.clear()
        request.session.update({_ID: sid, _WHO: who, _SINCE: now, _SEEN: now})
        _remember(self._tokens, sid, token)

    def end(self, request: Request) -> str:
        """Nobody is known any more; the identity token of the session, empty when it was forgotten."""
        sid = str(request.session.get(_ID, ""))
        request.session.clear()
        _remember(self._ended, sid, None)
        return self._tokens.pop(sid, "")

    def who(self, request: Request) -> str:
        """Who logged in; empty when nobody did, or when the session is over."""
        session, now = request.session, time.time()
        who, sid = session.get(_WHO), session.get(_ID)
        if not who or sid in self._ended:
            return ""
        if now > session[_SINCE] + SESSION_SECONDS or now > session[_SEEN] + IDLE_SECONDS:
            return ""
        if now > session[_SEEN] + _SEEN_EVERY and not _is_by_itself(request):
            session[_SEEN] = int(now)
        return str(who)


def require_agent(request: Request, identity: Identity) -> AuthorizedAgent:
    """The agent who comes; what the session kept for another one is forgotten.

    Raises:
        NotIdentified: nobody knows her yet.
        NotAnAgent: she is not in the table.
        Untrusted: the request is not to be believed.
        StateAwayError: the database did not answer.
    """
    agent = identity.identify(request)
    if request.session.get(_AGENT, agent.name) != agent.name:
        request.session.clear()
    if request.session.get(_AGENT) != agent.name:
        request.session[_AGENT] = agent.name
    request.state.agent = agent.name
    return agent


def _is_by_itself(request: Request) -> bool:
    """Whether a page that stays open asks, not a person."""
    return is_partial(request) or "text/event-stream" in request.headers.get("accept", "")


def _remember(memory: OrderedDict[str, _Value], key: str, value: _Value) -> None:
    memory[key] = value
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)


def csrf_token(request: Request) -> str:
    """The token of this session's forms."""
    token: str = request.session.setdefault(_CSRF_KEY, secrets.token_urlsafe(32))
    return token


def require_csrf(request: Request, form: FormData) -> None:
    """Go on only with a form that this session was given.

    Raises:
        HTTPException: 403, it is another site's or an old one.
    """
    given, expected = form.get(CSRF_FIELD), request.session.get(_CSRF_KEY)
    if not (isinstance(given, str) and expected and secrets.compare_digest(given.encode(), expected.encode())):
        raise HTTPException(403)


class ReturnAddresses:
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
