"""Webhooks that do not answer 2xx, on both databases: tried again, given up, or left alone for good."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from schemas.vocabulary import Channel
from tests.integration.notifier_desk import TEMPLATE, Desk, open_desk, smtp, work
from tests.parts.mail import Mailbox
from tests.parts.web import WebServer, serving
from worker.access.models import Recipient
from worker.audit import Action, Audit
from worker.db.types import utc_now
from worker.notifier.channels.delivery import GIVE_UP_SECONDS
from worker.notifier.models import Notification
from worker.notifier.sending import REMOVED
from worker.work.models import Work

pytestmark = [pytest.mark.integration, pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=open_desk)]


@pytest.fixture
def server() -> Iterator[WebServer]:
    with serving() as web:
        yield web


def row_of(desk: Desk, recipient: str = "r1") -> Notification:
    with Session(desk.engine) as session:
        return session.scalars(select(Notification).where(Notification.recipient == recipient)).one()


@contextmanager
def tried_again_after(desk: Desk, seconds: float, *, within: float = 0.01) -> Iterator[None]:
    """What is tried in the block fails, and is due so many seconds after it was tried, by the database's clock."""
    began = now_of(desk)
    yield
    (due,) = (one.due_at for one in desk.works())
    assert due
    margin = timedelta(seconds=within)
    assert began - margin <= due - timedelta(seconds=seconds) <= now_of(desk) + margin


def now_of(desk: Desk) -> datetime:
    with desk.engine.connect() as connection:
        now: datetime = connection.execute(select(utc_now())).scalar_one()
        return now


@pytest.mark.slow
@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_server_in_trouble_is_tried_again_and_delays_nobody(
    desk: Desk, server: WebServer, mailbox: Mailbox, status: int
) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url())
    request_id = desk.ask("P.csv")
    server.status = status
    notifier = desk.notifier(smtp(mailbox))

    with tried_again_after(desk, 10):
        assert work(notifier) == 0
    assert len(mailbox.mails) == 1
    assert work(notifier) == 0  # not before its time
    assert len(server.posts) == 1
    desk.make_due()
    with tried_again_after(desk, 20):
        assert work(notifier) == 0

    server.status = 200
    desk.make_due()
    assert work(notifier) == 1
    assert len(server.posts) == 3
    assert len({post.headers["webhook-id"] for post in server.posts}) == 1
    assert len(mailbox.mails) == 1
    assert row_of(desk).attempts == 3
    assert desk.request(request_id).notified_at


IN_AN_HOUR = "a date in an hour"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("120", 120),
        (IN_AN_HOUR, 3600),
        ("3", 10),
        ("soon", 10),
        ("9" * 30, 86_400),
        ("-1", 10),
    ],
)
def test_retry_after_is_respected_within_reason(
    desk: Desk, server: WebServer, mailbox: Mailbox, retry_after: str, seconds: int
) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url())
    desk.ask("P.csv")
    within = 0.01
    if retry_after == IN_AN_HOUR:
        within = 1  # HTTP counts in seconds
        retry_after = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    server.status, server.headers = 503, {"Retry-After": retry_after}

    with tried_again_after(desk, seconds, within=within):
        work(desk.notifier(smtp(mailbox)))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_is_refused_is_not_tried_again(desk: Desk, server: WebServer, mailbox: Mailbox, status: int) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url())
    desk.ask("P.csv")
    server.status = status

    assert work(desk.notifier(smtp(mailbox))) == 1

    row = row_of(desk)
    assert (row.refusal, row.sent_at) == (f"réponse {status}", None)
    assert row.ended_at
    assert len(server.posts) == 1


def test_a_recipient_that_is_gone_is_told_nothing_any_more(desk: Desk, server: WebServer, mailbox: Mailbox) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url())
    server.status = 410
    for number in range(3):
        desk.ask("P.csv", event_id=f"demande-{number}")

    assert work(desk.notifier(smtp(mailbox))) == 3

    assert len(server.posts) == 1
    with Session(desk.engine) as session:
        refusals = select(Notification.refusal).where(Notification.recipient == "r1").order_by(Notification.id)
        assert session.scalars(refusals).all() == ["réponse 410", REMOVED, REMOVED]
        assert session.get_one(Recipient, "r1").disabled_at
        assert session.scalars(select(Audit.action)).all() == [Action.RECIPIENT_DISABLED]


def test_a_redirection_is_not_followed(desk: Desk, server: WebServer, mailbox: Mailbox) -> None:
    with serving() as elsewhere:
        desk.add_recipient(Channel.WEBHOOK, server.url())
        desk.ask("P.csv")
        server.status, server.headers = 307, {"Location": elsewhere.url()}
        assert work(desk.notifier(smtp(mailbox))) == 1
        assert elsewhere.posts == []
    assert row_of(desk).refusal == "réponse 307 : les redirections ne sont pas suivies"


@pytest.mark.slow
def test_a_recipient_that_never_answers_is_given_up_and_nobody_waits_for_it_for_ever(
    desk: Desk, server: WebServer, mailbox: Mailbox
) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url())
    request_id = desk.ask("P.csv")
    server.status = 500
    notifier = desk.notifier(smtp(mailbox))
    assert work(notifier) == 0

    desk.change(Work, created_at=utc_now(-GIVE_UP_SECONDS - 60))
    desk.make_due()

    assert work(notifier) == 1
    assert row_of(desk).refusal == "abandonné après 3 jours : réponse 500"
    assert desk.request(request_id).notified_at
    assert [(one.state, one.error) for one in desk.works()] == [("dead", row_of(desk).refusal)]


def test_a_removed_recipient_holds_nothing_up(desk: Desk, server: WebServer, mailbox: Mailbox) -> None:
    desk.add_recipient(Channel.WEBHOOK, server.url())
    desk.ask("P.csv")
    server.status = 500
    notifier = desk.notifier(smtp(mailbox))
    work(notifier)
    desk.change(Recipient, code_commune="13055")
    desk.make_due()

    assert work(notifier) == 1
    assert row_of(desk).refusal == "destinataire retiré"
