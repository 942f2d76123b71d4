"""A recipient that nobody foresaw keeps the others of the request from nothing."""

import threading
from dataclasses import dataclass, field
from email.message import EmailMessage

import pytest
from sqlalchemy import delete

from tests.integration.notifier_desk import ADJOINT, MAIRIE, TEMPLATE, Desk, open_desk
from worker.access.models import Agent
from worker.db.types import utc_now
from worker.notifier.channels.delivery import GIVE_UP_SECONDS
from worker.notifier.notify import FAILED
from worker.notifier.recipients import ERASED
from worker.notifier.sending import REMOVED
from worker.work.models import Work

pytestmark = [pytest.mark.integration, pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=open_desk)]


@dataclass
class Surprising:
    """A way of sending that fails as nobody foresaw, for one address, until it is mended."""

    bad: str
    sent: list[str] = field(default_factory=list)

    def send(self, message: EmailMessage) -> None:
        """As a mailer."""
        if message["To"] == self.bad:
            raise LookupError("an answer of no known form, INVENTEE Zélie")
        self.sent.append(message["To"])


@pytest.mark.slow
def test_the_others_are_told_and_it_is_tried_again(desk: Desk) -> None:
    desk.add_agent("adjointe", ADJOINT)
    request, mailer = desk.ask("P.csv"), Surprising(bad=ADJOINT)
    desk.notifier(mailer).work(threading.Event())
    assert mailer.sent == [MAIRIE]
    assert desk.request(request).notified_at is None
    assert (desk.notifications()[ADJOINT].ended_at, [it.error for it in desk.works()]) == (None, [FAILED])
    mailer.bad = ""
    desk.make_due()
    desk.notifier(mailer).work(threading.Event())
    assert mailer.sent == [MAIRIE, ADJOINT]
    assert desk.request(request).notified_at


def test_a_message_that_is_given_up_is_not_shown_as_waiting(desk: Desk) -> None:
    desk.ask("P.csv")
    notifier = desk.notifier(Surprising(bad=MAIRIE))
    notifier.work(threading.Event())
    desk.change(Work, created_at=utc_now(-GIVE_UP_SECONDS - 60))
    desk.make_due()
    notifier.work(threading.Event())
    row = desk.notifications()[MAIRIE]
    assert (row.refusal, bool(row.ended_at)) == (FAILED, True)


def test_the_address_of_an_agent_who_left_is_erased_with_the_last_message(desk: Desk) -> None:
    desk.ask("P.csv")
    notifier = desk.notifier(Surprising(bad=MAIRIE))
    notifier.work(threading.Event())
    with desk.engine.begin() as connection:
        connection.execute(delete(Agent))
    desk.make_due()
    notifier.work(threading.Event())
    (row,) = desk.notifications().values()
    assert (row.address, row.refusal) == (ERASED, REMOVED), "and it is not shown as waiting"
    assert MAIRIE not in row.recipient
