"""A recipient that nobody foresaw keeps the others of the request from nothing."""

import threading
from dataclasses import dataclass, field
from email.message import EmailMessage

import pytest

from tests.integration.notifier_desk import ADJOINT, MAIRIE, TEMPLATE, Desk, open_desk
from worker.notifier.notify import FAILED

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
