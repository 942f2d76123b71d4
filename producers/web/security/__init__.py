"""Authentication of agents, their communes and their sessions; OpenID Connect is in `oidc`.

A session is a signed cookie with the agent and messages for the next page; it holds no data of electors.
"""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import structlog
from itsdangerous import TimestampSigner
from sqlalchemy import Boolean, Integer, String, column, false, func, select, table
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp

from producers.errors import StateAwayError
from producers.state import State
from producers.web.exports.spool import write_whole
from producers.web.settings import WebSettings

SESSION_SECONDS = 8 * 3600
"""Maximum session, a working day; then the agent logs in again."""
IDLE_SECONDS = 3600
"""Maximum time without a page request, so that an unattended screen is closed."""

_ID, _SINCE, _SEEN, _WHO, _AGENT = "sid", "since", "seen", "who", "agent"
_IDENTITY, _ENDED = "identity", "ended"
_SEEN_EVERY = 60
_REMEMBERED = 10_000

log = structlog.get_logger("producers.web")

_CSRF_KEY = "csrf"

RETURN = "retour"
"""Key of the session: the page to show after the login. Only its path, since the query may name an elector."""

_HABILITATIONS = table(
    "habilitations",
    *(
        column(name, String)
        for name in ("agent", "email", "code_commune", "nom_commune", "identity", "wishes")
    ),
    column("sessions_ended", Integer),
    column("may_protect", Boolean),
)


FROM_PROXY = "prefecture.from_proxy"
"""Key of a request's scope: the peer is a listed proxy."""

KEY_FIELD = "cle"
"""URL parameter that holds the key of this computer's user."""

KEY_SHOWN = "key"
"""Key of the session: digest of the key that the browser showed."""

_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")

SECRET_HEADER = "X-Prefecture-Secret"  # noqa: S105 — the name of a header
PROXY_HEADER = "X-Remote-User"


@dataclass(frozen=True)
class AgentCommune:
    code: str
    nom: str
    wishes: str = ""
    """The agent's e-mail notifications, as in the table of agents: `pret,echec,echeance`."""
    may_protect: bool = False
    """Whether the agent sees and changes protected electors. Source: Code électoral, art. L. 37."""
    identity: str = ""
    """The provider's identity, bound at the agent's first login for this commune; empty until then."""


@dataclass(frozen=True)
class AuthorizedAgent:
    """A person of the table of agents; `name` is the `requested_by` of their events."""

    name: str
    communes: tuple[AgentCommune, ...] = ()
    sessions_ended: int = 0

    def known_as(self, identity: str) -> "AuthorizedAgent | None":
        """Return the agent with the communes that are bound to this identity or to none; None without such a commune.

        Several screens may bind an agent, each for the communes of its account.
        """
        communes = tuple(it for it in self.communes if it.identity in {"", identity})
        return replace(self, communes=communes) if communes else None

    def commune(self, code: str) -> AgentCommune:
        """Return the commune; raise 404 if it is not the agent's."""
        for commune in self.communes:
            if commune.code == code:
                return commune
        raise HTTPException(404)


class NotIdentified(HTTPException):
    """The request is not authenticated; if a login exists, the browser is redirected to it."""

    code = "not_identified"
    """The word for the log."""

    def __init__(self) -> None:
        super().__init__(401)


class NotAnAgent(HTTPException):
    """The authenticated person is not in the table of agents, or has several names there."""

    code = "not_an_agent"

    def __init__(self, who: str) -> None:
        super().__init__(403)
        self.who = who


class Untrusted(HTTPException):
    """The request is not trustworthy: an unlisted proxy, or a header reserved for proxies."""

    def __init__(self, code: str) -> None:
        super().__init__(403)
        self.code = code


def find_agent(
    state: State, *, name: str | None = None, email: str | None = None
) -> AuthorizedAgent:
    """Return the agent with that name or address and their communes; if both are None, the only agent.

    Raises `NotAnAgent` if there is no such agent, or if the address has several names. The case of an address is
    ignored for ASCII only: in lower case, other letters may give another person's address.
    """
    query = select(_HABILITATIONS).order_by(
        _HABILITATIONS.c.nom_commune, _HABILITATIONS.c.code_commune
    )
    if name is not None:
        query = query.where(_HABILITATIONS.c.agent == name)
    if email is not None and email.isascii():
        query = query.where(func.lower(_HABILITATIONS.c.email) == email.lower())
    elif email is not None:
        query = query.where(_HABILITATIONS.c.email == email)
    rows = state.read(query)
    if len({row.agent for row in rows}) != 1:
        raise NotAnAgent(email or name or "")
    communes = (
        AgentCommune(
            row.code_commune, row.nom_commune, row.wishes, bool(row.may_protect), row.identity
        )
        for row in rows
    )
    return AuthorizedAgent(rows[0].agent, tuple(communes), rows[0].sessions_ended)


def can_read_agents(state: State) -> bool:
    """Whether the database answers and this account may read the table of agents."""
    try:
        state.read(select(_HABILITATIONS).where(false()))
    except StateAwayError:
        return False
    return True


class SingleUser:
    """The agent `name` of the table of agents; if `name` is empty, the only agent.

    With a key, only a browser opened at the URL with that key is accepted: other accounts of this computer reach the
    port.
    """

    def __init__(self, state: State, name: str, key: str = "") -> None:
        self._state = state
        self._name = name
        self._key = hashlib.sha256(key.encode()).hexdigest() if key else ""

    def admit(self, request: Request, key: str) -> None:
        """Record in the session that the browser showed the key. Raises `NotIdentified` if it is another key."""
        shown = hashlib.sha256(key.encode()).hexdigest()
        if self._key and not secrets.compare_digest(shown, self._key):
            raise NotIdentified
        request.session[KEY_SHOWN] = shown

    def who(self, request: Request) -> str:
        """Return the name; a request through a proxy is refused, since all its users would become that agent."""
        if any(name in request.headers for name in _OF_PROXIES):
            raise Untrusted("through_a_proxy")
        if self._key and not secrets.compare_digest(
            str(request.session.get(KEY_SHOWN, "")), self._key
        ):
            raise NotIdentified
        return self._name

    def identify(self, request: Request) -> AuthorizedAgent:
        return find_agent(self._state, name=self.who(request) or None)


class ProxyIdentity:
    """Trusts PROXY_HEADER from the peers of `web_trusted_proxies` only, with their secret.

    The header holds the agent's address, or their name in the table of agents if it has no « @ ».
    """

    def __init__(self, state: State, settings: WebSettings) -> None:
        self._state = state
        self._secret = settings.web_proxy_secret

    def who(self, request: Request) -> str:
        """Return the name or address that the proxy gives; refuse the header from another peer, or twice."""
        named = request.headers.getlist(PROXY_HEADER)
        if request.scope.get(FROM_PROXY) is not True or not self._shows_secret(request):
            is_listed = request.scope.get(FROM_PROXY) is True
            raise (
                Untrusted("proxy_secret" if is_listed else "proxy_not_listed")
                if named
                else NotIdentified
            )
        if len(named) > 1:
            raise Untrusted("named_twice")
        if not (named and named[0].strip()):
            raise NotIdentified
        return named[0].strip()

    def identify(self, request: Request) -> AuthorizedAgent:
        who = self.who(request)
        return (
            find_agent(self._state, email=who) if "@" in who else find_agent(self._state, name=who)
        )

    def _shows_secret(self, request: Request) -> bool:
        if self._secret is None:
            return False
        shown = request.headers.getlist(SECRET_HEADER)
        return len(shown) == 1 and secrets.compare_digest(
            shown[0].encode(), self._secret.get_secret_value().encode()
        )


class SignedSessions(SessionMiddleware):
    """Starlette's sessions, signed by HMAC-SHA-256 instead of SHA-1."""

    def __init__(
        self, app: ASGIApp, secret_key: str, *, session_cookie: str, https_only: bool
    ) -> None:
        super().__init__(
            app, secret_key, session_cookie, SESSION_SECONDS, same_site="lax", https_only=https_only
        )
        self.signer = TimestampSigner(secret_key, digest_method=hashlib.sha256)


def is_partial(request: Request) -> bool:
    """Whether htmx sends the request; responses may arrive out of order."""
    return "hx-request" in request.headers


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

    def begin(
        self, request: Request, who: str, token: str, *, identity: str = "", ended: int = 0
    ) -> None:
        """Start a new session for the logged-in person; the former one is cleared.

        `identity` is the provider's; `ended` is the agent's `sessions_ended` at this time.
        """
        now, sid = int(time.time()), secrets.token_urlsafe(16)
        request.session.clear()
        request.session.update(
            {_ID: sid, _WHO: who, _SINCE: now, _SEEN: now, _IDENTITY: identity, _ENDED: ended}
        )
        _remember(self._tokens, sid, token)

    def end(self, request: Request) -> str:
        """End the session; return its identity token, empty if it is not in memory.

        The ended sessions are stored atomically; a full disk does not prevent the logout.
        """
        sid, now = str(request.session.get(_ID, "")), time.time()
        request.session.clear()
        _remember(self._ended, _digest(sid), int(now) + SESSION_SECONDS)
        lines = (
            f"{digest} {until}\n".encode("ascii")
            for digest, until in self._ended.items()
            if until > now
        )
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(self._file, lines)
        except OSError as error:
            log.error("logout_not_kept", error=error.strerror)  # noqa: TRY400 — no traceback
        return self._tokens.pop(sid, "")

    def who(self, request: Request) -> str:
        """Return the address of the logged-in person. Raises `NotIdentified` without session, or if it has expired."""
        session, now = request.session, time.time()
        who, sid = session.get(_WHO), session.get(_ID)
        if not who or _digest(str(sid)) in self._ended:
            raise NotIdentified
        if now > session[_SINCE] + SESSION_SECONDS or now > session[_SEEN] + IDLE_SECONDS:
            raise NotIdentified
        if now > session[_SEEN] + _SEEN_EVERY and not is_partial(request):
            session[_SEEN] = int(now)
        return str(who)

    def restrict(self, request: Request, agent: AuthorizedAgent) -> AuthorizedAgent:
        """Return the agent with the communes of the session. Raises `NotIdentified` if it is another's, or ended."""
        known = agent.known_as(str(request.session.get(_IDENTITY, "")))
        if known is None or request.session.get(_ENDED) != agent.sessions_ended:
            raise NotIdentified
        return known


def require_agent(
    request: Request, identify: Callable[[Request], AuthorizedAgent]
) -> AuthorizedAgent:
    """Return the agent of the request, with their current communes; a session of another agent is cleared.

    Raises `NotIdentified`, `NotAnAgent` or `Untrusted`.
    """
    agent = identify(request)
    if request.session.get(_AGENT, agent.name) != agent.name:
        # The key that the browser showed belongs to the computer, not to an agent.
        kept = {name: value for name, value in request.session.items() if name == KEY_SHOWN}
        request.session.clear()
        request.session.update(kept)
    if request.session.get(_AGENT) != agent.name:
        request.session[_AGENT] = agent.name
    request.state.agent = agent.name
    return agent


def _digest(sid: str) -> str:
    return hashlib.sha256(sid.encode()).hexdigest()


def _remember(memory: OrderedDict[str, Any], key: str, value: str | int) -> None:
    memory[key] = value
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)


def csrf_token(request: Request) -> str:
    token: str = request.session.setdefault(_CSRF_KEY, secrets.token_urlsafe(32))
    return token


def require_csrf(request: Request, form: FormData) -> None:
    """Check that the form has this session's token. Raises `HTTPException` 403 if it is another site's, or old."""
    given, expected = form.get("jeton"), request.session.get(_CSRF_KEY)
    if not (
        isinstance(given, str)
        and expected
        and secrets.compare_digest(given.encode(), expected.encode())
    ):
        raise HTTPException(403)
