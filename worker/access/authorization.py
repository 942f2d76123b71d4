"""Which account may do which act for which commune, and for which agents the account may act."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Executable, Row, literal, select

from schemas.envelope import CloudEvent
from schemas.http import TOKEN_ACTOR
from schemas.rights import EVERY_COMMUNE, acts_of, find_missing_right
from worker.access.models import Agent, Sender, Token
from worker.db.engine import reading
from worker.errors import RefusedError
from worker.services import Services

UNKNOWN_ACCOUNT = "compte inconnu"
"""The actor in the trail of a refused event without an account."""

_RIGHTS = select(Sender.speaks_for_agents, Sender.acts)


class Authorization:
    """The rights of the account that published an event.

    `sender` is the account that the broker has authenticated; empty when the event has none.
    """

    def __init__(self, sender: str, services: Services, event: CloudEvent) -> None:
        self.sender = sender
        self._services = services
        self._acts = acts_of(event)
        self._rights: dict[str, Sequence[Row[Any]]] = {}

    @property
    def account(self) -> str:
        """The name of the account in rows and in the audit trail."""
        return self.sender or ("poste local" if self._services.is_embedded else UNKNOWN_ACCOUNT)

    def principal(self, commune: str, said: str) -> str:
        """The actor: the agent or token `said`, if the account acts for agents of the commune; else the account."""
        if self._services.is_embedded and not self.sender:
            return said
        return said if self._speaks_for(commune, said) else self.account

    def allows(self, commune: str) -> bool:
        """Whether the sender may ask for this commune. In the embedded mode only tokens have limits."""
        is_free = self._services.is_embedded and not self.sender.startswith(TOKEN_ACTOR)
        return is_free or bool(self._read_rights(commune))

    def require(self, commune: str, act: str = "") -> None:
        """Check that the sender may do the act of the event, or `act`, for this commune.

        Raises:
            RefusedError: it may not. The reason reveals nothing about the commune.
        """
        self._check(self._read_rights(commune), {act} if act else self._acts, commune)

    def require_somewhere(self) -> None:
        """Check that the sender may do the act of the event for one commune at least.

        Raises:
            RefusedError: it may not.
        """
        self._check(self._read(_RIGHTS.where(Sender.name == self.sender)), self._acts, "")

    def _check(self, rights: Sequence[Row[Any]], acts: Collection[str], commune: str) -> None:
        if not rights and self.allows(commune):
            return
        if not self.sender:
            raise RefusedError(
                "Expéditeur inconnu : la clé de routage doit nommer le compte RabbitMQ qui publie l'événement.",
                code="expediteur_inconnu",
            )
        granted = [right.acts for right in rights]
        if missing := find_missing_right(self.sender, granted, acts, commune):
            raise RefusedError(missing.message, code=missing.code, field=missing.field)

    def require_screen(self, commune: str) -> None:
        """Check that the sender is the screen, or that everything runs in one process.

        Raises:
            RefusedError: the sender is another account.
        """
        self.require(commune)
        if self.sender and not self._speaks(commune):
            raise RefusedError(
                f"Le compte « {self.sender} » ne peut pas envoyer ce que note l'écran : seul un compte qui parle pour "
                "les agents le peut (« accounts »).",
                code="compte_non_autorise",
                field="type",
            )

    def acts_for_agents(self, commune: str) -> bool:
        """Whether the account acts for the agents of a commune, as the screen does."""
        return (self._services.is_embedded and not self.sender) or self._speaks(commune)

    def communes_of(self, agent: str) -> list[str]:
        """Return the communes of an agent for which the account acts for agents."""
        codes = self._read(select(Agent.code_commune).where(Agent.name == agent))
        is_here = self._services.is_embedded and not self.sender
        return [code for (code,) in codes if is_here or self._speaks(code)]

    def _speaks_for(self, commune: str, said: str) -> bool:
        if not self._speaks(commune):
            return False
        is_token = literal(TOKEN_ACTOR).concat(Token.name) == said
        tokens = select(Token.name).where(
            is_token, Token.code_commune.in_([commune, EVERY_COMMUNE])
        )
        agents = select(Agent.name).where(Agent.name == said, Agent.code_commune == commune)
        return bool(self._read(agents.union_all(tokens).limit(1)))

    def _speaks(self, commune: str) -> bool:
        return any(right.speaks_for_agents for right in self._read_rights(commune))

    def _read_rights(self, commune: str) -> Sequence[Row[Any]]:
        if self.sender and commune not in self._rights:
            is_it = Sender.name == self.sender, Sender.code_commune.in_([commune, EVERY_COMMUNE])
            self._rights[commune] = self._read(_RIGHTS.where(*is_it))
        return self._rights.get(commune, [])

    def _read(self, query: Executable) -> Sequence[Row[Any]]:
        with reading(self._services.engine) as connection:
            return connection.execute(query).all()
