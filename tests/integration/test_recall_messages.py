"""Agents who were notified of a ready file are notified that it must be made again: once, and in that order."""

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from schemas.envelope import CloudEvent
from schemas.events import FileStage, FileStatus
from tests.integration.notifier_desk import ADJOINT, MAIRIE, TEMPLATE, Desk, smtp, work
from tests.parts.mail import Mailbox
from worker.db.types import utc_now
from worker.exports.models import Export, Recall
from worker.work.models import Work, WorkKind
from worker.work.queue import NewWork, add

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

BECAUSE = "l'import 12 (reu.csv) a été annulé"


def _recall(desk: Desk, *parts: str, reason: str = "") -> int:
    with Session(desk.engine) as session, session.begin():
        recall = Recall(code_commune="13900", because=BECAUSE, reason=reason, recalled_by="exploitant")
        session.add(recall)
        session.flush()
        files = update(Export).where(Export.part.in_(parts)).values(recall_id=recall.id).returning(Export.id)
        works = [NewWork(WorkKind.EVENT, f"recall:{recall.id}", str(it)) for it in sorted(session.scalars(files))]
        add(session.connection(), [*works, NewWork(WorkKind.RECIPIENTS, f"recall:{recall.id}")])
        return recall.id


def _is_notified(desk: Desk) -> bool:
    return not desk.works(subject="recall:1")


def test_it_is_told_once_to_people_and_to_programs(desk: Desk, mailbox: Mailbox) -> None:
    desk.ask("P.csv", "CE.csv")
    desk.add_agent("adjoint", ADJOINT, kinds="echeance")
    work(desk.notifier(smtp(mailbox)))
    _recall(desk, "P.csv", reason="mauvais fichier")
    events: list[CloudEvent] = []
    notifier = desk.notifier(smtp(mailbox), events.append, public_url="https://exports.example.org/")
    work(notifier)
    assert work(notifier) == 0
    _, mail = mailbox.mails
    assert mail.recipients == (MAIRIE,)
    assert mail.message["Subject"] == ("Fichier à refaire — Liste P du 25/11/2026 09:30:00 [csv] — LIBREVILLE (13900)")
    for words in (
        f"Ce fichier a été fait pour LIBREVILLE (13900) à partir de ce qui ne vaut plus : {BECAUSE}.",
        "Raison : mauvais fichier",
        "Liste P du 25/11/2026 09:30:00 [csv] — à refaire",
        "https://exports.example.org/communes/13900/exports?etat=a-refaire",
        "Si l'un d'eux est déposé sur e-listelec, déposez le nouveau",
    ):
        assert words in mail.text
    assert "Liste CE" not in mail.text
    recalled = [event for event in events if event.data.get("status") == FileStage.RECALLED]
    assert [(it.data["reason"], it.data["liste"]) for it in recalled] == [(BECAUSE, "P")]
    assert _is_notified(desk)
    assert {row.kind for row in desk.notifications().values()} <= {"pret", "a_refaire"}


def test_nobody_learns_last_that_it_is_ready(desk: Desk, mailbox: Mailbox) -> None:
    desk.ask("P.csv")
    desk.change(Work, due_at=utc_now(3600))
    _recall(desk, "P.csv")
    events: list[CloudEvent] = []
    notifier = desk.notifier(smtp(mailbox), events.append)
    work(notifier)
    assert (mailbox.mails, events, _is_notified(desk)) == ([], [], False)
    desk.make_due()
    work(notifier)
    desk.make_due()
    work(notifier)
    statuses = [event.data["status"] for event in events if event.type == FileStatus.EVENT_TYPE]
    assert statuses == [FileStage.READY, FileStage.RECALLED]
    first, second = (str(mail.message["Subject"]) for mail in mailbox.mails)
    assert (first.split(" — ")[0], second.split(" — ")[0]) == ("Fichier à refaire", "Fichier à refaire")
