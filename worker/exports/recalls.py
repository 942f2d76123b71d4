"""Files that rest on what was taken back, or print what is not so any more: to be made again, and they say why."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, insert, select, tuple_

from common.french import count_of
from schemas.tableaux import Edition
from schemas.vocabulary import ExportKind, ExportStatus, Verdict
from worker.audit import Action, Detail, Pseudonymised, WordKind, record_audit
from worker.errors import RefusedError
from worker.exports.models import Depot, Export, Publication, Recall
from worker.exports.records import mark_recalled, restart
from worker.work.models import About, WorkKind, subject_of
from worker.work.queue import NewWork, add

_AT_ONCE = 500
"""Lists, or files, named in one statement."""

_NAMED = 3
_FILES = (
    select(
        *(Export.id, Export.kind, Export.label, Export.code_commune, Export.rests_on, Export.edition),
        *(Export.downloaded_at, Export.bloquantes, Export.a_completer, Export.provisoire_until),
        *(Depot.deposited_on, Depot.verdict, Publication.published_on),
    )
    .outerjoin(Depot, Depot.export_id == Export.id)
    .outerjoin(Publication, Publication.export_id == Export.id)
)


class Withdrawal(NamedTuple):
    """What was done to an import, to the calendar or to mouvements, by whom, and why if he says so."""

    import_id: int | None
    action: Action
    because: str
    """In French, as files say it: « l'import 12 (reu.csv) a été annulé »."""
    actor: str
    reason: str = ""
    account: str = ""
    """The account that proves who acts."""
    code_commune: str = ""
    """Whose calendar or mouvements they are, when they are those of one commune."""
    spares_listes: bool = False
    """Whether list files stay what they are: the day of an export is not theirs."""
    says_why: bool = False
    """Whether what was done is the reason, so that none is asked: nobody is to wait for it before she is protected."""


class Resting(NamedTuple):
    """A file that an act would let be made again; `is_used`: deposited, or taken to be posted."""

    export_id: int
    label: str
    is_used: bool


def find_resting(connection: Connection, withdrawal: Withdrawal, listes: Iterable[tuple[str, str]]) -> list[Resting]:
    """The files that `recall_files` would mark; nothing changes."""
    return [Resting(row.id, row.label, _is_used(row)) for row in _find(connection, withdrawal, listes)]


def recall_files(connection: Connection, withdrawal: Withdrawal, listes: Iterable[tuple[str, str]]) -> list[str]:
    """Mark the files of these lists that rest on the import; their labels as they were.

    Those that are being made begin again. Runs in the transaction that changes the register, last.

    Raises:
        RefusedError: one of them was deposited, or taken to be posted, and nobody says why; nothing was changed.
    """
    found = list(_find(connection, withdrawal, listes, lambda of_listes: restart(connection, of_listes)))
    return _recall(connection, withdrawal, found)


def recall_tableaux(connection: Connection, withdrawal: Withdrawal, export_ids: Iterable[int]) -> list[str]:
    """Mark these tableaux, which the act has changed; their labels as they were. The act is put on record.

    Raises:
        RefusedError: as of `recall_files`.
    """
    ids = iter(export_ids)
    found: list[Row[Any]] = []
    while batch := list(islice(ids, _AT_ONCE)):
        found += connection.execute(_FILES.where(Export.id.in_(batch)).order_by(Export.id))
    return _recall(connection, withdrawal, found)


def _recall(connection: Connection, withdrawal: Withdrawal, found: Sequence[Row[Any]]) -> list[str]:
    if not (withdrawal.reason or withdrawal.says_why) and (used := [row for row in found if _is_used(row)]):
        raise RefusedError(_refusal(withdrawal, used), code="raison_manquante", field="data.note.reason")
    communes: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in found:
        communes[row.code_commune].append(row)
    said: Detail = withdrawal.because
    if withdrawal.reason or withdrawal.import_id is not None:  # a reason, or a file that people named
        why = f"{withdrawal.because} : {withdrawal.reason}" if withdrawal.reason else withdrawal.because
        said = [Pseudonymised(WordKind.TEXTE, why)]
    only = next(iter(communes)) if len(communes) == 1 else withdrawal.code_commune
    who: dict[str, Any] = {"actor": withdrawal.actor, "account": withdrawal.account}
    record_audit(connection, withdrawal.action, **who, code_commune=only, detail=said)
    for commune, rows in communes.items():
        values = {"because": withdrawal.because, "reason": withdrawal.reason, "recalled_by": withdrawal.actor}
        recall = insert(Recall).values(code_commune=commune, **values).returning(Recall.id)
        recall_id: int = connection.execute(recall).scalar_one()
        subject = subject_of(About.RECALL, recall_id)
        add(connection, [NewWork(WorkKind.EVENT, subject, str(row.id)) for row in rows])
        add(connection, [NewWork(WorkKind.RECIPIENTS, subject)])
        ids = iter([row.id for row in rows])
        while batch := list(islice(ids, _AT_ONCE)):
            mark_recalled(connection, batch, recall_id)
        for row in rows:
            about: dict[str, Any] = who | {"code_commune": commune, "export_id": row.id}
            record_audit(connection, Action.FILE_RECALLED, detail=said, **about)
    return [row.label for row in found]


def _find(
    connection: Connection,
    withdrawal: Withdrawal,
    listes: Iterable[tuple[str, str]],
    before: Callable[[ColumnElement[bool]], object] = lambda _: None,
) -> Iterator[Row[Any]]:
    """The files that rest on the import, of these lists, once what is to be done before to some of them is."""
    query = _FILES.where(
        Export.status == ExportStatus.READY, Export.recall_id.is_(None), Export.rests_on.is_not(None)
    ).order_by(Export.id)
    if withdrawal.spares_listes:
        query = query.where(Export.kind == ExportKind.TABLEAU)
    rest = iter(listes)
    while batch := list(islice(rest, _AT_ONCE)):
        of_listes = tuple_(Export.code_commune, Export.liste).in_(batch)
        before(of_listes)
        for row in connection.execute(query.where(of_listes)):
            if any(it["import_id"] == withdrawal.import_id for it in row.rests_on):
                yield row


def _is_used(row: Row[Any]) -> bool:
    """Whether it was deposited and not rejected, or is a tableau that was published, or taken and could be posted.

    Not everybody tells the module that a tableau hangs on the wall.
    """
    if row.published_on or (row.deposited_on and row.verdict != Verdict.REJETE):
        return True
    is_fit = not (row.bloquantes or row.a_completer or row.provisoire_until) and row.edition == Edition.AFFICHAGE
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
