"""Leases of a row: another worker claims the row of a dead owner; a worker that lost its lease changes nothing."""

import errno
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping, event, text, update

from schemas.vocabulary import Format
from tests.integration.export_desk import COMMUNE, Desk, before_writing, fail_once, replace_writer
from tests.parts.town import LIBREVILLE_TEMPLATE
from tests.parts.wait import PATIENCE_SECONDS, wait_until
from worker.db.types import utc_now
from worker.errors import DatabaseAwayError, LeaseLostError
from worker.exports import lease
from worker.exports.lease import Heartbeat
from worker.handlers.making import make_liste
from worker.handlers.making.make_export import make_export
from worker.work.models import Work, WorkState
from worker.writers import Progress
from worker.writers.electeurs_file import LISTE_FORMATS

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]


def test_a_row_whose_workers_died_three_times_fails(desk: Desk) -> None:
    export_id = desk.ask()
    desk.run("UPDATE work SET state = 'held', owner = 'dead', starts = 3, lease_until = '2000-01-01 00:00:00.000'")
    row = desk.process(export_id)
    assert (row["status"], row["error_code"]) == ("failed", "arrets_repetes")
    assert row["error_message"] == "La production s'est arrêtée 3 fois avant la fin : prévenez l'exploitant."
    assert desk.files() == []


def test_a_row_at_work_elsewhere_is_left_alone(desk: Desk) -> None:
    export_id = desk.ask()
    desk.run("UPDATE export SET status = 'running'")
    with desk.engine.begin() as connection:
        held = {"state": WorkState.HELD, "owner": "other", "lease_until": utc_now(20)}
        connection.execute(update(Work).where(Work.subject == f"export:{export_id}").values(held))
    before = desk.row(export_id)
    assert desk.process(export_id) == before
    assert desk.files() == []


@pytest.mark.slow
@pytest.mark.parametrize("format_", Format)
def test_a_worker_that_lost_its_lease_publishes_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, format_: Format
) -> None:
    before_writing(monkeypatch, lambda: desk.run("UPDATE work SET owner = 'other', starts = 2"))
    row = desk.process(desk.ask(format_=format_))
    assert (row["status"], row["owner"], row["starts"]) == ("running", "other", 2)
    assert (row["sha256"], row["finished_at"], row["error_code"]) == (None, None, "")
    assert desk.files() == []


@pytest.mark.slow
def test_a_lost_lease_is_noticed_while_writing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = LISTE_FORMATS[Format.CSV].write

    def write(connection: Any, spec: Any, sink: Any, progress: Progress, **options: bool) -> int:  # noqa: ANN401
        desk.run("UPDATE work SET owner = 'other'")
        wait_until(lambda: _raises_lease_lost(progress), message="the heartbeat to see that the lease is lost")
        noticed.append(True)
        return real(connection, spec, sink, progress, **options)

    noticed: list[bool] = []
    replace_writer(monkeypatch, write)
    desk.configure(lease_seconds=0.3)
    assert desk.process(desk.ask())["owner"] == "other"
    assert noticed
    assert desk.files() == []


def test_a_worker_that_wakes_up_late_does_not_touch_the_file_of_its_successor(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = desk.ask()

    def succeed() -> None:
        desk.run("UPDATE work SET lease_until = '2000-01-01 00:00:00.000'")
        make_export(export_id, desk.services)
        seen.update({path: path.stat().st_ino for path in (desk.root / COMMUNE).glob("liste-*")})

    seen: dict[Path, int] = {}
    before_writing(monkeypatch, succeed)
    row = desk.process(export_id)
    assert row["status"] == "ready"
    assert len(seen) == 2
    assert {path: path.stat().st_ino for path in seen} == seen
    assert desk.files() == sorted(path.name for path in seen)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
def test_a_failure_after_the_lease_was_lost_is_nobodys_business(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    before_writing(monkeypatch, lambda: desk.run("UPDATE work SET owner = 'other'"))
    fail_once(monkeypatch, "fsync", code, on=".part")
    assert desk.process(desk.ask())["owner"] == "other"


def test_a_job_that_stands_still_loses_its_lease_and_its_process(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It kept the row for ever, frozen in COPY: another worker claims it, and that costs no start."""
    real = LISTE_FORMATS[Format.CSV].write

    def stand_still(connection: Any, spec: Any, sink: Any, progress: Progress, **options: bool) -> int:  # noqa: ANN401
        if desk.services.stuck.wait(PATIENCE_SECONDS):
            seen.append(desk.row(export_id))
        return real(connection, spec, sink, progress, **options)

    seen: list[RowMapping] = []
    replace_writer(monkeypatch, stand_still)
    monkeypatch.setattr(lease, "STILL_SECONDS", 0.2)
    desk.configure(lease_seconds=0.3)
    export_id = desk.ask()
    desk.process(export_id)
    (row,) = seen
    assert (row["status"], row["owner"], row["starts"]) == ("queued", None, 0)
    assert row["error_message"] == "La production n'avançait plus : prévenez l'exploitant."
    assert desk.row(export_id) == row, "what it does afterwards changes nothing"
    assert desk.files() == []


def test_a_step_that_was_announced_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "STILL_SECONDS", 0.0)
    renewed: list[int] = []

    def keep(written: int) -> bool:
        renewed.append(written)
        return True

    heartbeat = Heartbeat(keep, 0.03, lambda: None, threading.Event())
    heartbeat.expect(60)
    with heartbeat:
        wait_until(lambda: len(renewed) > 5, message="the lease to be renewed")
    heartbeat.expect(0)  # raises where the lease was lost


def test_the_validation_of_an_xml_file_is_announced(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The validation is one call, whose duration grows with the file."""
    announced: list[float] = []
    monkeypatch.setattr(Heartbeat, "expect", lambda _heartbeat, seconds: announced.append(seconds))
    monkeypatch.setattr(make_liste, "VALIDATED_BYTES_PER_SECOND", 1)
    row = desk.process(desk.ask(format_=Format.XML))
    assert max(announced) == lease.STILL_SECONDS + row["size"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_worker_that_freezes_while_it_publishes_does_not_keep_the_row(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction holds the row's lock: the database ends it after a fifth of a second here."""
    timeout = re.compile("(idle_in_transaction_session_timeout = )'[^']+'")

    @event.listens_for(desk.engine, "before_cursor_execute", retval=True)
    def shorten(*call: Any) -> tuple[str, Any]:  # noqa: ANN401 — SQLAlchemy's
        return timeout.sub(r"\1'200ms'", call[2]), call[3]

    def freeze(*_paths: object, **_folders: object) -> None:
        wait_until(lambda: not _waits_inside_a_transaction(desk), message="the end of the frozen transaction")
        ended.append(True)

    ended: list[bool] = []
    monkeypatch.setattr(os, "rename", freeze)
    export_id = desk.ask()
    with pytest.raises(DatabaseAwayError):
        desk.process(export_id)
    assert desk.row(export_id)["status"] == "queued"
    assert ended
    monkeypatch.undo()
    assert desk.process(export_id)["status"] == "ready"


def _waits_inside_a_transaction(desk: Desk) -> bool:
    idle = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
    with desk.engine.connect() as connection:
        return bool(connection.scalar(text(idle)))


def _raises_lease_lost(progress: Progress) -> bool:
    try:
        progress(0)
    except LeaseLostError:
        return True
    return False
