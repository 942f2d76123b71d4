"""What is known of the deposits: written as they are declared, read when the next file of the list is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from schemas.vocabulary import ExportKind, Verdict
from worker.exports.models import Depot, Export, Request

REPLACED = "un dépôt plus récent de cette liste a été accepté"

_LACKING = Depot.fingerprint.is_(None) & (Depot.fingerprint_reason == "")


@dataclass(frozen=True)
class Fingerprint:
    """What a later file is compared with; where there is none, the reason why."""

    key: bytes | None = None
    records: bytes | None = None
    reason: str = ""


class LastDepot(NamedTuple):
    """The file that was deposited last, and when it was asked for: the day that it bears."""

    export: Export
    asked_at: datetime
    deposited_on: date
    fingerprint: Fingerprint


def read_depots(connection: Connection, export_ids: Sequence[int]) -> Mapping[int, date]:
    """The days of the deposits of these files, where one is declared."""
    rows = connection.execute(select(Depot.export_id, Depot.deposited_on).where(Depot.export_id.in_(export_ids)))
    return {row.export_id: row.deposited_on for row in rows}


def write_depot(
    connection: Connection, export_id: int, *, deposited_on: date, deposited_by: str, remarque: str, said_at: datetime
) -> bool:
    """Record a deposit, or correct it; False when what was said later of this file is recorded already.

    A verdict from before the new day is of an earlier deposit: it is forgotten, with its answer.
    """
    values = {"deposited_on": deposited_on, "deposited_by": deposited_by, "remarque": remarque, "said_at": said_at}
    is_it = Depot.export_id == export_id
    if not connection.execute(update(Depot).where(is_it, _precedes(Depot.said_at, said_at)).values(values)).rowcount:
        if connection.scalar(select(Depot.export_id).where(is_it)) is not None:
            return False
        connection.execute(insert(Depot).values(export_id=export_id, **values))
        return True
    forgotten = {"verdict": "", "verdict_on": None, "verdict_by": "", "verdict_said_at": None, "answer": ""}
    connection.execute(update(Depot).where(is_it, Depot.verdict_on < deposited_on).values(forgotten))
    return True


def _precedes(column: InstrumentedAttribute[datetime | None], said_at: datetime) -> ColumnElement[bool]:
    """Whether what is recorded was said no later; of one instant, the last that is read counts."""
    return or_(column.is_(None), column <= said_at)


def write_verdict(
    connection: Connection,
    export: Export,
    *,
    verdict: Verdict,
    verdict_on: date,
    verdict_by: str,
    answer: str,
    said_at: datetime,
) -> bool:
    """Record what the platform answered; False when what was said later of this file is recorded already.

    Of a purged file the platform's words are not kept, since nothing would erase them. The fingerprints of
    the deposits that an accepted one replaces have no use any more.
    """
    purged_at = connection.scalar(select(Export.purged_at).where(Export.id == export.id).with_for_update())
    values = {
        "verdict": verdict.value,
        "verdict_on": verdict_on,
        "verdict_by": verdict_by,
        "verdict_said_at": said_at,
        "answer": "" if purged_at else answer,
    }
    is_next = Depot.export_id == export.id, _precedes(Depot.verdict_said_at, said_at)
    if not connection.execute(update(Depot).where(*is_next).values(values)).rowcount:
        return False
    if verdict is Verdict.ACCEPTE and export.kind == ExportKind.LISTE:
        _forget_replaced(connection, export)
    return True


def lacks_fingerprint(connection: Connection, export_id: int) -> bool:
    """Whether this file was deposited and its fingerprint neither taken nor known to be impossible."""
    return connection.scalar(select(Depot.export_id).where(Depot.export_id == export_id, _LACKING)) is not None


def write_fingerprint(connection: Connection, export_id: int, fingerprint: Fingerprint) -> None:
    """Keep the fingerprint of a deposited file, unless somebody has kept one meanwhile, or it has no use any more."""
    connection.execute(
        update(Depot)
        .where(Depot.export_id == export_id, _LACKING)
        .values(fingerprint_key=fingerprint.key, fingerprint=fingerprint.records, fingerprint_reason=fingerprint.reason)
    )


def find_last_depot(session: Session, export: Export) -> LastDepot | None:
    """The file of the same list that was deposited last and not rejected, if any; never `export` itself."""
    fingerprint = Depot.fingerprint_key, Depot.fingerprint, Depot.fingerprint_reason
    query = (
        select(Export, Request.created_at, Depot.deposited_on, *fingerprint)
        .join_from(Depot, Export, Export.id == Depot.export_id)
        .join(Request, Request.id == Export.request_id)
        .where(_of_same_list(export), Export.id != export.id, Depot.verdict != Verdict.REJETE.value)
        .order_by(Depot.deposited_on.desc(), Depot.export_id.desc())
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    return row and LastDepot(*row[:3], Fingerprint(*row[3:]))


def _forget_replaced(connection: Connection, export: Export) -> None:
    accepted = select(Depot.deposited_on).where(Depot.export_id == export.id).scalar_subquery()
    is_older = or_(Depot.deposited_on < accepted, and_(Depot.deposited_on == accepted, Depot.export_id < export.id))
    same = select(Export.id).where(_of_same_list(export))
    connection.execute(
        update(Depot)
        .where(Depot.export_id.in_(same), is_older)
        .values(fingerprint_key=None, fingerprint=None, fingerprint_reason=REPLACED)
    )


def _of_same_list(export: Export) -> ColumnElement[bool]:
    return and_(
        Export.code_commune == export.code_commune,
        Export.liste == export.liste,
        Export.kind == ExportKind.LISTE.value,
    )
