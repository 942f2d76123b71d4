"""`python -m worker work`, and the notifier's loops next to hanging neighbours and short memory."""

import socket
import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from common.cli import ExitCode
from schemas.envelope import CloudEvent
from schemas.vocabulary import Channel, RequestOutcome
from tests.integration.notifier_desk import MAIRIE, TEMPLATE, Desk, running, smtp, work
from tests.parts.mail import Mailbox
from tests.parts.ports import LOOPBACK
from tests.parts.wait import wait_until
from tests.parts.web import serving
from worker.cli.main import main
from worker.db.types import utc_now
from worker.exports.models import Export
from worker.notifier.channels.delivery import GIVE_UP_SECONDS
from worker.notifier.recipients import ListRecipients
from worker.work.models import Work, WorkKind
from worker.work.queue import Claim

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

HANGING = 3


def test_what_was_given_up_is_counted_and_tried_again(
    desk: Desk,
    database_url: str,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", database_url)
    desk.ask("P.csv")
    mailbox.refuse(MAIRIE, 452)
    work(desk.notifier(smtp(mailbox)))
    desk.change(Work, created_at=utc_now(-GIVE_UP_SECONDS - 60))
    desk.make_due()
    assert work(desk.notifier(smtp(mailbox))) == 1
    assert main(["work", "list"]) == ExitCode.DONE
    listed = capsys.readouterr().out
    assert all(word in listed for word in ("courriel", "abandonné", "abandonné après 3 jours : 452"))
    mailbox.accept(MAIRIE)
    for words, said in (("550", "0 travail repris"), ("452", "1 travail repris")):
        assert main(["work", "retry", "--error", words, "--since", "2026-01-01"]) == ExitCode.DONE
        assert said in capsys.readouterr().out
    work(desk.notifier(smtp(mailbox)))
    assert [mail.recipients for mail in mailbox.mails] == [(MAIRIE,)]
    assert main(["work", "list"]) == ExitCode.DONE
    assert capsys.readouterr().out.endswith("Rien n'est à faire.\n")


def test_the_events_of_one_account_are_published_again_under_the_same_ids(
    desk: Desk,
    database_url: str,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", database_url)
    desk.ask("P.csv", "P.xml=failed", sender="prog")
    desk.ask("CE.csv", event_id="purgée", sender="prog")
    desk.ask(event_id="non", outcome=RequestOutcome.REFUSED, reason="Commune inconnue.", sender="prog")
    desk.ask("CM.csv", event_id="autre", sender="ecran")
    first: list[CloudEvent] = []
    work(desk.notifier(smtp(mailbox), first.append))
    with Session(desk.engine) as session, session.begin():
        session.execute(update(Export).where(Export.liste == "CE").values(purged_at=utc_now()))
    assert main(["work", "publish-again", "--account", "prog", "--since", "2026-11-01"]) == ExitCode.DONE
    assert "7 événements seront publiés de nouveau." in capsys.readouterr().out
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
            desk.add_recipient(Channel.WEBHOOK, f"http://{LOOPBACK}:{silent.getsockname()[1]}/", f"hangs-{number}")
        for number in range(7):
            desk.ask("P.csv", event_id=f"demande-{number}")
        with running(desk.notifier(smtp(mailbox))):
            wait_until(lambda: len(answering.posts) == 7, message="all messages of the webhook that answers")
            held = [one.part for one in desk.works(kind=WorkKind.MESSAGE) if one.owner]
            assert len(held) == len(set(held)) <= HANGING, "one message at a time to one recipient"


def test_a_process_that_lacks_memory_gives_its_works_back_uncounted_and_leaves(
    desk: Desk, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: ListRecipients, _claims: Sequence[Claim]) -> None:
        raise ImportError("libfoo.so: failed to map segment from shared object")

    desk.ask("P.csv")
    short = desk.notifier(smtp(mailbox))
    with monkeypatch.context() as patched:
        patched.setattr(ListRecipients, "handle", fail)
        short = desk.notifier(smtp(mailbox))
        stop = threading.Event()
        short.run(stop)
    assert short.is_exhausted
    assert stop.is_set()
    (left,) = desk.works(kind=WorkKind.RECIPIENTS)
    assert (left.starts, left.due_at, left.owner) == (0, None, None)
    assert work(desk.notifier(smtp(mailbox), name="another")) == 1
    assert len(mailbox.mails) == 1
