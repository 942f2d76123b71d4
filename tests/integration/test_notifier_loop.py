"""Events, sweep and loop: programs are notified once, lost messages enqueued again once, the loop survives errors."""

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Connection, text, update

from schemas.envelope import CloudEvent
from schemas.events import FileStatus, RequestStatus
from schemas.vocabulary import ExportStatus
from tests.integration.notifier_desk import (
    SIX,
    TEMPLATE,
    Desk,
    Killed,
    make_export,
    running,
    smtp,
    work,
)
from tests.parts.mail import Mailbox
from tests.parts.wait import wait_until
from worker.db.engine import CHANNEL, POLL_SECONDS, notify_ready
from worker.db.types import utc_now
from worker.doorbell import Doorbell
from worker.errors import TransientError
from worker.exports.models import Export
from worker.exports.records import settle
from worker.housekeeping.housekeeping import sweep
from worker.notifier.notify import FAILED
from worker.work.models import WorkState

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]


def test_programs_are_told_of_each_file(desk: Desk, mailbox: Mailbox) -> None:
    desk.ask("P.csv", "P.xml=failed", "CE.csv=cancelled")
    events: list[CloudEvent] = []

    assert work(desk.notifier(smtp(mailbox), events.append)) == 1

    ready, failed, cancelled, settled = events
    assert (settled.type, settled.data["status"]) == (RequestStatus.EVENT_TYPE, "settled")
    counts = {name: settled.data[name] for name in ("ready", "failed", "cancelled")}
    assert counts == {"ready": 1, "failed": 1, "cancelled": 1}
    assert {event.type for event in (ready, failed, cancelled)} == {FileStatus.EVENT_TYPE}
    made, failure, dropped = (FileStatus.model_validate(event.data) for event in (ready, failed, cancelled))
    assert [it.status for it in (made, failure, dropped)] == ["ready", "failed", "cancelled"]
    assert (made.file and made.file.path, failure.code) == ("13900/liste-P-demande.csv", "disque_plein")
    assert dropped.label.startswith("Liste CE ")
    assert {event.source for event in events} == {"/module-prefecture"}
    assert {(event.causationid, event.correlationid) for event in events} == {("demande", "clic-demande")}


@pytest.mark.slow
def test_an_absent_broker_keeps_no_mail_back_and_no_event_is_published_twice(desk: Desk, mailbox: Mailbox) -> None:
    request_id = desk.ask(*SIX)
    events: list[CloudEvent] = []
    answers = iter([None, None, TransientError("away"), TransientError("away")])

    def publish(event: CloudEvent) -> None:
        if trouble := next(answers, None):
            raise trouble
        events.append(event)

    notifier = desk.notifier(smtp(mailbox), publish)
    assert work(notifier) == 0
    desk.make_due()
    assert work(notifier) == 0
    assert (len(events), len(mailbox.mails)) == (2, 1)
    assert desk.request(request_id).notified_at is None

    desk.make_due()
    assert work(notifier) == 1
    assert len(events) == len({event.id for event in events}) == 7
    assert len(mailbox.mails) == 1


def test_an_event_published_but_not_recorded_comes_again_as_the_same_event(desk: Desk, mailbox: Mailbox) -> None:
    desk.ask("P.csv")
    events: list[CloudEvent] = []

    def publish_and_die(event: CloudEvent) -> None:
        events.append(event)
        raise Killed

    with pytest.raises(Killed):
        work(desk.notifier(smtp(mailbox), publish_and_die))
    desk.expire()
    assert work(desk.notifier(smtp(mailbox), events.append)) == 1

    first, second, _ = events
    assert first == second
    assert len(mailbox.mails) == 1


def test_the_sweep_rings_forgotten_and_orphaned_rows_once(desk: Desk) -> None:
    held = {"state": WorkState.HELD}
    works: list[dict[str, Any]] = [
        {},
        {"enqueued_at": utc_now(-31)},
        {"due_at": utc_now(-1)},
        held | {"lease_until": utc_now(-1)},
        {"enqueued_at": utc_now(-5)},
        {"due_at": utc_now(60)},
        held | {"lease_until": utc_now(30)},
        held | {"enqueued_at": utc_now(-5), "lease_until": utc_now(-10)},
    ]
    files = [make_export(f"{number}=queued", str(number)) for number in range(len(works))]
    desk.ask(*files, make_export("9", "ready"))
    for file, values in zip(files, works, strict=True):
        desk.change_file(file, **{"state": WorkState.DUE} | values)
    forgotten = files[:4]
    enqueued: list[Doorbell] = []

    assert sweep(desk.engine, enqueued.extend) == 4
    assert sorted(doorbell.row_id for doorbell in enqueued) == sorted(export.id for export in forgotten)
    assert sweep(desk.engine, enqueued.extend) == 0


@pytest.mark.slow
def test_a_request_that_cannot_be_told_does_not_stop_the_others(desk: Desk, mailbox: Mailbox) -> None:
    broken = desk.ask(make_export("P.csv", liste="unheard of"), event_id="cassée")
    sound = desk.ask("P.csv", event_id="bonne")

    assert work(desk.notifier(smtp(mailbox))) == 1
    assert desk.request(sound).notified_at is not None
    assert desk.request(broken).notified_at is None
    assert {it.error for it in desk.works(subject=f"request:{broken}")} == {FAILED}


def _finish(desk: Desk, event_id: str) -> None:
    with desk.engine.begin() as connection:
        unfinished = Export.file_name == make_export("P.csv", event_id).file_name
        ready = update(Export).where(unfinished).values(status=ExportStatus.READY).returning(Export.request_id)
        settle(connection, connection.scalars(ready))
        notify_ready(connection)


def _is_listening(desk: Desk) -> bool:
    with desk.engine.connect() as connection:
        listening = text("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query = :query")
        return connection.execute(listening, {"query": f"LISTEN {CHANNEL}"}).first() is not None


@pytest.fixture
def postgres_desk(postgres_url: str) -> Iterator[Desk]:
    desk = Desk(postgres_url)
    yield desk
    desk.engine.dispose()


def test_a_finished_file_wakes_the_notifier_at_once(
    postgres_desk: Desk, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(POLL_SECONDS, "postgresql", 3600)  # the loop would not look by itself
    rounds = range(1, 6)
    for number in rounds:
        postgres_desk.ask("P.csv=running", event_id=f"demande-{number}")
    with running(postgres_desk.notifier(smtp(mailbox))):
        wait_until(lambda: _is_listening(postgres_desk), message="LISTEN")
        for number in rounds:
            _finish(postgres_desk, f"demande-{number}")
            mailbox.wait_for(number)


def test_the_last_two_files_of_a_request_may_end_at_the_same_time(postgres_desk: Desk) -> None:
    request_id = postgres_desk.ask("P.csv=running", "CE.csv=running")

    def end(connection: Connection, part: str) -> int:
        connection.execute(update(Export).where(Export.part == part).values(status=ExportStatus.READY))
        return settle(connection, [request_id])

    def end_the_second() -> None:
        with postgres_desk.engine.begin() as other:
            end(other, "CE.csv")

    second = Thread(target=end_the_second)
    with postgres_desk.engine.begin() as first:
        assert end(first, "P.csv") == 0
        second.start()
        wait_until(lambda: not second.is_alive() or _waits_for_a_lock(postgres_desk), message="the second worker")
    second.join()
    assert postgres_desk.request(request_id).completed_at is not None


def _waits_for_a_lock(desk: Desk) -> bool:
    with desk.engine.connect() as connection:
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return connection.execute(text(waiting)).first() is not None
