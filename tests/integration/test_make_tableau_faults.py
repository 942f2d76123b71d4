"""A tableau meets a full disk, a bug or another owner: the test checks the disk, the row and the log."""

import errno
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import RowMapping

from schemas.tableaux import TypeTableau
from schemas.vocabulary import Piece
from tests.integration.export_desk import fail_once
from tests.integration.tableau_desk import TableauDesk
from tests.integration.tableau_register import (
    MOUVEMENTS,
    REUNION,
    REUNION_PRECEDENTE,
    SCRUTIN,
    add_scrutin,
    write_register,
)
from tests.parts.town import MIGRATED_TEMPLATE
from worker.exports.naming import piece_name
from worker.handlers.making import make_tableau
from worker.writers import Progress

pytestmark = [pytest.mark.database(MIGRATED_TEMPLATE), pytest.mark.desk(opened_by=TableauDesk.open)]

VINGT = TypeTableau.VINGT_JOURS


@pytest.fixture
def desk(desk: TableauDesk) -> TableauDesk:
    write_register(desk.engine, MOUVEMENTS)
    add_scrutin(desk.engine, SCRUTIN, REUNION_PRECEDENTE, REUNION)
    return desk


def _ask(desk: TableauDesk) -> int:
    (export_id,) = desk.ask_tableaux(VINGT, scrutin=SCRUTIN, presentations=["par_bureau"])
    return export_id


def _in_the_middle(monkeypatch: pytest.MonkeyPatch, action: Callable[[Progress], None]) -> None:
    """Run the action once, after the figures are computed and before any line is drawn."""
    real = make_tableau.write_report  # type: ignore[attr-defined]
    read: list[Progress] = []
    done: list[bool] = []

    def note(progress: Progress) -> Any:  # noqa: ANN401 — the real one
        read.append(progress)
        return count(progress)

    def write(*arguments: Any) -> Any:  # noqa: ANN401 — passed on
        if not done:
            done.append(True)
            action(read[-1])
        return real(*arguments)

    count = make_tableau._Count  # noqa: SLF001 — what is told of the progress
    monkeypatch.setattr(make_tableau, "_Count", note)
    monkeypatch.setattr(make_tableau, "write_report", write)


def test_a_worker_that_lost_its_lease_publishes_nothing(desk: TableauDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    _in_the_middle(monkeypatch, lambda _: desk.run("UPDATE work SET owner = 'other', starts = 2"))
    row = desk.process(_ask(desk))
    assert (row["status"], row["owner"], row["starts"]) == ("running", "other", 2)
    assert (row["sha256"], row["pages"], row["finished_at"], row["error_code"]) == (None, None, None, "")
    assert desk.files() == []


@pytest.mark.slow
def test_a_retry_gives_the_same_bytes(desk: TableauDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    unharmed = desk.finish(_ask(desk))
    export_id = _ask(desk)
    fail_once(monkeypatch, "fsync", errno.ENOSPC, on=".part")
    row = desk.process(export_id)
    assert (row["status"], row["error_code"], row["starts"]) == ("queued", "disque_plein", 0)
    assert desk.files() == sorted(_files(unharmed.row))
    desk.run("UPDATE work SET due_at = NULL")
    retried = desk.finish(export_id)
    assert retried.content == unharmed.content
    assert retried.anomalies == unharmed.anomalies
    assert (retried.row["sha256"], retried.row["error_code"]) == (unharmed.row["sha256"], "")


def _files(row: RowMapping) -> list[str]:
    """The tableau, its report, and the file of the electors who differ from the list of the day."""
    return [row["file_name"], row["report_name"], piece_name(row["file_name"], Piece.RECONCILIATION)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("DELETE FROM liste", "Le registre de 13900 a disparu depuis la demande : importez-le de nouveau."),
        ("UPDATE mouvement SET categorie = 'exil' WHERE id = 3", "mouvement n° 3 : "),
    ],
)
def test_a_register_that_cannot_be_printed_fails_the_row(desk: TableauDesk, changes: str, message: str) -> None:
    export_id = _ask(desk)
    desk.run(changes)
    row = desk.process(export_id)
    assert (row["status"], row["error_code"]) == ("failed", "export_impossible")
    assert row["error_message"].startswith(message)
    assert desk.files() == []
