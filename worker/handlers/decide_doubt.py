"""Somebody says whether a radiation and an inscription are one person: by the command, or by an event."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from schemas.declarations import DoubtDecided
from schemas.envelope import CloudEvent
from schemas.vocabulary import DoubtDecision
from worker.errors import RefusedError
from worker.exports.audit import Action, record_audit
from worker.handlers.authorization import Authorization
from worker.handlers.declarations import Declaration
from worker.handlers.export_plan import read_data
from worker.handlers.services import Services
from worker.registre.comparaison.doubts import Decided, decide_doubt, describe_differing


def decide(
    connection: Connection, doubt_id: int, decision: DoubtDecision, *, by: str, code_commune: str | None = None
) -> Decided:
    """Decide and put it on record, doubts that are answered with it included.

    Raises:
        RefusedError: no such doubt in the commune, or it was decided before.
    """
    decided = decide_doubt(connection, doubt_id, decision, by=by, code_commune=code_commune)
    said = f"doute n° {doubt_id}, liste {decided.liste} : {decision.label} ({describe_differing(decided.differs)})"
    followed = f"doute n° {{}}, liste {decided.liste} : {DoubtDecision.TWO_PERSONS.label}, d'après le n° {doubt_id}"
    for detail in (said, *map(followed.format, decided.others)):
        record_audit(connection, Action.DOUBT_DECIDED, actor=by, code_commune=decided.code_commune, detail=detail)
    return decided


@dataclass(frozen=True)
class DoubtAnswer(Declaration):
    """What an agent said of a doubt; it is about no file."""

    doubt: int
    decision: DoubtDecision

    def apply(self, connection: Connection, now: datetime) -> None:  # noqa: ARG002 — no day is said
        """Decide, in the transaction of the request."""
        decide(connection, self.doubt, self.decision, by=self.requested_by, code_commune=self.commune)


def read_decision(event: CloudEvent, services: Services, authorization: Authorization) -> DoubtAnswer:
    """Read the decision.

    Raises:
        RefusedError: it cannot be recorded, and why.
    """
    asked = read_data(event, DoubtDecided)
    authorization.require(asked.commune)
    if services.registre is not services.engine:
        raise RefusedError(
            "Le registre est tenu par un autre logiciel (PREFECTURE_REGISTRE_URL) : il n'y a pas de doute à trancher.",
            commune=asked.commune,
        )
    return DoubtAnswer(asked.commune, asked.requested_by, (), event.time, asked.doubt, asked.decision)
