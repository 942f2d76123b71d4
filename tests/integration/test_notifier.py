"""Mails, on both databases and by a real mail server: each agent is notified once, whatever fails in between."""

import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from email.message import EmailMessage
from itertools import chain

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from common.calendrier import civil_time
from schemas.envelope import CloudEvent
from schemas.vocabulary import Channel, RequestOutcome, Wish
from tests.integration.notifier_desk import (
    ADJOINT,
    MAIRIE,
    TEMPLATE,
    Desk,
    Killed,
    running,
    smtp,
    work,
)
from tests.parts.mail import Mailbox
from tests.parts.ports import LOOPBACK
from tests.parts.wait import PATIENCE_SECONDS, wait_until
from tests.parts.web import serving
from worker.db.types import utc_now
from worker.errors import DatabaseAwayError
from worker.exports import lease
from worker.exports.models import Export
from worker.notifier import publishing, records, sending
from worker.notifier.channels import mail as mails
from worker.notifier.channels.delivery import GIVE_UP_SECONDS, Addressee, DeliveryDelayedError
from worker.notifier.channels.mail import SmtpMailer
from worker.notifier.messages.text import Text, Topic
from worker.notifier.notices import Notice
from worker.notifier.notify import FAILED
from worker.work.queue import Claim, Work, WorkKind, WorkState

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]


@pytest.mark.parametrize("unfinished", ["P.csv=queued", "P.csv=running"])
def test_a_request_is_not_told_before_its_last_file(
    desk: Desk, mailbox: Mailbox, unfinished: str
) -> None:
    desk.ask(unfinished, "CE.csv")

    assert work(desk.notifier(smtp(mailbox))) == 0
    assert mailbox.mails == []


@pytest.mark.parametrize("code_commune", ["", "75056"])
def test_a_commune_without_agents_holds_nothing_up(
    desk: Desk, mailbox: Mailbox, code_commune: str
) -> None:
    request_id = desk.ask(
        code_commune=code_commune, outcome=RequestOutcome.REFUSED, reason="Commune inconnue."
    )

    with capture_logs() as logs:
        assert work(desk.notifier(smtp(mailbox))) == 1
    assert mailbox.mails == []
    assert desk.request(request_id).notified_at is not None
    assert ("request_notified", "refused") in [(it["event"], it.get("outcome")) for it in logs]


SCREEN = "https://prefecture.example.org"


@pytest.mark.parametrize(
    ("downloaded_by", "is_told"), [("mairie-libreville", False), ("adjoint", True), ("", True)]
)
def test_who_asked_gets_no_mail_about_files_that_are_all_downloaded_within_ten_minutes(
    desk: Desk, mailbox: Mailbox, downloaded_by: str, *, is_told: bool
) -> None:
    desk.add_agent("adjoint", ADJOINT)
    request_id, notifier = (
        desk.ask("P.csv", "CE.csv"),
        desk.notifier(smtp(mailbox), public_url=SCREEN),
    )
    work(notifier)
    assert [mail.recipients for mail in mailbox.mails] == [(ADJOINT,)], (
        "the others are told at once"
    )
    (waiting,) = desk.works()
    assert 500 < (waiting.due_at - waiting.created_at).total_seconds() <= 601

    desk.change(Export, downloaded_by=downloaded_by)
    desk.make_due()

    assert work(notifier) == 1
    assert [mail.recipients for mail in mailbox.mails] == [(ADJOINT,), *[(MAIRIE,)] * is_told]
    assert desk.notifications().keys() == {ADJOINT, *[MAIRIE] * is_told}
    assert desk.request(request_id).notified_at


@pytest.mark.parametrize(
    ("files", "sharing"), [(["P.csv", "CE.csv=failed"], []), (["P.csv"], ["accueil"])]
)
def test_who_asked_is_told_at_once_of_a_failure_and_at_a_shared_address(
    desk: Desk, mailbox: Mailbox, files: list[str], sharing: list[str]
) -> None:
    for name in sharing:
        desk.add_agent(name, MAIRIE, kinds="pret,echec,resume")
    desk.ask(*files)
    assert work(desk.notifier(smtp(mailbox), public_url=SCREEN)) == 1
    assert [mail.recipients for mail in mailbox.mails] == [(MAIRIE,)]


def test_who_chose_one_mail_a_day_gets_all_news_in_one_and_nothing_on_a_day_without(
    desk: Desk, mailbox: Mailbox
) -> None:
    def send(mail: EmailMessage) -> None:
        held.append(len(notifier.list_held()))
        smtp(mailbox)(mail)

    desk.add_agent("adjoint", ADJOINT, kinds="pret,echec,echeance,resume")
    notifier, held = desk.notifier(send, public_url=SCREEN), list[int]()
    desk.ask("P.csv=failed", event_id="old")
    work(notifier)
    desk.change(Work, created_at=utc_now(-GIVE_UP_SECONDS - 1))
    requests = [
        desk.ask("P.csv=failed", event_id="un"),
        desk.ask("CE.csv", "CM.csv", event_id="deux"),
    ]
    work(notifier)
    assert {mail.recipients for mail in mailbox.mails} == {(MAIRIE,)}
    waiting = desk.works(kind=WorkKind.SUMMARY)
    mornings = {civil_time(it.due_at + timedelta(minutes=1), "13900").hour for it in waiting}
    assert (len(waiting), mornings) == (3, {7})
    desk.change(
        Export, downloaded_by="mairie-libreville"
    )  # who asked needs no mail any more, the others do

    mailbox.refuse(ADJOINT, 452)
    for refuses in (True, False):
        desk.make_due()
        work(notifier)
        assert len(desk.works(state=WorkState.DUE)) == (2 if refuses else 0), (
            "the old one is given up alone"
        )
        mailbox.accept(ADJOINT)
    assert (held[-2:], all(desk.request(it).notified_at for it in requests)) == ([3, 2], True)
    mail = mailbox.mails[-1]
    assert [it.recipients for it in mailbox.mails].count((ADJOINT,)) == 1
    assert mail.message["Subject"] == "Résumé du jour : 2 messages"
    said = [line.strip() for line in mail.text.splitlines()]
    assert "Fichier en échec — Liste P du 25/11/2026 09:30:00 [csv] — LIBREVILLE (13900)" in said
    assert "2 fichiers prêts — LIBREVILLE (13900)" in said
    assert {f"{SCREEN}/demandes/{number}" for number in requests} <= {*said}


@pytest.mark.parametrize(
    ("instant", "until", "hours"),
    [
        ("2026-03-28T20:00+01:00", "2026-04-01", 10),
        ("2026-10-24T20:00+02:00", "2026-11-01", 12),
        ("2026-11-25T08:00+01:00", "2026-11-25", 0),
    ],
)
def test_the_daily_mail_comes_at_seven_and_what_is_of_no_use_then_comes_at_once(
    monkeypatch: pytest.MonkeyPatch, instant: str, until: str, hours: int
) -> None:
    monkeypatch.setattr(publishing, "now", lambda: datetime.fromisoformat(instant))
    daily = Addressee("", Channel.MAIL, ADJOINT, frozenset({Wish.DAILY}))
    text = Text(Topic.DEADLINE, "", "", "")
    day = date.fromisoformat(until)
    notice = Notice("", lambda: text, list, "13900", frozenset(), until=day)
    kind = WorkKind.SUMMARY if hours else WorkKind.MAIL
    assert publishing.plan(notice, daily) == (kind, hours * 3600)


def test_a_notifier_killed_before_recording_is_followed_by_the_same_message_id(
    desk: Desk, mailbox: Mailbox
) -> None:
    def send_and_die(message: EmailMessage) -> None:
        smtp(mailbox)(message)
        raise Killed

    request_id = desk.ask("P.csv")
    with pytest.raises(Killed):
        work(desk.notifier(send_and_die, name="killed"))
    other = desk.notifier(smtp(mailbox), name="other")
    assert work(other) == 0  # the dead notifier's lease has not expired
    desk.expire()

    assert work(other) == 1

    first, second = mailbox.mails
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert desk.request(request_id).notified_at is not None


def test_a_full_mailbox_is_tried_again_and_the_others_are_told_once(
    desk: Desk, mailbox: Mailbox
) -> None:
    desk.add_agent("adjoint", ADJOINT)
    request_id = desk.ask("P.csv")
    mailbox.refuse(ADJOINT, 452)
    notifier = desk.notifier(smtp(mailbox))

    assert work(notifier) == 0
    assert (desk.request(request_id).notified_at, desk.notifications()[ADJOINT].attempts) == (
        None,
        1,
    )
    assert work(notifier) == 0  # not yet due

    mailbox.accept(ADJOINT)
    desk.make_due()
    assert work(notifier) == 1
    assert sorted(mail.recipients for mail in mailbox.mails) == [(ADJOINT,), (MAIRIE,)]


def test_who_will_never_be_reached_is_recorded_and_the_others_are_told(
    desk: Desk, mailbox: Mailbox
) -> None:
    desk.add_agent("adjoint", ADJOINT)
    desk.add_agent("faute de frappe", "a@example.org, b@example.org")
    desk.ask("P.csv")
    mailbox.refuse(ADJOINT, 550, "\x1b[2J\u202e" + " again" * 1000)

    assert work(desk.notifier(smtp(mailbox))) == 1

    notifications = desk.notifications()
    assert (
        notifications[ADJOINT].refusal == ("550 5.1.1 No such user here[2J" + " again" * 1000)[:500]
    )
    assert notifications["a@example.org, b@example.org"].refusal == "adresse invalide"
    assert [email for email, row in notifications.items() if row.sent_at] == [MAIRIE]
    assert [mail.recipients for mail in mailbox.mails] == [(MAIRIE,)]


def test_a_server_without_tls_gets_nothing_in_the_clear(mailbox: Mailbox) -> None:
    with pytest.raises(DeliveryDelayedError, match="SMTPNotSupportedError"):
        SmtpMailer(mailbox.host, mailbox.port, "starttls").send(EmailMessage())
    assert mailbox.mails == []


@dataclass
class Surprising:
    """A mailer that raises an unexpected error for the address `bad`."""

    bad: str
    sent: list[str] = field(default_factory=list)

    def send(self, message: EmailMessage) -> None:
        if message["To"] == self.bad:
            raise LookupError("an answer of no known form, INVENTEE Zélie")
        self.sent.append(message["To"])


@pytest.mark.slow
def test_the_others_are_told_and_it_is_tried_again(desk: Desk) -> None:
    desk.add_agent("adjointe", ADJOINT)
    request, mailer = desk.ask("P.csv"), Surprising(bad=ADJOINT)
    desk.notifier(mailer.send).work(threading.Event())
    assert mailer.sent == [MAIRIE]
    assert desk.request(request).notified_at is None
    assert (desk.notifications()[ADJOINT].ended_at, [it.error for it in desk.works()]) == (
        None,
        [FAILED],
    )
    mailer.bad = ""
    desk.make_due()
    desk.notifier(mailer.send).work(threading.Event())
    assert mailer.sent == [MAIRIE, ADJOINT]
    assert desk.request(request).notified_at


def test_a_message_that_is_given_up_is_not_shown_as_waiting(desk: Desk) -> None:
    desk.ask("P.csv")
    notifier = desk.notifier(Surprising(bad=MAIRIE).send)
    notifier.work(threading.Event())
    desk.change(Work, created_at=utc_now(-GIVE_UP_SECONDS - 60))
    desk.make_due()
    notifier.work(threading.Event())
    row = desk.notifications()[MAIRIE]
    assert (row.refusal, bool(row.ended_at)) == (f"abandonné après 3 jours : {FAILED}", True)


@pytest.fixture
def answered(mailbox: Mailbox) -> Iterator[threading.Event]:
    """The server answers a mail once this event is set."""
    event = threading.Event()
    mailbox.before_answer = lambda: event.wait(PATIENCE_SECONDS)
    yield event
    event.set()


@pytest.mark.slow
def test_a_server_that_takes_its_time_gets_the_mail_once_and_keeps_no_other_waiting(
    desk: Desk, mailbox: Mailbox, answered: threading.Event
) -> None:
    """Its lease is renewed meanwhile, so that no other notifier sends the mail; events and webhooks are not delayed."""
    request_id = desk.ask("P.csv")
    events: list[CloudEvent] = []
    with serving() as server, running(desk.notifier(smtp(mailbox), events.append, lease_seconds=5)):
        desk.add_recipient(Channel.WEBHOOK, server.url())
        mailbox.wait_for(1)
        desk.ask("P.csv", event_id="autre")
        wait_until(lambda: server.posts and len(events) == 4, message="the webhook and the events")
        of_mail = {"kind": WorkKind.MAIL, "subject": f"request:{request_id}"}
        (first,) = (one.due_at for one in desk.works(**of_mail))
        wait_until(
            lambda: desk.works(**of_mail)[0].due_at != first, message="the renewal of the lease"
        )
        assert work(desk.notifier(smtp(mailbox), name="other")) == 0
        answered.set()
        wait_until(lambda: desk.request(request_id).notified_at, message="the record of the mail")
    assert len({mail.message["Message-ID"] for mail in mailbox.mails}) == len(mailbox.mails) == 2


@pytest.mark.slow
def test_a_mail_that_was_sent_while_the_database_went_away_is_recorded_when_it_is_back(
    desk: Desk, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = records.finish_and_note, list[bool]()

    def finish(connection: Connection, claims: Sequence[Claim]) -> None:
        if mailbox.mails and len(refused) < 2:
            refused.append(True)
            raise DatabaseAwayError
        real(connection, claims)

    monkeypatch.setattr(lease, "REPEAT_SECONDS", 0.01)
    monkeypatch.setattr(sending, "finish_and_note", finish)
    desk.ask("P.csv")
    assert work(desk.notifier(smtp(mailbox))) == 1
    assert (len(refused), len(mailbox.mails)) == (2, 1)


@pytest.mark.parametrize(("answer", "whole"), [(0.5, 60), (60, 0.5)])
def test_a_server_that_never_answers_the_dot_may_have_the_mail(
    mailbox: Mailbox, answered: threading.Event, answer: float, whole: float
) -> None:
    server = SmtpMailer(mailbox.host, mailbox.port, answer_seconds=answer, whole_seconds=whole)
    mail = EmailMessage()
    mail["From"], mail["To"] = "prefecture@example.org", MAIRIE
    with pytest.raises(DeliveryDelayedError) as caught:
        server.send(mail)
    assert not caught.value.is_away, "the attempt counts"
    assert not answered.is_set()


@pytest.mark.parametrize(
    ("line", "most", "pause"), [(b"220-a\r\n", 400, 0.05), (b"220-%8000d\r\n" % 1, 1 << 15, 0)]
)
@pytest.mark.parametrize("stage", ["", "EHLO", "QUIT"])
def test_a_reply_without_end_holds_no_mail_up(
    monkeypatch: pytest.MonkeyPatch, stage: str, line: bytes, most: int, pause: float
) -> None:
    replied = list[int]()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                for command in chain([b""], self.rfile):
                    for number in range(most) if command[:4].upper() == stage.encode() else []:
                        replied.append(number)
                        self.wfile.write(line)
                        threading.Event().wait(pause)
                    if command.startswith(b"data"):
                        self.wfile.write(b"354 go on\r\n")
                        list(iter(self.rfile.readline, b".\r\n"))
                    self.wfile.write(b"250 ok\r\n" if command else b"220 ready\r\n")

    monkeypatch.setattr(mails, "QUIT_SECONDS", 0.3)
    mail = EmailMessage()
    mail["From"], mail["To"] = "prefecture@example.org", MAIRIE
    with socketserver.TCPServer((LOOPBACK, 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with nullcontext() if stage == "QUIT" else pytest.raises(DeliveryDelayedError):
            SmtpMailer(LOOPBACK, server.server_address[1], whole_seconds=0.3).send(mail)
        thread.join()
    assert 0 < len(replied) < most / 10
