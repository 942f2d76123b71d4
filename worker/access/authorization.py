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


class Authorization:
    """The rights of the account that published an event.

    `sender` is the account that the broker has authenticated; empty when the event has none.
    """

    def __init__(self, sender: str, services: Services) -> None:
        self.sender = sender
        self._services = services
        self._rights: dict[str, list[bool]] = {}

    @property
    def account(self) -> str:
        """The name of the account in rows and in the audit trail."""
        return self.sender or (_HERE if self._services.is_embedded else UNKNOWN_ACCOUNT)

    def principal(self, commune: str, said: str) -> str:
        """The actor: the agent or token `said`, if the account acts for agents of the commune; else the account."""
        if self._services.is_embedded and not self.sender:
            return said
        return said if self._speaks_for(commune, said) else self.account

    def allows(self, commune: str) -> bool:
        """Whether the sender may ask for this commune."""
        return self._services.is_embedded or bool(self._read_rights(commune))

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
        if self.sender and not any(self._read_rights(commune)):
            raise RefusedError(
                f"Le compte « {self.sender} » ne peut pas envoyer ce que note l'écran : seul un compte qui parle pour "
                "les agents le peut (« accounts »).",
                code="compte_non_autorise",
                field="type",
            )

    def _speaks_for(self, commune: str, said: str) -> bool:
        if not any(self._read_rights(commune)):
            return False
        is_token = literal(TOKEN_ACTOR).concat(Token.name) == said
        tokens = select(Token.name).where(is_token, Token.code_commune.in_([commune, EVERY_COMMUNE]))
        agents = select(Agent.name).where(Agent.name == said, Agent.code_commune == commune)
        with self._services.engine.connect().execution_options(sqlite_begin="DEFERRED") as connection:
            return connection.scalar(agents.union_all(tokens).limit(1)) is not None

    def _read_rights(self, commune: str) -> list[bool]:
        """Return, for each right of the account to this commune, whether the account acts for agents."""
        if self.sender and commune not in self._rights:
            is_it = Sender.name == self.sender, Sender.code_commune.in_([commune, EVERY_COMMUNE])
            with self._services.engine.connect().execution_options(sqlite_begin="DEFERRED") as connection:
                self._rights[commune] = list(connection.scalars(select(Sender.speaks_for_agents).where(*is_it)))
        return self._rights.get(commune, [])
