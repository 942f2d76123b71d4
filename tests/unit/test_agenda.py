"""The tableaux that a poll requires, and the finished tableaux that fulfil it."""

from datetime import date

import pytest

from common.calendrier import CalendarReunion, CalendarScrutin, cycle_of
from producers.web.echeances import Agenda, build_agenda
from producers.web.exports.query import AskedFile
from tests.unit.asked_files import NOON, ready_tableau

POLL = date(2027, 4, 11)
SCRUTIN = CalendarScrutin(POLL, "Élections municipales", None)
LISTES = ["P", "CE", "CM"]
MADE_FOR = {"scrutin": POLL.isoformat()}


def _agenda(*tableaux: AskedFile, scrutin: CalendarScrutin = SCRUTIN, meeting: date | None = None) -> Agenda:
    reunions = [CalendarReunion(meeting)] if meeting else []
    return build_agenda(cycle_of(scrutin, reunions), tableaux, LISTES)


def _is_made(*tableaux: AskedFile) -> bool:
    vingt_jours, _ = _agenda(*tableaux).due
    return vingt_jours.is_made


def test_the_closing_that_the_register_knows_wins() -> None:
    agenda = _agenda(scrutin=CalendarScrutin(POLL, "", date(2027, 2, 28)))
    assert agenda.last_day_to_register == date(2027, 2, 28)


@pytest.mark.parametrize(
    ("facts", "is_made"),
    [
        ({"parameters": MADE_FOR}, True),
        ({"parameters": {"scrutin": "2026-12-06"}}, False),
        ({"parameters": MADE_FOR, "edition": "commission"}, False),
        ({"parameters": MADE_FOR, "a_completer": 1}, False),
        ({"parameters": MADE_FOR, "a_completer": 1, "published_on": date(2027, 3, 20)}, True),
        ({"parameters": MADE_FOR, "type_tableau": "cinq_jours_reu"}, False),
        ({"parameters": MADE_FOR, "liste": "CM"}, False),
        ({"parameters": {"scrutin": None, "until": "2027-03-19"}}, True),
        ({"parameters": {"scrutin": None, "until": "2027-03-30"}}, False),
        ({"parameters": {"scrutin": None, "until": None, "publication": "2027-03-22"}}, True),
        ({"parameters": {}}, False),
    ],
)
def test_a_tableau_answers_its_own_poll_only(facts: dict[str, object], *, is_made: bool) -> None:
    assert _is_made(ready_tableau(1, **facts)) is is_made


def test_the_newest_tableau_of_each_list_is_shown_and_the_others_are_named() -> None:
    newest, older = ready_tableau(2, parameters=MADE_FOR), ready_tableau(1, parameters=MADE_FOR)
    due = _agenda(newest, older).due[0]
    assert due.made == {"P": newest}
    assert due.missing == ["CE", "CM"]
    assert due.is_made


def test_the_principal_list_stands_first_though_its_tableau_was_made_first() -> None:
    made = [
        ready_tableau(number, parameters=MADE_FOR, liste=liste) for number, liste in ((3, "CM"), (2, "CE"), (1, "P"))
    ]
    assert list(_agenda(*made).due[0].made) == LISTES


def test_what_cannot_be_posted_is_not_done() -> None:
    provisional = ready_tableau(3, parameters=MADE_FOR, provisoire_until=POLL)
    wrong = ready_tableau(2, parameters=MADE_FOR, bloquantes=1)
    due = _agenda(provisional, wrong).due[0]
    assert (due.made, due.unfinished, due.is_made) == ({}, {"P": provisional}, False)
    assert due.is_late(POLL)
    recalled = ready_tableau(4, parameters=MADE_FOR, recalled_at=NOON)
    assert _agenda(recalled).due[0].unfinished == {"P": recalled}
    right = ready_tableau(1, parameters=MADE_FOR)
    due = _agenda(provisional, wrong, right).due[0]
    assert (due.made, due.unfinished, due.is_made) == ({"P": right}, {}, True)
