"""The duties of a commune for a poll, and the days of the reminders."""

from datetime import date, timedelta

import pytest

from common.calendrier import CalendarReunion, CalendarScrutin
from schemas.tableaux import TypeTableau
from worker.housekeeping.reminders import find_deadlines, stage
from worker.notifier.messages.content import Content
from worker.notifier.messages.deadlines import COMMISSION, WITHDRAWAL, Deadline, describe_deadlines
from worker.notifier.messages.render import render_text

SCRUTIN = date(2027, 4, 11)
MEETING = Deadline(COMMISSION, date(2027, 3, 18), date(2027, 3, 21), SCRUTIN, "Élections municipales")
VINGT = Deadline(TypeTableau.VINGT_JOURS, date(2027, 3, 22), date(2027, 3, 22), SCRUTIN, "")
CINQ = Deadline(TypeTableau.CINQ_JOURS_REU, date(2027, 4, 6), date(2027, 4, 6), SCRUTIN, "")
POLL, TODAY = CalendarScrutin(SCRUTIN), date(2027, 3, 1)


def meetings(*days: date) -> list[CalendarReunion]:
    return [CalendarReunion(day) for day in days]


RETRAIT = Deadline(WITHDRAWAL, date(2027, 3, 30), date(2027, 4, 5), None, "Tableau des vingt jours, liste P")


def test_a_poll_asks_for_a_meeting_and_two_tableaux() -> None:
    meeting, vingt, cinq = find_deadlines(TODAY, [POLL], [])
    assert meeting == MEETING._replace(libelle="")
    assert (vingt, cinq) == (VINGT, CINQ)


def test_a_meeting_that_is_known_is_not_reminded_of_and_moves_the_first_tableau() -> None:
    vingt, cinq = find_deadlines(TODAY, [POLL], meetings(date(2026, 9, 1), date(2027, 3, 19)))
    assert (vingt.echeance, vingt.due_on) == (TypeTableau.VINGT_JOURS, date(2027, 3, 20))
    assert cinq == CINQ


def test_a_meeting_outside_of_the_days_of_the_law_does_not_count() -> None:
    early, meeting, *_ = find_deadlines(TODAY, [POLL], meetings(date(2027, 3, 17), date(2027, 3, 22)))
    assert meeting == MEETING._replace(libelle="")
    assert (early.scrutin, early.due_on) == (None, date(2027, 3, 18)), "its own tableau, the day after"


def test_the_meeting_of_a_year_is_reminded_of_at_its_beginning_and_its_end() -> None:
    first, last = date(2025, 11, 21), date(2025, 12, 30)
    assert list(find_deadlines(date(2025, 11, 1), [], [])) == [
        Deadline(COMMISSION, first, last, None, ""),
        Deadline(COMMISSION, last, last, None, ""),
    ]
    held = list(find_deadlines(date(2025, 12, 16), [], meetings(date(2025, 12, 15))))
    assert held == [Deadline(TypeTableau.VINGT_JOURS, date(2025, 12, 16), date(2025, 12, 16), None, "")]
    text = render_text(describe(*held, today=date(2025, 12, 16)))
    assert "Tableau des inscriptions et radiations" in text
    assert "vingt jours" not in text
    assert "Scrutin" not in text
    assert "Textes : Code électoral, art. L. 19, L. 19-1, L. 20 et R. 13" in text


@pytest.mark.parametrize(
    ("left", "expected"),
    [(30, None), (11, None), (10, 10), (9, 10), (4, 10), (3, 3), (1, 3), (0, 3), (-1, None), (-30, None)],
)
def test_the_reminder_of_a_day(left: int, expected: int | None) -> None:
    assert stage(VINGT, VINGT.due_on - timedelta(days=left), (10, 3)) == expected


@pytest.mark.parametrize(("day", "expected"), [(18, 3), (21, 3), (22, None)])
def test_a_meeting_is_reminded_of_until_its_last_day(day: int, expected: int | None) -> None:
    assert stage(MEETING, date(2027, 3, day), (10, 3)) == expected


def describe(*deadlines: Deadline, today: date = date(2027, 3, 12)) -> Content:
    return describe_deadlines(
        deadlines, lieu="LIBREVILLE (13900)", today=today, public_url="https://prefecture.example.org"
    )


@pytest.mark.parametrize(
    ("deadlines", "today", "subject"),
    [
        ([VINGT], date(2027, 3, 12), "Rappel — Tableau des vingt jours : dans 10 jours — LIBREVILLE (13900)"),
        ([VINGT], date(2027, 3, 21), "Rappel — Tableau des vingt jours : demain — LIBREVILLE (13900)"),
        ([VINGT], date(2027, 3, 22), "Rappel — Tableau des vingt jours : aujourd'hui — LIBREVILLE (13900)"),
        (
            [MEETING],
            date(2027, 3, 19),
            "Rappel — Réunion de la commission de contrôle : jusqu'au dimanche 21 mars 2027 — LIBREVILLE (13900)",
        ),
        ([RETRAIT], date(2027, 3, 30), "Rappel — Retrait du tableau publié : aujourd'hui — LIBREVILLE (13900)"),
        (
            [RETRAIT],
            date(2027, 4, 1),
            "Rappel — Retrait du tableau publié : depuis le mardi 30 mars 2027 — LIBREVILLE (13900)",
        ),
        ([CINQ, VINGT], date(2027, 3, 12), "Rappel — 2 échéances, la première dans 10 jours — LIBREVILLE (13900)"),
    ],
)
def test_the_subject_says_what_and_when(deadlines: list[Deadline], today: date, subject: str) -> None:
    assert describe(*deadlines, today=today).subject == subject
