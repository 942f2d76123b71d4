"""Mails, on both databases and by a real mail server: each agent is told once, whatever breaks in between."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select

from schemas.envelope import CloudEvent
from schemas.vocabulary import RequestOutcome
from tests.integration.notifier_desk import (
    ADJOINT,
    MAIRIE,
    SIX,
    TEMPLATE,
    Desk,
    Killed,
    open_desk,
    smtp,
    work,
)
from tests.parts.mail import Mailbox
from worker.db.types import utc_now
from worker.notifier.channels.delivery import DeliveryDelayedError
from worker.notifier.channels.mail import FolderMailer, Mailer, SmtpMailer

pytestmark = [pytest.mark.integration, pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=open_desk)]


def test_one_mail_says_what_came_of_all_the_files(desk: Desk, mailbox: Mailbox) -> None:
    desk.add_agent("intérim", MAIRIE)
    request_id = desk.ask(*SIX[:5], "CM.xml=failed")

    assert work(desk.notifier(smtp(mailbox))) == 1

    (mail,) = mailbox.mails
    assert (mail.sender, mail.recipients) == ("prefecture@example.org", (MAIRIE,))
    assert mail.message["Subject"] == "5 fichiers prêts, 1 en échec — LIBREVILLE (13900)"
    assert "Raison : Espace disque insuffisant." in mail.text
    assert "clic-demande" in mail.text
    assert desk.request(request_id).notified_at is not None
    assert work(desk.notifier(smtp(mailbox))) == 0


@pytest.mark.parametrize("unfinished", ["P.csv=queued", "P.csv=running"])
def test_a_request_is_not_told_before_its_last_file(desk: Desk, mailbox: Mailbox, unfinished: str) -> None:
    desk.ask(unfinished, "CE.csv")

    assert work(desk.notifier(smtp(mailbox))) == 0
    assert mailbox.mails == []


def test_a_refused_request_is_told_with_its_reason(desk: Desk, mailbox: Mailbox) -> None:
    desk.ask(outcome=RequestOutcome.REFUSED, reason="Aucun registre importé pour 13900.")

    assert work(desk.notifier(smtp(mailbox))) == 1

    (mail,) = mailbox.mails
    assert mail.message["Subject"] == "Demande refusée — LIBREVILLE (13900)"
    assert "Motif du refus : Aucun registre importé pour 13900." in mail.text


@pytest.mark.parametrize("code_commune", ["", "75056"])
def test_a_commune_without_agents_holds_nothing_up(desk: Desk, mailbox: Mailbox, code_commune: str) -> None:
    request_id = desk.ask(code_commune=code_commune, outcome=RequestOutcome.REFUSED, reason="Commune inconnue.")

    assert work(desk.notifier(smtp(mailbox))) == 1
    assert mailbox.mails == []
    assert desk.request(request_id).notified_at is not None


@pytest.mark.slow
def test_three_notifiers_tell_sixty_requests_once(database_url: str, desk: Desk, mailbox: Mailbox) -> None:
    for number in range(60):
        desk.ask("P.csv", event_id=f"demande-{number}")
    events: list[CloudEvent] = []
    start = Barrier(3)

    def tell_all(number: int) -> int:
        own = Desk(database_url)
        notifier = own.notifier(smtp(mailbox), events.append, name=f"notifier-{number}")
        start.wait()
        told = work(notifier)
        own.engine.dispose()
        return told

    with ThreadPoolExecutor(3) as pool:
        told = list(pool.map(tell_all, range(3)))

    assert sum(told) >= 60
    assert len(mailbox.mails) == len({mail.message["Message-ID"] for mail in mailbox.mails}) == 60
    assert len(events) == len({event.id for event in events}) == 2 * 60, "of the file, and of the end of its request"


class DiesAfterSending:
    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer

    def send(self, message: EmailMessage) -> None:
        self._mailer.send(message)
        raise Killed


def test_a_notifier_killed_before_recording_is_followed_by_the_same_message_id(desk: Desk, mailbox: Mailbox) -> None:
    request_id = desk.ask("P.csv")
    with pytest.raises(Killed):
        work(desk.notifier(DiesAfterSending(smtp(mailbox)), name="killed"))
    other = desk.notifier(smtp(mailbox), name="other")
    assert work(other) == 0  # the lease of the dead one still runs
    desk.expire()

    assert work(other) == 1

    first, second = mailbox.mails
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert desk.request(request_id).notified_at is not None


def test_a_full_mailbox_is_tried_again_and_the_others_are_told_once(desk: Desk, mailbox: Mailbox) -> None:
    desk.add_agent("adjoint", ADJOINT)
    request_id = desk.ask("P.csv")
    mailbox.refuse(ADJOINT, 452)
    notifier = desk.notifier(smtp(mailbox))

    assert work(notifier) == 0
    assert (desk.request(request_id).notified_at, desk.notifications()[ADJOINT].attempts) == (None, 1)
    assert work(notifier) == 0  # not before its time

    mailbox.accept(ADJOINT)
    desk.make_due()
    assert work(notifier) == 1
    assert sorted(mail.recipients for mail in mailbox.mails) == [(ADJOINT,), (MAIRIE,)]


def test_who_will_never_be_reached_is_recorded_and_the_others_are_told(desk: Desk, mailbox: Mailbox) -> None:
    desk.add_agent("adjoint", ADJOINT)
    desk.add_agent("faute de frappe", "a@example.org, b@example.org")
    desk.ask("P.csv")
    mailbox.refuse(ADJOINT, 550)

    assert work(desk.notifier(smtp(mailbox))) == 1

    told = desk.notifications()
    assert told[ADJOINT].refusal.startswith("550 5.1.1")
    assert told["a@example.org, b@example.org"].refusal == "adresse invalide"
    assert [email for email, row in told.items() if row.sent_at] == [MAIRIE]
    assert [mail.recipients for mail in mailbox.mails] == [(MAIRIE,)]


def test_an_absent_mail_server_is_waited_for(desk: Desk, mailbox: Mailbox) -> None:
    desk.ask("P.csv")
    mailbox.stop()
    notifier = desk.notifier(smtp(mailbox))
    for attempts in (1, 2, 3):
        assert work(notifier) == 0
        assert [one.waits for one in desk.works()] == [attempts]
        desk.make_due()

    mailbox.start()
    assert work(notifier) == 1
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(("answers", "seconds"), [(False, 1), (True, 10)])
def test_a_mail_server_that_answers_is_given_time_and_one_that_is_away_is_asked_soon(
    desk: Desk, mailbox: Mailbox, answers: bool, seconds: float
) -> None:
    desk.ask("P.csv")
    if answers:
        mailbox.refuse(MAIRIE, 452)
    else:
        mailbox.stop()
    before = _now(desk)
    work(desk.notifier(smtp(mailbox)))
    (due,) = (one.due_at for one in desk.works())
    assert due
    assert before <= due - timedelta(seconds=seconds) <= _now(desk)


def _now(desk: Desk) -> datetime:
    with desk.engine.connect() as connection:
        return connection.scalars(select(utc_now())).one()


def test_a_server_without_tls_gets_nothing_in_the_clear(mailbox: Mailbox) -> None:
    with pytest.raises(DeliveryDelayedError, match="SMTPNotSupportedError"):
        SmtpMailer(mailbox.host, mailbox.port, "starttls").send(EmailMessage())
    assert mailbox.mails == []


def test_mails_can_be_files(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "mails"
    folder.write_text("a file stands where the folder should be")
    desk.ask("P.csv")
    notifier = desk.notifier(FolderMailer(folder))
    assert work(notifier) == 0
    folder.unlink()
    desk.make_due()

    assert work(notifier) == 1

    (file,) = folder.iterdir()
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert file.name == message["Message-ID"].strip("<>") + ".eml"
    assert message["Subject"] == "Fichier prêt — Liste P du 25/11/2026 09:30:00 [csv] — LIBREVILLE (13900)"
    FolderMailer(folder).send(message)
    assert list(folder.iterdir()) == [file]
