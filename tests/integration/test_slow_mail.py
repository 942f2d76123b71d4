"""A mail server that takes its time: it gets each mail once, and keeps nobody else waiting."""

import threading
from collections.abc import Iterator, Sequence
from email.message import EmailMessage

import pytest
from sqlalchemy.orm import Session

from schemas.envelope import CloudEvent
from schemas.vocabulary import Channel
from tests.integration.notifier_desk import MAIRIE, TEMPLATE, Desk, open_desk, running, smtp, work
from tests.parts.mail import Mailbox
from tests.parts.wait import PATIENCE_SECONDS, wait_until
from tests.parts.web import serving
from worker.errors import DatabaseAwayError
from worker.notifier import notify, recipients, sending
from worker.notifier.channels.delivery import DeliveryDelayedError
from worker.notifier.channels.mail import SmtpMailer
from worker.work.models import WorkKind
from worker.work.queue import Claim

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


@pytest.mark.slow
def test_a_server_that_takes_its_time_gets_the_mail_once_and_keeps_no_other_waiting(
    desk: Desk, mailbox: Mailbox, answered: threading.Event
) -> None:
    """Its lease is renewed meanwhile, so that no other notifier sends the mail; events and webhooks leave."""
    request_id = desk.ask("P.csv")
    events: list[CloudEvent] = []
    with serving() as server, running(desk.notifier(smtp(mailbox), events.append, lease_seconds=5)):
        desk.add_recipient(Channel.WEBHOOK, server.url())
        mailbox.wait_for(1)
        desk.ask("P.csv", event_id="autre")
        wait_until(lambda: server.posts and len(events) == 4, message="the webhook and the events")
        of_mail = {"kind": WorkKind.MAIL, "subject": f"request:{request_id}"}
        (first,) = (one.lease_until for one in desk.works(**of_mail))
        wait_until(lambda: desk.works(**of_mail)[0].lease_until != first, message="the renewal of the lease")
        assert work(desk.notifier(smtp(mailbox), name="other")) == 0
        answered.set()
        wait_until(lambda: desk.request(request_id).notified_at, message="the record of the mail")
    assert len({mail.message["Message-ID"] for mail in mailbox.mails}) == len(mailbox.mails) == 2


@pytest.mark.slow
def test_a_mail_that_was_sent_while_the_database_went_away_is_recorded_when_it_is_back(
    desk: Desk, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = recipients.finish_and_note, list[bool]()

    def finish(session: Session, claims: Sequence[Claim]) -> None:
        if len(refused) < 2:
            refused.append(True)
            raise DatabaseAwayError
        real(session, claims)

    monkeypatch.setattr(notify, "TROUBLE_SECONDS", SOON)
    monkeypatch.setattr(sending, "finish_and_note", finish)
    desk.ask("P.csv")
    assert work(desk.notifier(smtp(mailbox))) == 1
    assert (len(refused), len(mailbox.mails)) == (2, 1)


@pytest.mark.parametrize(("answer", "whole"), [(0.5, 60), (60, 0.5)])
def test_a_server_that_never_answers_the_dot_may_have_the_mail(
    mailbox: Mailbox, answered: threading.Event, answer: float, whole: float
) -> None:
    server = SmtpMailer(mailbox.host, mailbox.port, answer_seconds=answer, whole_seconds=whole)
    with pytest.raises(DeliveryDelayedError) as caught:
        server.send(_mail("bonjour"))
    assert caught.value.is_uncertain
    assert not answered.is_set()


def test_a_refusal_is_certain(mailbox: Mailbox) -> None:
    mailbox.refuse(MAIRIE, 452)
    with pytest.raises(DeliveryDelayedError) as caught:
        SmtpMailer(mailbox.host, mailbox.port).send(_mail("bonjour"))
    assert not caught.value.is_uncertain
