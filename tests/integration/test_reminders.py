"""Reminders of deadlines, on both databases: each is sent once, by any number of processes, and never too late."""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from common.calendrier import civil_day
from schemas.envelope import CloudEvent
from schemas.events import EcheanceNear
from schemas.vocabulary import Channel, Liste
from tests.integration.notifier_desk import MAIRIE, TEMPLATE, Desk, make_tableau, smtp, work
from tests.parts.databases import ON_SQLITE
from tests.parts.mail import Mailbox
from tests.parts.web import serving
from worker.access.models import Agent, Recipient
from worker.db.types import utc_now
from worker.exports.models import Export, Publication, Request
from worker.notifier.notify import Notifier
from worker.registre.models import ListeCommunale, Scrutin
from worker.work.queue import Work

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

SCRUTIN = date(2027, 4, 11)
MEETING, VINGT, CINQ = date(2027, 3, 18), date(2027, 3, 22), date(2027, 4, 6)


@pytest.fixture
def desk(desk: Desk) -> Desk:
    add(desk, ListeCommunale(code_commune="13900", liste=Liste.PRINCIPALE))
    add(desk, ListeCommunale(code_commune="13900", liste=Liste.COMPLEMENTAIRE_EUROPEENNE))
    desk.change(
        Scrutin, date=SCRUTIN, libelle="Élection présidentielle, 1er tour"
    )  # of the decree; it is over
    return desk


def add(desk: Desk, row: object) -> None:
    with Session(desk.engine) as session, session.begin():
        session.add(row)


def on(
    day: date,
    desk: Desk,
    mailbox: Mailbox,
    publish: Callable[[CloudEvent], None] | None = None,
    name: str = "notifier",
) -> Notifier:
    return desk.notifier(
        smtp(mailbox), publish, today=lambda _commune: day, reminder_days=(10, 3), name=name
    )


def subjects(mailbox: Mailbox) -> list[str]:
    return [
        str(mail.message["Subject"]).removeprefix("Rappel — ").removesuffix(" — LIBREVILLE (13900)")
        for mail in mailbox.mails
    ]


@pytest.mark.slow
@ON_SQLITE
def test_each_deadline_is_told_ten_and_three_days_before_and_never_again(
    desk: Desk, mailbox: Mailbox
) -> None:
    told: dict[date, list[str]] = {}
    for number in range(70):
        day = date(2027, 2, 10) + timedelta(days=number)
        before = len(mailbox.mails)
        work(on(day, desk, mailbox))
        work(on(day, desk, mailbox))
        if new := subjects(mailbox)[before:]:
            told[day] = new

    assert told == {
        MEETING - timedelta(days=10): ["Réunion de la commission de contrôle : dans 10 jours"],
        VINGT - timedelta(days=10): ["Tableau des vingt jours : dans 10 jours"],
        MEETING - timedelta(days=3): ["Réunion de la commission de contrôle : dans 3 jours"],
        VINGT - timedelta(days=3): ["Tableau des vingt jours : dans 3 jours"],
        CINQ - timedelta(days=10): ["Tableau des cinq jours : dans 10 jours"],
        CINQ - timedelta(days=3): ["Tableau des cinq jours : dans 3 jours"],
    }
    assert {mail.recipients for mail in mailbox.mails} == {(MAIRIE,)}
    assert "Élection présidentielle, 1er tour" in mailbox.mails[0].text
    with desk.engine.connect() as connection:
        shown = connection.exec_driver_sql(
            "SELECT DISTINCT request_id, kind, channel FROM envois"
        ).all()
    assert [tuple(row) for row in shown] == [(None, "echeance", "courriel")]


@pytest.mark.parametrize(
    ("code", "instant", "is_told"),
    [
        ("13900", "2027-03-08T04:00Z", True),
        # In Papeete one votes on the Saturday, and it is the 6th, eleven days before; then the 7th.
        ("98735", "2027-03-07T04:00Z", False),
        ("98735", "2027-03-07T10:00Z", True),
        ("13900", "2027-03-07T20:00Z", False),
        ("97411", "2027-03-07T20:00Z", True),  # in Saint-Denis it is the 8th
    ],
)
def test_the_day_of_a_reminder_is_that_of_the_commune(
    desk: Desk, mailbox: Mailbox, code: str, instant: str, *, is_told: bool
) -> None:
    desk.change(ListeCommunale, code_commune=code)
    desk.change(Agent, code_commune=code)
    day = partial(civil_day, datetime.fromisoformat(instant))
    work(desk.notifier(smtp(mailbox), today=day, reminder_days=(10,)))
    told = {subject.partition(" — ")[0] for subject in subjects(mailbox)}
    assert told == ({"Réunion de la commission de contrôle : dans 10 jours"} if is_told else set())


LAST_DAY = date(2027, 3, 29)


def published(
    desk: Desk, *parts: str, until: date = LAST_DAY, withdrawn_on: date | None = None
) -> None:
    """Tableaux published until a day."""
    desk.ask(*(make_tableau(part, "t") for part in parts), event_id="t")
    with Session(desk.engine) as session, session.begin():
        for export_id in session.scalars(select(Export.id)):
            days = {"published_on": VINGT, "published_until": until, "withdrawn_on": withdrawn_on}
            said = {"mode": "consultation", "published_by": "mairie", "said_at": utc_now()}
            session.add(Publication(export_id=export_id, **days, **said))
    desk.change(Export, parameters={"scrutin": SCRUTIN.isoformat()})
    desk.change(Request, notified_at=utc_now())
    with desk.engine.begin() as connection:
        connection.execute(delete(Work))


@pytest.mark.slow
def test_a_withdrawal_is_reminded_of_once_on_the_day_after_the_last_one(
    desk: Desk, mailbox: Mailbox
) -> None:
    published(desk, "vingt_jours.P.commune", "vingt_jours.CM.commune")
    told: dict[date, list[str]] = {}
    for number in range(12):
        day = LAST_DAY - timedelta(days=2) + timedelta(days=number)
        before = len(mailbox.mails)
        work(on(day, desk, mailbox))
        if new := [subject for subject in subjects(mailbox)[before:] if "Retrait" in subject]:
            told[day] = new
    assert told == {LAST_DAY + timedelta(days=1): ["Retrait du tableau publié : aujourd'hui"]}
    text = " ".join(next(mail.text for mail in mailbox.mails if "Retrait" in mail.text).split())
    assert "Dernier jour de la publication : lundi 29 mars 2027" in text
    assert "Tableau des vingt jours, liste P ; Tableau des vingt jours, liste CM" in text


@pytest.mark.parametrize(
    ("code", "instant", "is_told"),
    [
        (
            "98735",
            "2027-03-30T08:00:00+00:00",
            False,
        ),  # still the last day in Tahiti, the day after in Paris
        ("98735", "2027-03-30T11:00:00+00:00", True),
        ("98611", "2027-03-29T11:00:00+00:00", False),
        (
            "98611",
            "2027-03-29T13:00:00+00:00",
            True,
        ),  # the day after in Wallis, still the last one in Paris
    ],
)
def test_a_withdrawal_follows_the_civil_day_of_the_commune(
    desk: Desk, mailbox: Mailbox, code: str, instant: str, *, is_told: bool
) -> None:
    published(desk, "vingt_jours.P.commune")
    for table in (Agent, Export):
        desk.change(table, code_commune=code)
    day = partial(civil_day, datetime.fromisoformat(instant))
    work(desk.notifier(smtp(mailbox), today=day, reminder_days=(10,)))
    told = any("Retrait" in subject for subject in subjects(mailbox))
    assert told is is_told


def test_a_withdrawal_that_was_noted_is_not_reminded_of(desk: Desk, mailbox: Mailbox) -> None:
    published(desk, "vingt_jours.P.commune", withdrawn_on=LAST_DAY)
    work(on(LAST_DAY + timedelta(days=1), desk, mailbox))
    assert not any("Retrait" in mail.text for mail in mailbox.mails)


def test_a_withdrawal_and_a_deadline_of_a_day_are_one_message(desk: Desk, mailbox: Mailbox) -> None:
    events: list[CloudEvent] = []
    published(desk, "vingt_jours.P.commune", until=CINQ - timedelta(days=4))
    work(on(CINQ - timedelta(days=3), desk, mailbox, events.append))
    assert [subject for subject in subjects(mailbox) if "échéances" in subject] == [
        "2 échéances, la première aujourd'hui"
    ]
    (retrait,) = [event.data for event in events if event.data.get("echeance") == "retrait"]
    assert (retrait["scrutin"], retrait["due_on"]) == (None, str(CINQ - timedelta(days=3)))


def test_a_reminder_that_could_not_leave_in_time_is_given_up(desk: Desk, mailbox: Mailbox) -> None:
    mailbox.refuse(MAIRIE, 452)
    day = CINQ - timedelta(days=3)
    assert work(on(day, desk, mailbox)) == 0
    mailbox.accept(MAIRIE)
    desk.make_due()

    assert work(on(CINQ + timedelta(days=1), desk, mailbox)) == 1

    assert mailbox.mails == []
    assert desk.notifications()[MAIRIE].refusal == "échéance passée avant l'envoi"


def test_who_does_not_want_to_be_reminded_is_not(desk: Desk, mailbox: Mailbox) -> None:
    desk.add_agent("adjoint", "adjoint@libreville.example", kinds="pret,echec")
    work(on(CINQ - timedelta(days=3), desk, mailbox))
    assert [mail.recipients for mail in mailbox.mails] == [(MAIRIE,)]


def test_a_recipient_of_every_commune_is_reminded_for_those_that_have_a_register(
    desk: Desk, mailbox: Mailbox
) -> None:
    desk.change(Agent, kinds="pret")
    with serving() as server:
        recipient = desk.add_recipient(
            Channel.WEBHOOK, server.url(), code_commune="*", kinds="echeance"
        )
        work(on(CINQ - timedelta(days=3), desk, mailbox))
        (event,) = json.loads(server.posts[0].body)
    assert recipient.kinds == "echeance"
    assert event["type"] == EcheanceNear.EVENT_TYPE
    near = EcheanceNear.model_validate_json(json.dumps(event["data"]))
    assert (near.commune, near.echeance, near.due_on, near.scrutin) == (
        "13900",
        "cinq_jours_reu",
        CINQ,
        SCRUTIN,
    )
    assert mailbox.mails == []


@pytest.mark.parametrize(("after", "is_reminded"), [(0, False), (1, True), (7, True), (8, False)])
def test_a_withdrawal_is_reminded_of_from_the_first_to_the_seventh_day_after(
    desk: Desk, mailbox: Mailbox, after: int, *, is_reminded: bool
) -> None:
    published(desk, "vingt_jours.P.commune")
    work(on(LAST_DAY + timedelta(days=after), desk, mailbox))
    assert any("Retrait" in mail.text for mail in mailbox.mails) is is_reminded


@pytest.mark.parametrize(("after", "is_reminded"), [(0, True), (1, False)])
def test_a_deadline_is_reminded_of_on_its_own_day_and_not_after(
    desk: Desk, mailbox: Mailbox, after: int, *, is_reminded: bool
) -> None:
    work(on(CINQ + timedelta(days=after), desk, mailbox))
    assert (subjects(mailbox) == ["Tableau des cinq jours : aujourd'hui"]) is is_reminded


def test_a_stopped_recipient_is_reminded_once_it_is_started_again(
    desk: Desk, mailbox: Mailbox
) -> None:
    desk.change(Agent, kinds="pret")
    day = CINQ - timedelta(days=3)
    with serving() as server:
        desk.add_recipient(
            Channel.WEBHOOK, server.url(), kinds="echeance", disabled_at=utc_now(-60)
        )
        work(on(day, desk, mailbox))
        assert server.posts == []
        desk.change(Recipient, disabled_at=None)
        work(on(day, desk, mailbox))
        assert len(server.posts) == 1


def test_a_register_that_is_away_keeps_nobody_from_being_told_of_files(
    desk: Desk, mailbox: Mailbox
) -> None:
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("DROP VIEW scrutins")
        connection.exec_driver_sql("DROP TABLE scrutin")
    desk.ask("P.csv")
    assert work(on(CINQ - timedelta(days=3), desk, mailbox)) == 1
    assert len(mailbox.mails) == 1
