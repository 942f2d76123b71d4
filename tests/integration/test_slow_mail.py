"""A mail server that takes its time: it gets each mail once, and keeps nobody else waiting."""

import smtplib
import threading
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import select

from schemas.envelope import CloudEvent
from tests.integration.notifier_desk import MAIRIE, TEMPLATE, Desk, open_desk, smtp, work
from tests.parts.mail import Mailbox
from tests.parts.wait import PATIENCE_SECONDS, wait_until
from worker.db.types import utc_now
from worker.errors import DatabaseAwayError
from worker.notifier import dispatch
from worker.notifier.channels.delivery import DeliveryDelayedError
from worker.notifier.channels.mail import SmtpMailer, Timeouts
from worker.notifier.dispatch import HELD_SECONDS
from worker.notifier.outbox import Claim, Outbox

pytestmark = [pytest.mark.integration, pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=open_desk)]

SOON = 0.01


@pytest.fixture
def answered(mailbox: Mailbox) -> Iterator[threading.Event]:
    """The server answers a mail once this is set."""
    event = threading.Event()
    mailbox.before_answer = lambda: event.wait(PATIENCE_SECONDS)
    yield event
    event.set()


def _mail(text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "prefecture@example.org", MAIRIE
    message.set_content(text)
    return message


def _is_sent(desk: Desk) -> bool:
    return all(row.sent_at for row in desk.notifications().values())


@pytest.mark.slow
def test_a_server_that_takes_its_time_gets_the_mail_once(
    desk: Desk, mailbox: Mailbox, answered: threading.Event
) -> None:
    """It got the same mail four times in a hundred and fifty seconds."""
    request_id = desk.ask("P.csv")
    notifier = desk.notifier(smtp(mailbox), patience_seconds=SOON)
    for _ in range(3):
        assert work(notifier) == 0
        desk.change_requests(tell_after=utc_now(-1))
        assert work(desk.notifier(smtp(mailbox), name="other")) == 0, "nor does another notifier try it"
        desk.change_requests(tell_after=utc_now(-1))
    (held,) = desk.notifications().values()
    with desk.engine.connect() as connection:
        now = connection.scalar(select(utc_now()))
    assert held.not_before
    assert now
    assert HELD_SECONDS - 120 < (held.not_before - now).total_seconds() <= HELD_SECONDS

    answered.set()
    wait_until(lambda: _is_sent(desk), message="the record of the mail")
    assert work(notifier) == 1
    assert desk.request(request_id).told_at
    assert len(mailbox.mails) == 1


@pytest.mark.slow
def test_nobody_else_waits_for_a_slow_server(desk: Desk, mailbox: Mailbox, answered: threading.Event) -> None:
    """Programs hear of every file, and as many mails are under way as the server is to have at once."""
    number = dispatch.MAILS_AT_ONCE + 2
    for index in range(number):
        desk.ask("P.csv", event_id=f"demande-{index}")
    events: list[CloudEvent] = []
    notifier = desk.notifier(smtp(mailbox), events.append, patience_seconds=SOON)
    work(notifier)
    assert len(events) == 2 * number
    mailbox.wait_for(dispatch.MAILS_AT_ONCE)
    answered.set()
    notifier.finish(60)
    desk.make_due()
    assert work(desk.notifier(smtp(mailbox), events.append)) == number
    assert len({mail.message["Message-ID"] for mail in mailbox.mails}) == len(mailbox.mails) == number


@pytest.mark.slow
@pytest.mark.parametrize("patience", [SOON, 60], ids=["slow", "prompt"])
def test_a_mail_that_was_sent_while_the_database_went_away_is_recorded_when_it_is_back(
    desk: Desk, mailbox: Mailbox, answered: threading.Event, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    """By the thread that sent it, or after the notifier that waited for it has met the absence."""
    real = dispatch.Dispatcher._write  # noqa: SLF001 — where it is recorded
    refused: list[bool] = []

    def write(self: dispatch.Dispatcher, results: Sequence[dispatch.Fate]) -> None:
        if "settled_at" in results[0].values and len(refused) < 2:
            refused.append(True)
            raise DatabaseAwayError
        real(self, results)

    monkeypatch.setattr(dispatch, "_PAUSE_SECONDS", SOON)
    monkeypatch.setattr(dispatch.Dispatcher, "_write", write)
    desk.ask("P.csv")
    if patience == SOON:
        assert work(desk.notifier(smtp(mailbox), patience_seconds=SOON)) == 0
        answered.set()
    else:
        answered.set()
        assert work(desk.notifier(smtp(mailbox), patience_seconds=patience)) == 0
    wait_until(lambda: _is_sent(desk), message="the record of the mail")
    desk.make_due()
    assert work(desk.notifier(smtp(mailbox), name="other")) == 1
    assert (len(refused), len(mailbox.mails)) == (2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("is_long", [False, True], ids=["short", "longer-than-a-lease"])
def test_what_was_under_way_when_the_database_went_away_is_taken_up_once_it_is_on_record(
    desk: Desk, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, is_long: bool
) -> None:
    """And not a lease later; nothing is sent again meanwhile, however long the database was away."""
    away = threading.Event()
    real, end = dispatch.Dispatcher._write, Outbox.end  # noqa: SLF001 — where it is recorded

    def write(self: dispatch.Dispatcher, results: Sequence[dispatch.Fate]) -> None:
        if away.is_set():
            raise DatabaseAwayError
        real(self, results)

    def refuse(self: Outbox, *arguments: Any) -> Sequence[Claim]:  # noqa: ANN401 — those of `end`
        if away.is_set():
            raise DatabaseAwayError
        return end(self, *arguments)

    monkeypatch.setattr(dispatch, "_PAUSE_SECONDS", SOON)
    monkeypatch.setattr(dispatch.Dispatcher, "_write", write)
    monkeypatch.setattr(Outbox, "end", refuse)
    for number in range(3):
        desk.ask("P.csv", event_id=f"demande-{number}")
    mailbox.on_mail = away.set
    notifier = desk.notifier(smtp(mailbox))
    with pytest.raises(DatabaseAwayError):
        work(notifier)
    mailbox.on_mail = lambda: None
    if is_long:
        desk.change_requests(teller_lease=utc_now(-1))
    assert work(notifier) == 0
    away.clear()
    wait_until(lambda: work(notifier), message="the others told")
    assert all(it.told_at for it in map(desk.request, (1, 2, 3)))
    ids = [mail.message["Message-ID"] for mail in mailbox.mails]
    assert len(set(ids)) == len(ids) == 3


def test_each_step_of_the_dialogue_has_the_patience_that_the_rfc_asks_for(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 5321, section 4.5.3.2: five minutes for a command, two for DATA, ten at the final dot."""
    seen: list[tuple[float | None, int]] = []
    real = smtplib.SMTP.getreply

    def getreply(self: smtplib.SMTP) -> tuple[int, bytes]:
        assert self.sock
        patience = self.sock.gettimeout()
        code, answer = real(self)
        seen.append((patience, code))
        return code, answer

    monkeypatch.setattr(smtplib.SMTP, "getreply", getreply)
    SmtpMailer(mailbox.host, mailbox.port, kept_seconds=0).send(_mail(".une ligne qui commence par un point"))
    assert seen == [(300, 220), (300, 250), (300, 250), (300, 250), (120, 354), (600, 250), (300, 221)]
    assert mailbox.mails[0].message.get_content() == ".une ligne qui commence par un point\n"


@pytest.mark.parametrize("timeouts", [Timeouts(end=0.2), Timeouts(whole=0.5)], ids=["end", "whole"])
def test_a_server_that_never_answers_the_dot_may_have_the_mail(
    mailbox: Mailbox, answered: threading.Event, timeouts: Timeouts
) -> None:
    with pytest.raises(DeliveryDelayedError) as caught:
        SmtpMailer(mailbox.host, mailbox.port, timeouts=timeouts).send(_mail("bonjour"))
    assert caught.value.is_uncertain
    assert not answered.is_set()


def test_a_refusal_is_certain(mailbox: Mailbox) -> None:
    mailbox.refuse(MAIRIE, 452)
    with pytest.raises(DeliveryDelayedError) as caught:
        SmtpMailer(mailbox.host, mailbox.port).send(_mail("bonjour"))
    assert not caught.value.is_uncertain
