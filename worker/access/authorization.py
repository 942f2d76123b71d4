"""Which account may ask for which commune, and for which agents the account may act."""

import threading
from collections.abc import Collection

import structlog
from sqlalchemy import Engine, literal, select
from sqlalchemy.exc import SQLAlchemyError

from schemas.http import TOKEN_ACTOR
from schemas.topology import is_account
from worker.access.models import EVERY_COMMUNE, Agent, Sender, Token
from worker.errors import RefusedError
from worker.registre.communes import CommuneRegistre, read_commune
from worker.services import Services

UNKNOWN_ACCOUNT = "compte inconnu"
"""The actor in the trail of a refused event without an account."""

_HERE = "poste local"

log = structlog.get_logger()


class AccountList:
    """The accounts that may ask, read from the database at each call. Without the database, the last known ones."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        """Lets the consumers of a process share one connection."""
        self._accounts: Collection[str] = ()

    def __call__(self) -> Collection[str]:
        """Return the accounts whose names are valid in the name of a queue."""
        with self._lock:
            try:
                with self._engine.connect().execution_options(sqlite_begin="DEFERRED") as connection:
                    names = connection.scalars(select(Sender.name).distinct()).all()
                self._accounts = [name for name in names if is_account(name)]
            except SQLAlchemyError as error:
                log.warning("accounts_not_read", error=type(error).__name__)
            return self._accounts


class Facts:
    """The database's rows about the sender, the agents and the commune of one event; each row is read once."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._read: set[tuple[str, str]] = set()
        self._listed: dict[tuple[str, str], bool] = {}
        self._agents: set[tuple[str, str]] = set()
        self._communes: dict[str, CommuneRegistre | None] = {}

    def is_sender(self, sender: str, commune: str) -> bool:
        """Whether the account is on the list for this commune."""
        return bool(self._of(sender, commune))

    def speaks_for(self, sender: str, commune: str, agent: str) -> bool:
        """Whether the account acts for agents of this commune, and `agent` is one of them, or a token that opens it."""
        if not self.is_screen(sender, commune):
            return False
        return (agent, commune) in self._agents or (agent.startswith(TOKEN_ACTOR) and self._opens(agent, commune))

    def is_screen(self, sender: str, commune: str) -> bool:
        """Whether the account may act for the agents of this commune, as the screen does."""
        return any(self._of(sender, commune))

    def commune(self, code: str) -> CommuneRegistre | None:
        """Return the commune from the register; None when it is unknown."""
        if code not in self._communes:
            with self._services.registre.connect().execution_options(sqlite_begin="DEFERRED") as connection:
                self._communes[code] = read_commune(connection, code)
        return self._communes[code]

    def _opens(self, token: str, commune: str) -> bool:
        is_it = literal(TOKEN_ACTOR).concat(Token.name) == token
        opened = select(Token.id).where(is_it, Token.code_commune.in_([commune, EVERY_COMMUNE]))
        with self._services.engine.connect().execution_options(sqlite_begin="DEFERRED") as connection:
            return connection.scalar(opened.limit(1)) is not None

    def _of(self, sender: str, commune: str) -> list[bool]:
        if not sender:
            return []
        if (sender, commune) not in self._read:
            self._read_sender(sender, commune)
        keys = (sender, commune), (sender, EVERY_COMMUNE)
        return [self._listed[key] for key in keys if key in self._listed]

    def _read_sender(self, sender: str, commune: str) -> None:
        listed = Sender.name == sender, Sender.code_commune.in_([commune, EVERY_COMMUNE])
        listed_rows = select(Sender.name, Sender.code_commune, Sender.speaks_for_agents).where(*listed)
        agents = select(Agent.name, Agent.code_commune).where(Agent.code_commune == commune)
        with self._services.engine.connect().execution_options(sqlite_begin="DEFERRED") as connection:
            self._listed |= {(name, code): speaks for name, code, speaks in connection.execute(listed_rows)}
            self._agents |= {(name, code) for name, code in connection.execute(agents)}
        self._read.add((sender, commune))


class Authorization:
    """The rights of the account that published an event.

    `sender` is the account that the broker has authenticated; empty when the event has none.
    """

    def __init__(self, sender: str, services: Services) -> None:
        self.sender = sender
        self.facts = Facts(services)
        self._services = services

    @property
    def account(self) -> str:
        """The name of the account in rows and in the audit trail."""
        return self.sender or (_HERE if self._services.is_embedded else UNKNOWN_ACCOUNT)

    def principal(self, commune: str, said: str) -> str:
        """The actor: the agent or token `said`, if the account acts for agents of the commune; else the account."""
        if self._services.is_embedded and not self.sender:
            return said
        return said if self.facts.speaks_for(self.sender, commune, said) else self.account

    def allows(self, commune: str) -> bool:
        """Whether the sender may ask for this commune."""
        return self._services.is_embedded or self.facts.is_sender(self.sender, commune)

    def require(self, commune: str) -> None:
        """Check that the sender may ask for this commune.

        Raises:
            RefusedError: it may not. The reason reveals nothing about the commune.
        """
        if self.allows(commune):
            return
        if not self.sender:
            raise RefusedError(
                "Expéditeur inconnu : l'événement doit porter la propriété AMQP « user_id », égale au compte RabbitMQ "
                "qui le publie.",
                code="expediteur_inconnu",
            )
        raise RefusedError(
            f"Le compte « {self.sender} » ne peut pas demander de fichiers de {commune} : la personne qui "
            "administre le service l'y autorise (« accounts »).",
            code="compte_non_autorise",
            field="data.commune",
        )

    def require_screen(self, commune: str) -> None:
        """Check that the sender is the screen, or that everything runs in one process.

        Raises:
            RefusedError: the sender is another account.
        """
        self.require(commune)
        if self.sender and not self.facts.is_screen(self.sender, commune):
            raise RefusedError(
                f"Le compte « {self.sender} » ne peut pas envoyer ce que note l'écran : seul un compte qui parle pour "
                "les agents le peut (« accounts »).",
                code="compte_non_autorise",
                field="type",
            )
