"""Files that rest on an import which was undone or redated: to be made again, and their rows say why."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, insert, select, tuple_

from common.french import count_of
from schemas.tableaux import Edition
from schemas.vocabulary import ExportKind, ExportStatus, Verdict
from worker.db.notify import notify_ready
from worker.errors import RefusedError
from worker.exports.audit import Action, record_audit
from worker.exports.models import Depot, Export, Recall
from worker.exports.records import mark_recalled, restart

_AT_ONCE = 500
"""Lists, or files, named in one statement."""

_NAMED = 3


class Withdrawal(NamedTuple):
    """What was done to an import, by whom, and why if he says so."""

    import_id: int
    action: Action
    because: str
    """In French, as files say it: « l'import 12 (reu.csv) a été annulé »."""
    actor: str
    reason: str = ""
    spares_listes: bool = False
    """Whether list files stay what they are: the day of an export is not theirs."""


def recall_files(connection: Connection, withdrawal: Withdrawal, listes: Iterable[tuple[str, str]]) -> list[str]:
    """Mark the files of these lists that rest on the import; their labels as they were.

    Those that are being made begin again. Runs in the transaction that changes the register, last.

    Raises:
        RefusedError: one of them was deposited, or taken to be posted, and nobody says why; nothing was changed.
    """
    found = list(_find(connection, withdrawal, listes))
    if not withdrawal.reason and (used := [row for row in found if _is_used(row)]):
        raise RefusedError(_refusal(withdrawal, used))
    communes: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in found:
        communes[row.code_commune].append(row)
    said = f"{withdrawal.because} : {withdrawal.reason}" if withdrawal.reason else withdrawal.because
    only = next(iter(communes)) if len(communes) == 1 else ""
    record_audit(connection, withdrawal.action, actor=withdrawal.actor, code_commune=only, detail=said)
    for commune, rows in communes.items():
        values = {"because": withdrawal.because, "reason": withdrawal.reason, "recalled_by": withdrawal.actor}
        recall = insert(Recall).values(code_commune=commune, **values).returning(Recall.id)
        recall_id: int = connection.execute(recall).scalar_one()
        ids = iter([row.id for row in rows])
        while batch := list(islice(ids, _AT_ONCE)):
            mark_recalled(connection, batch, recall_id)
        for row in rows:
            about: dict[str, Any] = {"actor": withdrawal.actor, "code_commune": commune, "export_id": row.id}
            record_audit(connection, Action.FILE_RECALLED, detail=said, **about)
    if found:
        notify_ready(connection)
    return [row.label for row in found]


def _find(connection: Connection, withdrawal: Withdrawal, listes: Iterable[tuple[str, str]]) -> Iterator[Row[Any]]:
    """The files that rest on the import, of these lists; none is being made any more."""
    columns = Export.id, Export.kind, Export.label, Export.code_commune, Export.rests_on, Export.edition
    used = Export.downloaded_at, Export.bloquantes, Export.provisoire_until, Depot.deposited_on, Depot.verdict
    query = select(*columns, *used).outerjoin(Depot, Depot.export_id == Export.id)
    query = query.where(
        Export.status == ExportStatus.READY, Export.recall_id.is_(None), Export.rests_on.is_not(None)
    ).order_by(Export.id)
    if withdrawal.spares_listes:
        query = query.where(Export.kind == ExportKind.TABLEAU)
    rest = iter(listes)
    while batch := list(islice(rest, _AT_ONCE)):
        of_listes = tuple_(Export.code_commune, Export.liste).in_(batch)
        restart(connection, of_listes)
        for row in connection.execute(query.where(of_listes)):
            if any(it["import_id"] == withdrawal.import_id for it in row.rests_on):
                yield row


def _is_used(row: Row[Any]) -> bool:
    """Whether it was deposited and not rejected, or is a tableau that was taken and could be posted.

    Nobody tells the module that a tableau hangs on the wall.
    """
    if row.deposited_on and row.verdict != Verdict.REJETE:
        return True
    is_fit = not (row.bloquantes or row.provisoire_until) and row.edition == Edition.AFFICHAGE
    return bool(row.kind == ExportKind.TABLEAU and is_fit and row.downloaded_at)


def _refusal(withdrawal: Withdrawal, used: Sequence[Row[Any]]) -> str:
    named = " ; ".join(f"« {row.label} »" for row in used[:_NAMED])
    others = f" ; et {count_of(len(used) - _NAMED, 'autre')}" if len(used) > _NAMED else ""
    return (
        f"des fichiers déposés, ou téléchargés pour l'affichage, reposent sur l'import {withdrawal.import_id} "
        f"({named}{others}) : indiquez avec --reason pourquoi ils sont à refaire"
    )
