"""Deposits and publications of files: written when they are declared, read when the next file is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from schemas.declarations import FileDeposited, FileNote, TableauPublished, VerdictReceived
from schemas.seen import FILE_FACTS
from schemas.vocabulary import ExportKind, Piece, Verdict
from worker.exports.models import Depot, Export, ExportPiece, Publication, Request

REPLACED = "un dépôt plus récent de cette liste a été accepté"

_LACKING = Depot.fingerprint.is_(None) & (Depot.fingerprint_reason == "")


@dataclass(frozen=True)
class Fingerprint:
    """The digests with which a later file is compared; without them, the reason."""

    key: bytes | None = None
    records: bytes | None = None
    reason: str = ""


class LastDepot(NamedTuple):
    """The file that was deposited last, and the instant of its request, which its name carries."""

    export: Export
    asked_at: datetime
    deposited_on: date
    fingerprint: Fingerprint


def read_depots(connection: Connection, export_ids: Sequence[int]) -> Mapping[int, date]:
    """Return the day of the declared deposit of each of these files."""
    rows = connection.execute(
        select(Depot.export_id, Depot.deposited_on).where(Depot.export_id.in_(export_ids))
    )
    return {row.export_id: row.deposited_on for row in rows}


def read_noted(
    connection: Connection, note: FileNote, export_ids: Sequence[int]
) -> Sequence[Row[Any]]:
    """Return what is recorded of these files and the note may replace, by number, then as in `FILE_FACTS`.

    The files are locked until the end of the transaction: a note that comes at the same time waits.
    """
    if note.kind not in FILE_FACTS:
        return []
    for number in sorted(export_ids):
        _hold(connection, number)
    noted = Publication if isinstance(note, TableauPublished) else Depot
    columns = [getattr(noted, name) for name in ("export_id", *FILE_FACTS[note.kind])]
    query = select(*columns).where(noted.export_id.in_(export_ids)).order_by(noted.export_id)
    return connection.execute(query).all()


def write_depot(
    connection: Connection, export_id: int, deposited: FileDeposited, *, by: str, said_at: datetime
) -> bool:
    """Record or correct a deposit; return False when a later declaration about this file is recorded already.

    A verdict from before the new day belongs to an earlier deposit: it is deleted, with the platform's reply.
    """
    values = deposited.model_dump(exclude={"kind"}) | {"deposited_by": by, "said_at": said_at}
    is_it = Depot.export_id == export_id
    if not connection.execute(
        update(Depot).where(is_it, _precedes(Depot.said_at, said_at)).values(values)
    ).rowcount:
        if connection.scalar(select(Depot.export_id).where(is_it)) is not None:
            return False
        connection.execute(insert(Depot).values(export_id=export_id, **values))
        return True
    forgotten = {
        "verdict": "",
        "verdict_on": None,
        "verdict_by": "",
        "verdict_said_at": None,
        "answer": "",
    }
    connection.execute(
        update(Depot).where(is_it, Depot.verdict_on < deposited.deposited_on).values(forgotten)
    )
    return True


def _precedes(
    column: InstrumentedAttribute[datetime | None], said_at: datetime
) -> ColumnElement[bool]:
    """Return whether the recorded declaration is no later; of two at one instant, the last that is read counts."""
    return or_(column.is_(None), column <= said_at)


def write_verdict(
    connection: Connection, export: Export, received: VerdictReceived, *, by: str, said_at: datetime
) -> bool:
    """Record the platform's verdict; return False when a later verdict on this file is recorded already.

    The platform's text about a purged file is not stored, since no later purge would delete it. An accepted deposit
    replaces the earlier ones: their fingerprints are deleted.
    """
    purged_at = connection.scalar(
        select(Export.purged_at).where(Export.id == export.id).with_for_update()
    )
    values = received.model_dump(exclude={"kind"}) | {"verdict_by": by, "verdict_said_at": said_at}
    values |= {"answer": ""} if purged_at else {}
    is_next = Depot.export_id == export.id, _precedes(Depot.verdict_said_at, said_at)
    if not connection.execute(update(Depot).where(*is_next).values(values)).rowcount:
        return False
    if received.verdict is Verdict.ACCEPTE and export.kind == ExportKind.LISTE:
        accepted = select(Depot.deposited_on).where(Depot.export_id == export.id).scalar_subquery()
        is_older = or_(
            Depot.deposited_on < accepted,
            and_(Depot.deposited_on == accepted, Depot.export_id < export.id),
        )
        is_same = Depot.export_id.in_(select(Export.id).where(_of_same_list(export)))
        nothing = {"fingerprint_key": None, "fingerprint": None, "fingerprint_reason": REPLACED}
        connection.execute(update(Depot).where(is_same, is_older).values(nothing))
    return True


def lacks_fingerprint(connection: Connection, export_id: int) -> bool:
    """Return whether this file was deposited and has neither a fingerprint nor a reason for its absence."""
    return (
        connection.scalar(select(Depot.export_id).where(Depot.export_id == export_id, _LACKING))
        is not None
    )


def write_fingerprint(connection: Connection, export_id: int, fingerprint: Fingerprint) -> None:
    """Store the fingerprint of a deposited file, unless one is stored already or a later deposit replaced it."""
    connection.execute(
        update(Depot)
        .where(Depot.export_id == export_id, _LACKING)
        .values(
            fingerprint_key=fingerprint.key,
            fingerprint=fingerprint.records,
            fingerprint_reason=fingerprint.reason,
        )
    )


def find_last_depot(session: Session, export: Export) -> LastDepot | None:
    """Return the file of the same list that was deposited last and not rejected, if any; never `export` itself."""
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


def _of_same_list(export: Export) -> ColumnElement[bool]:
    return and_(
        Export.code_commune == export.code_commune,
        Export.liste == export.liste,
        Export.kind == ExportKind.LISTE.value,
    )


def write_publication(
    connection: Connection,
    export_id: int,
    published: TableauPublished,
    *,
    by: str,
    said_at: datetime,
) -> bool:
    """Record or correct a publication; return False when a later declaration about this tableau is recorded already.

    The certificate is deleted when its contents changed, to be drawn again; a withdrawal changes no signed one.
    """
    values = published.model_dump(exclude={"kind"}) | {"published_by": by, "said_at": said_at}
    _hold(connection, export_id)
    row = connection.execute(
        select(Publication.__table__).where(Publication.export_id == export_id)
    ).one_or_none()
    if row is None:
        connection.execute(insert(Publication).values(export_id=export_id, **values))
        return True
    if row.said_at > said_at:
        return False
    said = ["mode", "published_on", "published_until", "reason"]
    if published.certified_on is None:
        said.append("withdrawn_on")
    if any(getattr(row, name) != values[name] for name in said):
        connection.execute(delete(ExportPiece).where(*_is_certificat(export_id)))
    connection.execute(update(Publication).where(Publication.export_id == export_id).values(values))
    return True


def take_uncertified(connection: Connection, export_id: int) -> Row[Any] | None:
    """Return a publication with a last day and without a certificate, locked until the end of the transaction.

    Return None also when another worker has just drawn the certificate, and for a recalled tableau.
    """
    _hold(connection, export_id)
    is_due = Publication.export_id == export_id, Publication.published_until.is_not(None)
    query = select(Publication.__table__).where(
        *is_due,
        ~exists().where(*_is_certificat(export_id)),
        exists().where(Export.id == export_id, Export.recall_id.is_(None)),
    )
    return connection.execute(query).one_or_none()


def _hold(connection: Connection, export_id: int) -> None:
    """Lock the export, so that the publication does not change while its certificate is drawn."""
    connection.execute(
        select(Export.id).where(Export.id == export_id).with_for_update(key_share=True)
    )


def _is_certificat(export_id: int) -> tuple[ColumnElement[bool], ...]:
    return ExportPiece.export_id == export_id, ExportPiece.kind == Piece.CERTIFICAT.value
