"""The notifier on both databases: what it publishes and in which order, also after errors, deaths and jumps."""

import socket
import threading
from collections import Counter
from email.message import EmailMessage
from itertools import count
from threading import Thread

import pytest
from sqlalchemy import Connection, event, select, text, update
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
from tests.parts.wait import PATIENCE_SECONDS, wait_until
from tests.parts.web import serving
from worker.db.engine import CHANNEL, POLL_SECONDS
from worker.db.types import utc_now
from worker.errors import DatabaseAwayError, TransientError
from worker.exports.models import Export, Recall, Request
from worker.exports.records import settle
from worker.housekeeping.housekeeping import Chore
from worker.notifier import notify
from worker.notifier.channels.delivery import GIVE_UP_SECONDS
from worker.notifier.models import Notification
from worker.notifier.notify import FAILED
from worker.notifier.sending import write_result
from worker.work.queue import BATCH, About, NewWork, Work, WorkKind, WorkState, add, subject_of

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

CLAIM, ADD_WORK = "UPDATE work SET state", "INSERT INTO work"
"""The first words of the statements that claim a work and that add one."""

LEASE = 60
"""Seconds of the lease of the notifiers of a desk."""


def _statuses(events: list[CloudEvent]) -> list[str]:
    return [it.data["status"] for it in events]


def test_each_file_has_its_event_then_the_request_its_end(desk: Desk, mailbox: Mailbox) -> None:
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
    assert work(desk.notifier(smtp(mailbox), events.append)) == 0
    assert (len(events), len(mailbox.mails)) == (4, 1)


def test_no_end_is_published_before_its_reply(desk: Desk, mailbox: Mailbox) -> None:
    """Each is a work of its own, and the one loop of replies may be behind."""
    request_id = desk.ask("P.csv")
    reply = NewWork(WorkKind.REPLY, subject_of(About.REQUEST, request_id), seconds=60)
    with desk.engine.begin() as connection:
        add(connection, [reply])
    events: list[CloudEvent] = []
    notifier = desk.notifier(smtp(mailbox), events.append)
    work(notifier)
    assert _statuses(events) == ["accepted", "ready", "settled"]
    assert desk.works() == [], "the reply is published once"


def test_a_late_refusal_does_not_unsay_that_a_message_was_sent(
    desk: Desk, mailbox: Mailbox
) -> None:
    """A frozen process learns of it after another one has sent the message."""
    desk.ask("P.csv")
    work(desk.notifier(smtp(mailbox)))
    sent = desk.notification(Channel.MAIL)
    with desk.engine.begin() as connection:
        row = connection.execute(select(Notification)).one()
        write_result(connection, row, ended_at=utc_now(), refusal="réponse 550")
    after = desk.notification(Channel.MAIL)
    assert (after.refusal, after.sent_at) == ("", sent.sent_at)


def test_a_refusal_is_published_once_by_its_reply_and_mailed(desk: Desk, mailbox: Mailbox) -> None:
    request_id = desk.ask(outcome=RequestOutcome.REFUSED, reason="Liste inconnue.")
    events: list[CloudEvent] = []
    notifier = desk.notifier(smtp(mailbox), events.append)
    work(notifier)
    work(notifier)
    assert _statuses(events) == ["refused"]
    (mail,) = mailbox.mails
    assert "Liste inconnue." in mail.text
    assert (desk.request(request_id).notified_at is not None, desk.works()) == (True, [])


def test_an_absent_broker_delays_an_end_and_loses_no_event(desk: Desk, mailbox: Mailbox) -> None:
    request_id = desk.ask(*SIX)
    refused = desk.ask(event_id="refus", outcome=RequestOutcome.REFUSED, reason="Inconnue.")
    events: list[CloudEvent] = []
    is_away = True

    def publish(event: CloudEvent) -> None:
        if is_away and (event.data["status"] == "refused" or len(events) == 2):
            raise TransientError("Courtier RabbitMQ injoignable (StreamLostError).")
        events.append(event)

    notifier = desk.notifier(smtp(mailbox), publish)
    for _ in range(3):  # no wait costs a start: a broker may be away for days
        work(notifier)
        desk.make_due()
    assert {it.error for it in desk.works()} == {"Courtier RabbitMQ injoignable (StreamLostError)."}
    assert [it.starts for it in desk.works(kind=WorkKind.END, subject=f"request:{request_id}")] == [
        0
    ]
    assert (len(events), [mail.recipients for mail in mailbox.mails]) == (2, [(MAIRIE,)])
    assert desk.request(request_id).notified_at is None

    is_away = False
    assert work(notifier) == 1
    again = events[2:]
    assert [it.data.get("liste") for it in again if it.type == FileStatus.EVENT_TYPE] == [
        part.partition(".")[0] for part in SIX
    ]
    assert {it.id for it in events[:2]} <= {it.id for it in again}
    assert sorted(_statuses(again)) == sorted(["refused", *["ready"] * 6, "settled"])
    assert len(mailbox.mails) == 2
    assert desk.request(refused).notified_at
    assert desk.works() == []


def test_the_mail_of_another_request_goes_while_the_broker_is_away(
    desk: Desk, mailbox: Mailbox
) -> None:
    mailbox.refuse(MAIRIE, 452)
    desk.ask("P.csv", event_id="avant")
    work(desk.notifier(smtp(mailbox), lambda _event: None))
    mailbox.accept(MAIRIE)
    desk.ask("CE.csv", event_id="pendant")
    desk.make_due()

    def fail(_event: CloudEvent) -> None:
        raise TransientError("away")

    work(desk.notifier(smtp(mailbox), fail))
    assert [str(mail.message["X-Correlation-ID"]) for mail in mailbox.mails] == ["clic-avant"]


@pytest.mark.parametrize(("waits", "seconds"), [(0, 1), (5, 7.6), (6, 8), (40, 8)])
def test_an_event_waits_eight_seconds_at_most_once_the_broker_is_back(
    desk: Desk, mailbox: Mailbox, waits: int, seconds: float
) -> None:
    desk.ask("P.csv")
    desk.change(Work, waits=waits)

    def fail(_event: CloudEvent) -> None:
        raise TransientError("away")

    work(desk.notifier(smtp(mailbox), fail))
    (postponed,) = desk.works()
    assert postponed.within_seconds == pytest.approx(seconds, abs=0.1)
    assert postponed.waits == waits + 1


@pytest.mark.parametrize("published", [1, 2, 3])
def test_events_that_were_not_recorded_are_published_again_with_the_same_ids(
    desk: Desk, mailbox: Mailbox, published: int
) -> None:
    desk.ask("P.csv", "CE.csv")
    first: list[CloudEvent] = []
    second: list[CloudEvent] = []

    def publish_and_die(event: CloudEvent) -> None:
        first.append(event)
        if len(first) == published:
            raise Killed

    with pytest.raises(Killed):
        work(desk.notifier(smtp(mailbox), publish_and_die))
    desk.expire()
    assert work(desk.notifier(smtp(mailbox), second.append, name="other")) == 1
    assert _statuses(second) == ["ready", "ready", "settled"]
    assert first == second[:published]
    assert len(mailbox.mails) == 1


def test_a_crash_leaves_an_end_with_all_its_recipients_or_none(
    desk: Desk, mailbox: Mailbox
) -> None:
    """The recipients are added in the transaction that finishes the end."""
    desk.add_agent("adjoint", ADJOINT)
    desk.ask("P.csv")
    for words in ("DELETE FROM work", ADD_WORK):
        with desk.failing(words, Killed()), pytest.raises(Killed):
            work(desk.notifier(smtp(mailbox)))
        assert [it.kind for it in desk.works()] == [WorkKind.END]
        desk.expire()
    assert mailbox.mails == []
    assert work(desk.notifier(smtp(mailbox))) == 1
    assert sorted(mail.recipients for mail in mailbox.mails) == [(ADJOINT,), (MAIRIE,)]


def test_a_claim_whose_answer_is_lost_is_free_at_once(desk: Desk, mailbox: Mailbox) -> None:
    request_id = desk.ask("P.csv")
    notifier = desk.notifier(smtp(mailbox))
    with desk.losing_the_answer(CLAIM), pytest.raises(DatabaseAwayError):
        work(notifier)
    (free,) = desk.works()
    assert (free.state, free.owner, free.starts) == (WorkState.DUE, None, 0)
    assert work(notifier) == 1
    assert desk.request(request_id).notified_at
    assert len(mailbox.mails) == 1


def test_a_work_of_a_dead_notifier_is_claimed_after_its_lease(desk: Desk, mailbox: Mailbox) -> None:
    desk.ask("P.csv")

    def die(_message: EmailMessage) -> None:
        raise Killed

    with pytest.raises(Killed):
        work(desk.notifier(die, name="dead"))
    other = desk.notifier(smtp(mailbox), name="other")
    desk.change(Work, due_at=utc_now(5))
    work(other)
    assert mailbox.mails == [], "the lease is not over"
    desk.change(Work, due_at=utc_now(-1))
    work(other)
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(("ahead", "is_sent"), [(-1, False), (2, True)])
def test_a_mail_does_not_wait_for_an_hour_that_the_clock_was_ahead(
    desk: Desk, mailbox: Mailbox, ahead: float, *, is_sent: bool
) -> None:
    """No work waits longer than the wait that was written with it."""
    desk.ask("P.csv")
    mailbox.refuse(MAIRIE, 452)
    work(desk.notifier(smtp(mailbox)))
    mailbox.accept(MAIRIE)
    desk.change(Work, due_at=utc_now(600 + ahead), within_seconds=600)
    work(desk.notifier(smtp(mailbox)))
    assert bool(mailbox.mails) is is_sent


def test_a_clock_that_jumps_past_a_lease_gives_no_loop_a_mail_that_another_one_sends(
    desk: Desk,
) -> None:
    first, release, sent = threading.Event(), threading.Event(), list[str]()

    def send(message: EmailMessage) -> None:
        sent.append(str(message["X-Correlation-ID"]))
        if sent[-1] == "clic-lent":
            first.set()
            release.wait(PATIENCE_SECONDS)

    desk.ask("P.csv", event_id="lent")
    with running(desk.notifier(send, lease_seconds=3600)):  # it renews the lease once in 900 s
        assert first.wait(PATIENCE_SECONDS)
        desk.change(Work, due_at=utc_now(-1))
        for number in range(4):
            desk.ask("P.csv", event_id=f"{number}")
        wait_until(lambda: len(sent) >= 5, message="the other mails")
        release.set()
        wait_until(lambda: not desk.works(), message="the end of all works")
    assert Counter(sent) == {"clic-lent": 1, **{f"clic-{number}": 1 for number in range(4)}}


def test_a_request_that_meets_a_bug_does_not_stop_the_others(desk: Desk, mailbox: Mailbox) -> None:
    broken = desk.ask(make_export("P.csv", kind="unheard of"), event_id="cassée")
    sound = desk.ask("P.csv", event_id="bonne")

    def publish(event: CloudEvent) -> None:
        if event.correlationid == "clic-cassée":
            raise ValueError(event.id)

    assert work(desk.notifier(smtp(mailbox), publish)) == 1
    assert desk.request(sound).notified_at is not None
    assert desk.request(broken).notified_at is None
    assert {it.error for it in desk.works(subject=f"request:{broken}")} == {FAILED}


def test_people_are_notified_before_a_batch(desk: Desk, mailbox: Mailbox) -> None:
    for number in range(3):
        desk.ask("P.csv", event_id=f"lot-{number}", lane=BATCH, fair_tag=number)
    desk.ask("P.csv", event_id="agent", fair_tag=7)
    events: list[CloudEvent] = []
    assert work(desk.notifier(smtp(mailbox), events.append)) == 4
    order = ["clic-agent", "clic-lot-0", "clic-lot-1", "clic-lot-2"]
    assert [it.correlationid for it in events[::2]] == order
    assert [str(mail.message["X-Correlation-ID"]) for mail in mailbox.mails] == order


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


@pytest.mark.slow
@on_postgresql
def test_two_notifiers_notify_of_each_of_two_hundred_files_once(desk: Desk) -> None:
    events: list[CloudEvent] = []
    sent: list[str] = []
    for number in range(50):
        desk.ask("P.csv", "P.xml", "CE.csv", "CM.csv", event_id=str(number))

    def send(message: EmailMessage) -> None:
        sent.append(str(message["Message-ID"]))

    def notifier(name: str) -> notify.Notifier:
        return desk.notifier(send, events.append, name=name)

    with running(notifier("one")), running(notifier("two")):
        wait_until(lambda: not desk.works(), message="all works")
    assert len(events) == len({it.id for it in events}) == 250
    assert len(sent) == len(set(sent)) == 50
    for number in range(50):
        mine = [it for it in events if it.correlationid == f"clic-{number}"]
        assert _statuses(mine) == ["ready"] * 4 + ["settled"], "in order"
    with Session(desk.engine) as session:
        assert not session.scalars(select(Request.id).where(Request.notified_at.is_(None))).all()


@on_postgresql
def test_two_notifiers_send_one_mail_for_all_messages_of_a_day(
    desk: Desk, mailbox: Mailbox
) -> None:
    desk.add_agent("adjoint", ADJOINT, kinds="pret,echec,resume")
    for number in range(4):
        desk.ask("P.csv", event_id=str(number))
    work(desk.notifier(smtp(mailbox)))
    desk.make_due()
    second = Thread(target=work, args=[desk.notifier(smtp(mailbox), name="second")])
    calls = count()

    def begin_the_second(_: Connection, _cursor: object, statement: str, *_others: object) -> None:
        """The first notifier has claimed one of the four messages."""
        if CLAIM in statement and "kind = 'summary'" in statement and next(calls) == 0:
            second.start()
            wait_until(
                lambda: not second.is_alive() or _is_seen(desk, "wait_event_type = 'Lock'"),
                message="the second notifier",
            )

    event.listen(desk.engine, "after_cursor_execute", begin_the_second)
    work(desk.notifier(smtp(mailbox), name="first"))
    second.join()
    (mail,) = [mail for mail in mailbox.mails if mail.recipients == (ADJOINT,)]
    assert mail.message["Subject"] == "Résumé du jour : 4 messages"


def test_work_that_was_given_up_is_listed_and_retried(
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


def test_events_of_an_account_are_published_again_and_no_recipient_is_notified(
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
    _recall(desk, "P.csv")
    work(desk.notifier(smtp(mailbox), first.append))
    mails = len(mailbox.mails)
    with Session(desk.engine) as session, session.begin():
        session.execute(update(Export).where(Export.liste == "CE").values(purged_at=utc_now()))
    said = run("work", "publish-again", "--account", "prog", "--since", "2026-11-01").out
    assert said.endswith("Les événements de 3 demandes seront publiés de nouveau.\n")
    again: list[CloudEvent] = []
    work(desk.notifier(smtp(mailbox), again.append))
    known = {event.id for event in first}
    of_files = [event for event in again if event.data["status"] != "accepted"]
    assert {event.id for event in of_files} <= known
    assert {event.causationid for event in again} == {"demande", "purgée", "non"}
    assert [event for event in again if event.data.get("liste") == "CE"] == []
    assert Counter(_statuses(again)) == {
        "accepted": 2,
        "refused": 1,
        "ready": 1,
        "failed": 1,
        "settled": 2,
        "recalled": 1,
    }
    assert len(mailbox.mails) == mails
    none = run("work", "publish-again", "--account", "prog", "--since", "2026-11-26").out
    assert "Les événements de 0 demande seront" in none


WEBHOOK_LOOPS = 4


@pytest.mark.slow
def test_webhooks_that_hang_stop_no_mail(desk: Desk, mailbox: Mailbox) -> None:
    with serving() as answering, socket.create_server((LOOPBACK, 0)) as silent:
        for number in range(WEBHOOK_LOOPS + 1):
            address = f"http://{LOOPBACK}:{silent.getsockname()[1]}/"
            desk.add_recipient(Channel.WEBHOOK, address, f"hangs-{number}")
        desk.add_recipient(Channel.WEBHOOK, answering.url(), "z-answers")
        desk.ask("P.csv", event_id="un")
        with running(desk.notifier(smtp(mailbox))):
            held = {"kind": WorkKind.WEBHOOK, "state": WorkState.HELD}
            wait_until(lambda: len(desk.works(**held)) == WEBHOOK_LOOPS, message="all loops")
            desk.ask("P.csv", event_id="deux")
            mailbox.wait_for(2)
            wait_until(lambda: len(answering.posts) == 2, message="the webhook that answers")


def test_a_process_that_lacks_memory_releases_its_works_uncounted_and_ends(
    desk: Desk, mailbox: Mailbox
) -> None:
    def fail(_event: CloudEvent) -> None:
        raise ImportError("libfoo.so: failed to map segment from shared object")

    desk.ask("P.csv")
    short, stop = desk.notifier(smtp(mailbox), fail), threading.Event()
    short.run(stop)
    assert short.is_exhausted
    assert stop.is_set()
    (left,) = desk.works()
    assert (left.kind, left.starts, left.owner) == (WorkKind.END, 0, None)
    assert work(desk.notifier(smtp(mailbox), name="another")) == 1, "it is due at once"
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
        files = update(Export).where(Export.part.in_(parts)).values(recall_id=recall.id)
        session.execute(files)
        add(session.connection(), [NewWork(WorkKind.END, f"recall:{recall.id}")])
        return recall.id


def test_a_recall_is_published_and_mailed_once(desk: Desk, mailbox: Mailbox) -> None:
    desk.ask("P.csv", "CE.csv", "CM.csv")
    desk.add_agent("adjoint", ADJOINT, kinds="echeance")
    work(desk.notifier(smtp(mailbox)))
    recall_id = _recall(desk, "P.csv", reason="mauvais fichier")
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
    said = [(it.data["status"], it.data["reason"], it.data["liste"]) for it in events]
    assert said == [(FileStage.RECALLED, BECAUSE, "P")]
    assert desk.works(subject=f"recall:{recall_id}") == []
    assert {row.kind for row in desk.notifications().values()} <= {"pret", "a_refaire"}


def test_a_recall_waits_for_no_other_event(desk: Desk, mailbox: Mailbox) -> None:
    desk.ask("P.csv", "CE.csv")
    desk.change(Work, due_at=utc_now(3600), within_seconds=3600)
    _recall(desk, "P.csv", "CE.csv")
    events: list[CloudEvent] = []
    notifier = desk.notifier(smtp(mailbox), events.append)
    work(notifier)
    assert _statuses(events) == [FileStage.RECALLED] * 2
    desk.make_due()
    work(notifier)
    assert _statuses(events)[2:] == ["ready", "ready", "settled"]
    first, second = (str(mail.message["Subject"]).split(" — ")[0] for mail in mailbox.mails)
    assert (first, second) == ("2 fichiers à refaire", "2 fichiers à refaire")
