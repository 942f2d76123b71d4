"""An import is undone, or the day of its export corrected: what was made from it is to be made again."""

from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from common.french import short_date
from worker.exports.audit import Action
from worker.exports.recalls import Withdrawal, recall_files
from worker.registre.imports.chain import Redating, set_taken_on
from worker.registre.imports.undo import UndoSummary, undo_import


class Undone(NamedTuple):
    """What was undone, and the labels of the files that are to be made again."""

    summary: UndoSummary
    recalled: list[str]


class Redated(NamedTuple):
    """What was redated, and the labels of the files that are to be made again."""

    redating: Redating
    recalled: list[str]


def undo(engine: Engine, import_id: int | None = None, *, actor: str, reason: str = "") -> Undone:
    """Undo an import, by default the last one, and recall the files that rest on it.

    Raises:
        ImportRefusedError: it cannot be undone.
        RefusedError: a file was deposited or taken to be posted, and there is no `reason`. Nothing has changed.
    """
    recalled: list[str] = []

    def then(connection: Connection, summary: UndoSummary) -> None:
        because = f"l'import {summary.import_id} ({summary.file_name}) a été annulé"
        withdrawal = Withdrawal(summary.import_id, Action.IMPORT_UNDONE, because, actor, reason)
        recalled.extend(recall_files(connection, withdrawal, summary.listes))

    return Undone(undo_import(engine, import_id, then=then), recalled)


def redate(engine: Engine, import_id: int, day: date, *, actor: str, reason: str = "") -> Redated:
    """Correct the day an export was taken, and recall the tableaux that rest on it when it was another one.

    Raises:
        ImportRefusedError: it is no import of the REU, or its neighbours do not allow that day.
        RefusedError: a file was deposited or taken to be posted, and there is no `reason`. Nothing has changed.
    """
    recalled: list[str] = []

    def then(connection: Connection, redating: Redating) -> None:
        if redating.before in {None, day}:
            return
        because = f"l'export de l'import {import_id} est du {short_date(day)}, et non du {short_date(redating.before)}"
        withdrawal = Withdrawal(import_id, Action.IMPORT_REDATED, because, actor, reason, spares_listes=True)
        recalled.extend(recall_files(connection, withdrawal, redating.listes))

    return Redated(set_taken_on(engine, import_id, day, then=then), recalled)
