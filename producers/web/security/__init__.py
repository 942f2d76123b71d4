"""Who comes: the agent behind a request, the communes that are hers, and the ways to know her but OpenID Connect."""

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
"""Marks, in the scope of a request, that its peer is one of the listed proxies."""

KEY_FIELD = "cle"
"""The parameter of the address that opens the screen of this computer's user."""

KEY_SHOWN = "key"
"""Where a session holds the digest of the key that its browser showed."""

_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")

SECRET_HEADER = "X-Prefecture-Secret"  # noqa: S105 — the name of a header
PROXY_HEADER = "X-Remote-User"


@dataclass(frozen=True)
class AgentCommune:
    """A commune that an agent may see, and what is hers of it."""

    code: str
    nom: str
    wishes: str = ""
    """What she is mailed about, as the table of agents has it: `pret,echec,echeance`."""
    may_protect: bool = False
    """Whether she sees and changes who is protected. Code électoral, art. L. 37."""


@dataclass(frozen=True)
class AuthorizedAgent:
    """A person of the table of agents, by the name that `requested_by` bears."""

    name: str
    communes: tuple[AgentCommune, ...] = ()
    identity: str = ""
    """The provider's, which her first login bound her to; empty until then."""
    sessions_ended: int = 0

    def commune(self, code: str) -> AgentCommune | None:
        """That commune, if it is one of hers."""
        return next((commune for commune in self.communes if commune.code == code), None)


class NotIdentified(HTTPException):
    """Nobody is known to come: she is sent to log in, where one can."""

    code = "not_identified"
    """The word of the log for it, as of the two below."""

    def __init__(self) -> None:
        super().__init__(401)


class NotAnAgent(HTTPException):
    """Somebody is known to come, and is not in the table of agents, or is there under several names."""

    code = "not_an_agent"

    def __init__(self, who: str) -> None:
        super().__init__(403)
        self.who = who


class Untrusted(HTTPException):
    """What came is not to be believed: a proxy that nobody listed, a header that only a proxy may write."""

    def __init__(self, code: str) -> None:
        super().__init__(403)
        self.code = code


class Identity(Protocol):
    """One way to know who comes."""

    @property
    def has_login(self) -> bool:
        """Whether agents log in and out here, at `connexion` and `deconnexion`."""

    def identify(self, request: Request) -> AuthorizedAgent:
        """The agent behind the request, with the communes that are hers at this moment.

        Raises:
            NotIdentified: nobody is known to come.
            NotAnAgent: she is not in the table.
            Untrusted: the request is not to be believed.
            StateAwayError: the database did not answer.
        """


def read_agent(state: State, *, name: str = "", email: str = "") -> AuthorizedAgent | None:
    """The agent of that name or that address, with her communes; without either, the only one there is.

    None when there is no such agent, or several names for one address. Of an address the case does not matter, but for
    letters outside of ASCII: lowered, some become letters of somebody else's address.
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
    """Read the agent that a provider of identities or a proxy names.

    Raises:
        NotAnAgent: the table of agents has no such address or name.
        StateAwayError: the database did not answer.
    """
    agent = read_agent(state, email=email, name=name) if email or name else None
    if agent is None:
        raise NotAnAgent(email or name)
    return agent


def can_read_agents(state: State) -> bool:
    """Whether the database answers, and lets this account read who may come."""
    try:
        state.read(select(_HABILITATIONS).where(false()))
    except StateAwayError:
        return False
    return True


class SingleUser:
    """The agent `name` of the table of agents; the only one there is when `name` is empty.

    With a key, only in a browser that was opened at the address which holds it: whoever else has an account on this
    computer reaches the port too.
    """

    has_login = False

    def __init__(self, state: State, name: str, key: str = "") -> None:
        self._state = state
        self._name = name
        self._key = hashlib.sha256(key.encode()).hexdigest() if key else ""

    def admit(self, request: Request, key: str) -> None:
        """Remember in the session that its browser showed the key. Raises `NotIdentified`: it is another one."""
        shown = hashlib.sha256(key.encode()).hexdigest()
        if self._key and not secrets.compare_digest(shown, self._key):
            raise NotIdentified
        request.session[KEY_SHOWN] = shown

    def identify(self, request: Request) -> AuthorizedAgent:
        """Always the same agent; a proxy would make everybody that agent, so what comes through one is refused."""
        if any(name in request.headers for name in _OF_PROXIES):
            raise Untrusted("through_a_proxy")
        if self._key and not secrets.compare_digest(str(request.session.get(KEY_SHOWN, "")), self._key):
            raise NotIdentified
        agent = read_agent(self._state, name=self._name)
        if agent is None:
            raise NotAnAgent(self._name)
        return agent


class ProxyIdentity:
    """Believes PROXY_HEADER, from the peers of `web_trusted_proxies` only, with their secret.

    The header holds the address of the agent, or the name in the table of agents when it has no « @ ».
    """

    has_login = False

    def __init__(self, state: State, settings: WebSettings) -> None:
        self._state = state
        self._secret = settings.web_proxy_secret

    def identify(self, request: Request) -> AuthorizedAgent:
        """The agent that the proxy names; the header from anybody else, or twice, is refused."""
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
