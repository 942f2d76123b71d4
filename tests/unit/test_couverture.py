"""What the register was not told about the period of a tableau is said, with what to do; else nothing is."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from schemas.tableaux import TypeTableau
from schemas.vocabulary import Severity
from worker.domain.couverture import Chain, Link, check_couverture, exports_used
from worker.domain.demande import Demande

REUNION_PRECEDENTE, REUNION, SCRUTIN = date(2026, 9, 10), date(2026, 11, 20), date(2026, 12, 13)
AT, AFTER = REUNION, date(2026, 11, 25)
DEMANDE = Demande(
    type=TypeTableau.VINGT_JOURS,
    requested_at=datetime(2026, 11, 26, 9, tzinfo=UTC),
    reunion=REUNION_PRECEDENTE,
    until=REUNION,
    scrutin=SCRUTIN,
)
FIRST = Link(REUNION_PRECEDENTE, is_dated=True, is_compared=False)


def _link(day: date, mouvements: int = 0, *, is_dated: bool = True, is_compared: bool = True) -> Link:
    return Link(day, is_dated, is_compared, mouvements)


def _found(*links: Link, complete_until: date | None = None, demande: Demande = DEMANDE) -> list[tuple[str, Severity]]:
    return [(it.code, it.severity) for it in check_couverture(demande, Chain(links, complete_until))]


def test_exports_before_and_at_the_end_cover_a_period() -> None:
    chain = Chain([FIRST, _link(date(2026, 10, 15), 30), _link(AT, 12)])
    assert list(check_couverture(DEMANDE, chain)) == []
    assert exports_used(DEMANDE, chain) == [REUNION_PRECEDENTE, date(2026, 10, 15), AT]


def test_what_came_after_the_end_is_no_matter_unless_it_may_be_of_the_period() -> None:
    assert _found(FIRST, _link(AT, 12), _link(AFTER, 50)) == []
    assert _found(FIRST, _link(AFTER)) == [], "compared, and nothing has changed until the 25th"
    assert _found(FIRST, _link(AFTER, 66)) == [("couverture_date", Severity.BLOCKING)]


def test_the_message_says_how_many_and_asks_for_the_day() -> None:
    (said,) = check_couverture(DEMANDE, Chain([FIRST, _link(AFTER, 66, is_dated=False)]))
    assert said.message == (
        "66 mouvements sont datés du 25/11/2026, jour de l'import, après le 20/11/2026. L'export a-t-il été pris plus "
        "tôt ? Indiquer son jour (imports --taken-on)."
    )
    (said,) = check_couverture(DEMANDE, Chain([FIRST, _link(AFTER, 1)]))
    assert said.message.startswith(
        "Un mouvement est daté du 25/11/2026, après le 20/11/2026, et l'export précédent est du 10/09/2026 : rien"
    )


@pytest.mark.parametrize("day", [AT, AFTER])
def test_an_export_of_which_nobody_said_the_day_ends_no_period(day: date) -> None:
    """Nothing changed until it was taken: perhaps a fortnight before the meeting."""
    assert _found(FIRST, _link(day, is_dated=False)) == [("couverture_date", Severity.BLOCKING)]
    assert _found(FIRST, _link(AT, 3, is_dated=False), _link(AFTER)) == [("couverture_date", Severity.BLOCKING)]
    (said,) = check_couverture(DEMANDE, Chain([FIRST, _link(day, is_dated=False)]))
    assert "n'a pas de jour indiqué : s'il a été pris avant le 20/11/2026, ce qui a changé depuis" in said.message


def test_an_export_that_was_not_compared_is_a_gap() -> None:
    assert _found(FIRST, _link(date(2026, 10, 1), is_compared=False), _link(AT)) == [
        ("couverture_lacune", Severity.BLOCKING)
    ]


def test_a_gap_after_the_period_is_one_too_since_electors_are_counted_back_across_it() -> None:
    assert _found(FIRST, _link(AT), _link(AFTER, is_compared=False)) == [("couverture_lacune", Severity.BLOCKING)]
    assert _found(FIRST, _link(AT), _link(AT, is_compared=False)) == [("couverture_lacune", Severity.BLOCKING)]


def test_nothing_is_known_before_the_first_export_nor_after_the_last() -> None:
    assert _found(_link(date(2026, 10, 1), is_compared=False), _link(AT)) == [("couverture_debut", Severity.BLOCKING)]
    assert _found(FIRST, _link(date(2026, 11, 1), 4)) == [("couverture_fin", Severity.BLOCKING)]
    assert _found(FIRST) == [("couverture_fin", Severity.BLOCKING)]


def test_what_may_be_of_the_period_before_is_a_remark() -> None:
    early = Link(date(2026, 9, 1), is_dated=True, is_compared=False)
    chain = Chain([early, _link(date(2026, 10, 1), 3), _link(AT)])
    assert [(it.code, it.severity) for it in check_couverture(DEMANDE, chain)] == [("couverture_date", Severity.REMARK)]
    assert exports_used(DEMANDE, chain) == [date(2026, 9, 1), date(2026, 10, 1), AT]


def test_a_provisional_tableau_is_not_held_to_its_end() -> None:
    coming = replace(DEMANDE, type=TypeTableau.CINQ_JOURS_REU, until=None, reunion=REUNION)
    assert coming.is_provisoire
    assert _found(FIRST, _link(AT), demande=coming) == [("couverture_fin", Severity.REMARK)]
    assert _found(FIRST, _link(AT), _link(date(2026, 11, 26)), demande=coming) == []


def test_a_producer_may_vouch_for_the_period() -> None:
    assert _found(complete_until=AT) == []
    assert _found(FIRST, _link(AFTER, 66, is_dated=False), complete_until=AFTER) == []
    assert exports_used(DEMANDE, Chain([FIRST, _link(AT)], AFTER)) == []
    uncompared = _link(AT, is_compared=False)
    assert _found(FIRST, uncompared, complete_until=AFTER) == [("couverture_lacune", Severity.REMARK)], "only a word"
    assert _found(complete_until=date(2026, 11, 19)) == [("couverture_inconnue", Severity.REMARK)]
    assert _found() == [("couverture_inconnue", Severity.REMARK)]


@pytest.mark.parametrize("complete_until", [None, date(2014, 1, 9), date(2014, 1, 10)])
def test_before_2019_only_a_producer_can_tell(complete_until: date | None) -> None:
    yearly = Demande(
        type=TypeTableau.PREMIER_RECTIFICATIF, requested_at=DEMANDE.requested_at, date_tableau=date(2014, 1, 10)
    )
    is_known = complete_until == date(2014, 1, 10)
    expected = [] if is_known else [("couverture_inconnue", Severity.REMARK)]
    assert _found(FIRST, _link(AT), complete_until=complete_until, demande=yearly) == expected
