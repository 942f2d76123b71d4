"""Authentication of agents, their communes, and all identity sources except OpenID Connect."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Boolean, Integer, String, column, false, func, select, table
from starlette.exceptions import HTTPException
from starlette.requests import Request

from producers.errors import StateAwayError
from producers.state import State
from producers.web.settings import WebSettings

_HABILITATIONS = table(
    "habilitations",
    *(column(name, String) for name in ("agent", "email", "code_commune", "nom_commune", "identity", "wishes")),
    column("sessions_ended", Integer),
    column("may_protect", Boolean),
)


def read_first_commune(state: State) -> str | None:
    query = select(_HABILITATIONS.c.code_commune).order_by(_HABILITATIONS.c.code_commune).limit(1)
    return next((row.code_commune for row in state.read(query)), None)


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


@dataclass(frozen=True)
class AuthorizedAgent:
    """A person of the table of agents; `name` is the `requested_by` of their events."""

    name: str
    communes: tuple[AgentCommune, ...] = ()
    identity: str = ""
    """The provider's identity, bound at the agent's first login; empty until then."""
    sessions_ended: int = 0

    def commune(self, code: str) -> AgentCommune | None:
        return next((commune for commune in self.communes if commune.code == code), None)


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


class Identity(Protocol):
    """A source of the agent's identity."""

    @property
    def has_login(self) -> bool:
        """Whether agents log in and out on this screen, at `connexion` and `deconnexion`."""

    def identify(self, request: Request) -> AuthorizedAgent:
        """Return the agent of the request, with their current communes.

        Raises:
            NotIdentified: the request is not authenticated.
            NotAnAgent: the person is not in the table of agents.
            Untrusted: the request is not trustworthy.
            StateAwayError: the database did not answer.
        """


def read_agent(state: State, *, name: str = "", email: str = "") -> AuthorizedAgent | None:
    """Return the agent with that name or address and their communes; without either, the only agent.

    None if there is no such agent, or if the address has several names. The case of an address is ignored for ASCII
    only: in lower case, other letters may give another person's address.
    """
    query = select(_HABILITATIONS).order_by(_HABILITATIONS.c.nom_commune, _HABILITATIONS.c.code_commune)
    if name:
        query = query.where(_HABILITATIONS.c.agent == name)
    if email.isascii() and email:
        query = query.where(func.lower(_HABILITATIONS.c.email) == email.lower())
    elif email:
        query = query.where(_HABILITATIONS.c.email == email)
    rows = state.read(query)
    if len({row.agent for row in rows}) != 1:
        return None
    communes = (AgentCommune(row.code_commune, row.nom_commune, row.wishes, bool(row.may_protect)) for row in rows)
    return AuthorizedAgent(rows[0].agent, tuple(communes), rows[0].identity, rows[0].sessions_ended)


def find_agent(state: State, *, email: str = "", name: str = "") -> AuthorizedAgent:
    """Return the agent that an identity provider or a proxy names.

    Raises:
        NotAnAgent: the table of agents has no such address or name.
        StateAwayError: the database did not answer.
    """
    agent = read_agent(state, email=email, name=name) if email or name else None
    if agent is None:
        raise NotAnAgent(email or name)
    return agent


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

    has_login = False

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

    def identify(self, request: Request) -> AuthorizedAgent:
        """Return that agent; a request through a proxy is refused, since all its users would become that agent."""
        if any(name in request.headers for name in _OF_PROXIES):
            raise Untrusted("through_a_proxy")
        if self._key and not secrets.compare_digest(str(request.session.get(KEY_SHOWN, "")), self._key):
            raise NotIdentified
        agent = read_agent(self._state, name=self._name)
        if agent is None:
            raise NotAnAgent(self._name)
        return agent


class ProxyIdentity:
    """Trusts PROXY_HEADER from the peers of `web_trusted_proxies` only, with their secret.

    The header holds the agent's address, or their name in the table of agents if it has no « @ ».
    """

    has_login = False

    def __init__(self, state: State, settings: WebSettings) -> None:
        self._state = state
        self._secret = settings.web_proxy_secret

    def identify(self, request: Request) -> AuthorizedAgent:
        """Return the agent that the proxy names; refuse the header from another peer, or twice."""
        named = request.headers.getlist(PROXY_HEADER)
        if request.scope.get(FROM_PROXY) is not True or not self._shows_secret(request):
            is_listed = request.scope.get(FROM_PROXY) is True
            raise Untrusted("proxy_secret" if is_listed else "proxy_not_listed") if named else NotIdentified
        if len(named) > 1:
            raise Untrusted("named_twice")
        who = named[0].strip() if named else ""
        if not who:
            raise NotIdentified
        return find_agent(self._state, email=who) if "@" in who else find_agent(self._state, name=who)

    def _shows_secret(self, request: Request) -> bool:
        if self._secret is None:
            return False
        shown = request.headers.getlist(SECRET_HEADER)
        return len(shown) == 1 and secrets.compare_digest(shown[0].encode(), self._secret.get_secret_value().encode())
