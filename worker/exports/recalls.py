"""Recalls files that rest on withdrawn data or print outdated data; their labels state that they must be made again."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, insert, select, tuple_

from common.french import count_of
from schemas.tableaux import Edition
from schemas.vocabulary import Action, ExportKind, ExportStatus, Verdict
from worker.audit import Actor, Detail, WordKind, Words, record_audit
from worker.errors import RefusedError
from worker.exports.models import Depot, Export, Publication, Recall
from worker.exports.records import mark_recalled, restart
from worker.work.queue import About, NewWork, WorkKind, add, subject_of

_NAMED = 3
_FILES = (
    select(
        *(
            Export.id,
            Export.kind,
            Export.label,
            Export.code_commune,
            Export.rests_on,
            Export.edition,
        ),
        *(Export.downloaded_at, Export.bloquantes, Export.a_completer, Export.provisoire_until),
        *(Depot.deposited_on, Depot.verdict, Publication.published_on),
    )
    .outerjoin(Depot, Depot.export_id == Export.id)
    .outerjoin(Publication, Publication.export_id == Export.id)
)


class Withdrawal(NamedTuple):
    """A change of an import, of the calendar or of mouvements: its actor, and the reason if the actor gives one."""

    import_id: int | None
    action: Action
    because: str
    """The French text for files: « l'import 12 (reu.csv) a été annulé »."""
    by: Actor
    reason: str = ""
    code_commune: str = ""
    """The commune of the calendar or mouvements, when there is only one."""
    spares_listes: bool = False
    """Whether list files are not recalled: they do not depend on the day of an export."""
    says_why: bool = False
    """Whether the change is its own reason, so that the agent is not asked: a protection must not wait for one."""


class Resting(NamedTuple):
    """A file that a change would recall; `is_used`: deposited, published, or downloaded to be posted."""

    export_id: int
    label: str
    is_used: bool


def find_resting(
    connection: Connection, withdrawal: Withdrawal, listes: Collection[tuple[str, str]]
) -> list[Resting]:
    """Return the files that `recall_files` would mark; no row changes."""
    return [
        Resting(row.id, row.label, _is_used(row)) for row in _find(connection, withdrawal, listes)
    ]


def recall_files(
    connection: Connection, withdrawal: Withdrawal, listes: Collection[tuple[str, str]]
) -> list[str]:
    """Mark the files of these lists that rest on the import; return their labels from before.

    Running files restart. Call it last in the transaction that changes the register.

    Raises:
        RefusedError: one of them was deposited, published or downloaded to be posted, and no reason is given.
    """
    restart(connection, tuple_(Export.code_commune, Export.liste).in_(listes))
    return _recall(connection, withdrawal, _find(connection, withdrawal, listes))


def recall_tableaux(
    connection: Connection, withdrawal: Withdrawal, export_ids: Collection[int]
) -> list[str]:
    """Mark these tableaux, which the change affects, and record it in the trail; return their labels from before.

    Raises:
        RefusedError: as of `recall_files`.
    """
    found = connection.execute(_FILES.where(Export.id.in_(export_ids)).order_by(Export.id))
    return _recall(connection, withdrawal, found.all())


def _recall(connection: Connection, withdrawal: Withdrawal, found: Sequence[Row[Any]]) -> list[str]:
    if not (withdrawal.reason or withdrawal.says_why) and (
        used := [row for row in found if _is_used(row)]
    ):
        raise RefusedError(
            _refusal(withdrawal, used), code="raison_manquante", field="data.note.reason"
        )
    communes: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in found:
        communes[row.code_commune].append(row)
    said: Detail = withdrawal.because
    is_of_scrutin = withdrawal.action is Action.SCRUTIN_CHANGED
    if (
        withdrawal.reason or withdrawal.import_id is not None or is_of_scrutin
    ):  # may contain text that a person typed
        why = (
            f"{withdrawal.because} : {withdrawal.reason}"
            if withdrawal.reason
            else withdrawal.because
        )
        said = [Words(WordKind.TEXTE, why)]
    only = next(iter(communes)) if len(communes) == 1 else withdrawal.code_commune
    record_audit(connection, withdrawal.action, actor=withdrawal.by, code_commune=only, detail=said)
    for commune, rows in communes.items():
        values = {
            "because": withdrawal.because,
            "reason": withdrawal.reason,
            "recalled_by": withdrawal.by.name,
        }
        recall = insert(Recall).values(code_commune=commune, **values).returning(Recall.id)
        recall_id: int = connection.execute(recall).scalar_one()
        subject = subject_of(About.RECALL, recall_id)
        add(connection, [NewWork(WorkKind.END, subject)])
        mark_recalled(connection, [row.id for row in rows], recall_id)
        for row in rows:
            about: dict[str, Any] = {"code_commune": commune, "export_id": row.id}
            record_audit(
                connection, Action.FILE_RECALLED, actor=withdrawal.by, detail=said, **about
            )
    return [row.label for row in found]


def _find(
    connection: Connection, withdrawal: Withdrawal, listes: Collection[tuple[str, str]]
) -> Sequence[Row[Any]]:
    query = _FILES.where(
        Export.status == ExportStatus.READY,
        Export.recall_id.is_(None),
        Export.rests_on.is_not(None),
    ).order_by(Export.id)
    if withdrawal.spares_listes:
        query = query.where(Export.kind == ExportKind.TABLEAU)
    rows = connection.execute(query.where(tuple_(Export.code_commune, Export.liste).in_(listes)))
    return [
        row for row in rows if any(it["import_id"] == withdrawal.import_id for it in row.rests_on)
    ]


def _is_used(row: Row[Any]) -> bool:
    """Whether the file was deposited and not rejected, or is a tableau that was published, or fit and downloaded.

    Not every agent declares that a tableau is posted.
    """
    if row.published_on or (row.deposited_on and row.verdict != Verdict.REJETE):
        return True
    is_fit = (
        not (row.bloquantes or row.a_completer or row.provisoire_until)
        and row.edition == Edition.AFFICHAGE
    )
    return bool(row.kind == ExportKind.TABLEAU and is_fit and row.downloaded_at)


def _refusal(withdrawal: Withdrawal, used: Sequence[Row[Any]]) -> str:
    named = " ; ".join(f"« {row.label} »" for row in used[:_NAMED])
    others = f" ; et {count_of(len(used) - _NAMED, 'autre')}" if len(used) > _NAMED else ""
    files = "des fichiers déposés, publiés, ou téléchargés pour l'affichage,"
    if withdrawal.import_id is not None:
        return (
            f"{files} reposent sur l'import {withdrawal.import_id} ({named}{others}) : indiquez avec --reason pourquoi "
            "ils sont à refaire"
        )
    return f"{files} seraient à refaire ({named}{others}) : dites pourquoi"
