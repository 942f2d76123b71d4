"""Events, recalls, sweep, loops and given-up work: each is done once, and tried again after errors."""

import socket
import threading
from collections.abc import Sequence
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Connection, text, update
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from schemas.envelope import CloudEvent
from schemas.events import FileStage, FileStatus, RequestStatus
from schemas.vocabulary import Channel, ExportStatus, RequestOutcome
from tests.integration.files_desk import Run
from tests.integration.notifier_desk import (
    ADJOINT,
    MAIRIE,
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
from tests.parts.ports import LOOPBACK
from tests.parts.wait import wait_until
from tests.parts.web import serving
from worker.db.engine import CHANNEL, POLL_SECONDS
from worker.db.types import utc_now
from worker.doorbell import Doorbell
from worker.errors import TransientError
from worker.exports.models import Export, Recall
from worker.exports.records import settle
from worker.housekeeping.housekeeping import Chore, sweep
from worker.notifier import notify
from worker.notifier.channels.delivery import GIVE_UP_SECONDS
from worker.notifier.notify import FAILED
from worker.work.queue import Claim, NewWork, Work, WorkKind, WorkState, add, finish

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
    made, failure, dropped = (
        FileStatus.model_validate(event.data) for event in (ready, failed, cancelled)
    )
    assert [it.status for it in (made, failure, dropped)] == ["ready", "failed", "cancelled"]
    assert (made.file and made.file.path, failure.code) == (
        "13900/liste-P-demande.csv",
        "disque_plein",
    )
    assert dropped.label.startswith("Liste CE ")
    assert {event.source for event in events} == {"/module-prefecture"}
    assert {(event.causationid, event.correlationid) for event in events} == {
        ("demande", "clic-demande")
    }


@pytest.mark.slow
def test_an_absent_broker_keeps_no_mail_back_and_no_event_is_published_twice(
    desk: Desk, mailbox: Mailbox
) -> None:
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


def test_an_event_published_but_not_recorded_comes_again_as_the_same_event(
    desk: Desk, mailbox: Mailbox
) -> None:
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
    assert sorted(doorbell.row_id for doorbell in enqueued) == sorted(
        export.id for export in forgotten
    )
    assert sweep(desk.engine, enqueued.extend) == 0


@pytest.mark.slow
def test_a_request_that_cannot_be_told_does_not_stop_the_others(
    desk: Desk, mailbox: Mailbox
) -> None:
    broken = desk.ask(make_export("P.csv", kind="unheard of"), event_id="cassée")
    sound = desk.ask("P.csv", event_id="bonne")

    def publish(event: CloudEvent) -> None:
        if event.correlationid == "clic-cassée":
            raise ValueError(event.id)

    assert work(desk.notifier(smtp(mailbox), publish)) == 1
    assert desk.request(sound).notified_at is not None
    assert desk.request(broken).notified_at is None
    assert {it.error for it in desk.works(subject=f"request:{broken}")} == {FAILED}


on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@on_postgresql
def test_a_finished_file_wakes_the_notifier_at_once(
    desk: Desk, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(POLL_SECONDS, "postgresql", 3600)  # the loop would not look by itself
    rounds = range(1, 6)
    for number in rounds:
        desk.ask("P.csv=running", event_id=f"demande-{number}")
    with running(desk.notifier(smtp(mailbox))):
        wait_until(lambda: _is_seen(desk, f"query = 'LISTEN {CHANNEL}'"), message="LISTEN")
        for number in rounds:
            with desk.engine.begin() as connection:
                unfinished = Export.file_name == make_export("P.csv", f"demande-{number}").file_name
                ready = (
                    update(Export)
                    .where(unfinished)
                    .values(status=ExportStatus.READY)
                    .returning(Export.request_id)
                )
                settle(connection, connection.scalars(ready))
            mailbox.wait_for(number)


@on_postgresql
def test_the_last_two_files_of_a_request_may_end_at_the_same_time(desk: Desk) -> None:
    request_id = desk.ask("P.csv=running", "CE.csv=running")

    def end(connection: Connection, part: str) -> int:
        connection.execute(
            update(Export).where(Export.part == part).values(status=ExportStatus.READY)
        )
        return settle(connection, [request_id])

    def end_the_second() -> None:
        with desk.engine.begin() as other:
            end(other, "CE.csv")

    second = Thread(target=end_the_second)
    with desk.engine.begin() as first:
        assert end(first, "P.csv") == 0
        second.start()
        wait_until(
            lambda: not second.is_alive() or _is_seen(desk, "wait_event_type = 'Lock'"),
            message="the second",
        )
    second.join()
    assert desk.request(request_id).completed_at is not None


def _is_seen(desk: Desk, activity: str) -> bool:
    with desk.engine.connect() as connection:
        query = f"SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND {activity}"  # noqa: S608
        return connection.execute(text(query)).first() is not None


HANGING = 3


def test_what_was_given_up_is_counted_and_tried_again(
    desk: Desk, mailbox: Mailbox, run: Run
) -> None:
    desk.ask("P.csv")
    mailbox.refuse(MAIRIE, 452)
    work(desk.notifier(smtp(mailbox)))
    desk.change(Work, created_at=utc_now(-GIVE_UP_SECONDS - 60))
    desk.make_due()
    assert work(desk.notifier(smtp(mailbox))) == 1
    listed = run("work", "list").out
    assert all(
        word in listed for word in ("courriel", "abandonné", "abandonné après 3 jours : 452")
    )
    mailbox.accept(MAIRIE)
    for words, said in (("550", "0 travail repris"), ("452", "1 travail repris")):
        assert said in run("work", "retry", "--error", words, "--since", "2026-01-01").out
    work(desk.notifier(smtp(mailbox)))
    assert [mail.recipients for mail in mailbox.mails] == [(MAIRIE,)]
    assert run("work", "list").out.endswith("Rien n'est à faire.\n")


def test_the_events_of_one_account_are_published_again_under_the_same_ids(
    desk: Desk, mailbox: Mailbox, run: Run
) -> None:
    desk.ask("P.csv", "P.xml=failed", sender="prog")
    desk.ask("CE.csv", event_id="purgée", sender="prog")
    desk.ask(
        event_id="non", outcome=RequestOutcome.REFUSED, reason="Commune inconnue.", sender="prog"
    )
    desk.ask("CM.csv", event_id="autre", sender="ecran")
    first: list[CloudEvent] = []
    work(desk.notifier(smtp(mailbox), first.append))
    with Session(desk.engine) as session, session.begin():
        session.execute(update(Export).where(Export.liste == "CE").values(purged_at=utc_now()))
    said = run("work", "publish-again", "--account", "prog", "--since", "2026-11-01").out
    assert "7 événements seront publiés de nouveau." in said
    again: list[CloudEvent] = []
    work(desk.notifier(smtp(mailbox), again.append))
    known = {event.id for event in first}
    of_files = [event for event in again if event.data["status"] != "accepted"]
    assert {event.id for event in of_files} <= known
    assert {event.causationid for event in again} == {"demande", "purgée", "non"}
    assert not [event for event in again if event.data.get("liste") == "CE"]
    assert len(mailbox.mails) == 4, "people are not notified again"


@pytest.mark.slow
def test_webhooks_that_hang_delay_no_other(desk: Desk, mailbox: Mailbox) -> None:
    with serving() as answering, socket.create_server((LOOPBACK, 0)) as silent:
        desk.add_recipient(Channel.WEBHOOK, answering.url(), "answers")
        for number in range(HANGING):
            desk.add_recipient(
                Channel.WEBHOOK, f"http://{LOOPBACK}:{silent.getsockname()[1]}/", f"hangs-{number}"
            )
        for number in range(7):
            desk.ask("P.csv", event_id=f"demande-{number}")
        with running(desk.notifier(smtp(mailbox))):
            wait_until(
                lambda: len(answering.posts) == 7,
                message="all messages of the webhook that answers",
            )
            held = [one.part for one in desk.works(kind=WorkKind.MESSAGE) if one.owner]
            assert len(held) == len(set(held)) <= HANGING, "one message at a time to one recipient"


def test_a_process_that_lacks_memory_gives_its_works_back_uncounted_and_leaves(
    desk: Desk, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ImportError("libfoo.so: failed to map segment from shared object")

    desk.ask("P.csv")
    with monkeypatch.context() as patched:
        patched.setattr(notify, "list_recipients", fail)
        short = desk.notifier(smtp(mailbox))
        stop = threading.Event()
        short.run(stop)
    assert short.is_exhausted
    assert stop.is_set()
    (left,) = desk.works(kind=WorkKind.RECIPIENTS)
    assert (left.starts, left.due_at, left.owner) == (0, None, None)
    assert work(desk.notifier(smtp(mailbox), name="another")) == 1
    assert len(mailbox.mails) == 1


@on_postgresql
def test_a_notifier_whose_periodic_task_hangs_gives_no_heartbeat(
    desk: Desk, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "LONGEST_STEP_SECONDS", 0.05)
    begun, release = threading.Event(), threading.Event()

    def hang() -> list[None]:
        begun.set()
        release.wait(60)
        return []

    notifier, beats = desk.notifier(smtp(mailbox), purge=Chore("hanging", hang, 3600)), list[str]()
    notifier.beat = beats.append  # the heartbeat is all that a supervisor sees
    with capture_logs() as logs, running(notifier):
        assert begun.wait(60)
        wait_until(lambda: "loop_stuck" in {line["event"] for line in logs}, message="noticed")
        seen = len(beats)
        desk.ask("P.csv")
        mailbox.wait_for(1)
        assert len(beats) == seen
        release.set()
        wait_until(lambda: len(beats) > seen, message="a heartbeat")


BECAUSE = "l'import 12 (reu.csv) a été annulé"


def _recall(desk: Desk, *parts: str, reason: str = "") -> int:
    with Session(desk.engine) as session, session.begin():
        recall = Recall(
            code_commune="13900", because=BECAUSE, reason=reason, recalled_by="exploitant"
        )
        session.add(recall)
        session.flush()
        files = (
            update(Export)
            .where(Export.part.in_(parts))
            .values(recall_id=recall.id)
            .returning(Export.id)
        )
        works = [
            NewWork(WorkKind.EVENT, f"recall:{recall.id}", str(it))
            for it in sorted(session.scalars(files))
        ]
        add(session.connection(), [*works, NewWork(WorkKind.RECIPIENTS, f"recall:{recall.id}")])
        return recall.id


def _is_notified(desk: Desk) -> bool:
    return not desk.works(subject="recall:1")


def test_it_is_told_once_to_people_and_to_programs(desk: Desk, mailbox: Mailbox) -> None:
    desk.ask("P.csv", "CE.csv")
    desk.add_agent("adjoint", ADJOINT, kinds="echeance")
    work(desk.notifier(smtp(mailbox)))
    _recall(desk, "P.csv", reason="mauvais fichier")
    events: list[CloudEvent] = []
    notifier = desk.notifier(
        smtp(mailbox), events.append, public_url="https://exports.example.org/"
    )
    work(notifier)
    assert work(notifier) == 0
    _, mail = mailbox.mails
    assert mail.recipients == (MAIRIE,)
    assert mail.message["Subject"] == (
        "Fichier à refaire — Liste P du 25/11/2026 09:30:00 [csv] — LIBREVILLE (13900)"
    )
    for words in (
        f"Ce fichier a été fait pour LIBREVILLE (13900) à partir de ce qui ne vaut plus : {BECAUSE}.",
        "Raison : mauvais fichier",
        "Liste P du 25/11/2026 09:30:00 [csv] — à refaire",
        "https://exports.example.org/communes/13900/exports?etat=a-refaire",
        "Si l'un d'eux est déposé sur e-listelec, déposez le nouveau",
    ):
        assert words in mail.text
    assert "Liste CE" not in mail.text
    recalled = [event for event in events if event.data.get("status") == FileStage.RECALLED]
    assert [(it.data["reason"], it.data["liste"]) for it in recalled] == [(BECAUSE, "P")]
    assert _is_notified(desk)
    assert {row.kind for row in desk.notifications().values()} <= {"pret", "a_refaire"}


def test_nobody_learns_last_that_it_is_ready(desk: Desk, mailbox: Mailbox) -> None:
    desk.ask("P.csv")
    desk.change(Work, due_at=utc_now(3600))
    _recall(desk, "P.csv")
    events: list[CloudEvent] = []
    notifier = desk.notifier(smtp(mailbox), events.append)
    work(notifier)
    assert (mailbox.mails, events, _is_notified(desk)) == ([], [], False)
    desk.make_due()
    work(notifier)
    desk.make_due()
    work(notifier)
    statuses = [event.data["status"] for event in events if event.type == FileStatus.EVENT_TYPE]
    assert statuses == [FileStage.READY, FileStage.RECALLED]
    first, second = (str(mail.message["Subject"]) for mail in mailbox.mails)
    assert (first.split(" — ")[0], second.split(" — ")[0]) == (
        "Fichier à refaire",
        "Fichier à refaire",
    )


def test_a_batch_is_served_while_single_works_keep_coming(desk: Desk) -> None:
    stop, lanes = threading.Event(), list[int]()

    def enqueue(number: int, lane: int) -> None:
        with desk.engine.begin() as connection:
            add(connection, [NewWork(WorkKind.REPLY, f"request:{number}", lane=lane)])

    def handle(claims: Sequence[Claim]) -> None:
        for one in claims:
            lanes.append(one.lane)
            with desk.engine.begin() as connection:
                finish(connection, claims)
            enqueue(1000 + len(lanes), 0)
        if len(lanes) >= 30:
            stop.set()

    for number in range(1, 11):
        enqueue(number, 1)
        enqueue(100 + number, 0)
    pool = notify.Pool(WorkKind.REPLY, handle)
    notify.Notifier(desk.engine, [pool], owner="one", lease_seconds=60).run(stop)
    assert lanes[:10].count(1) == 2
    assert lanes[:30].count(1) == 6
