"""The mouvements of each tableau."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tableaux import TypeTableau
from schemas.vocabulary import Categorie, Nature
from tests.unit.mouvements_samples import (
    CHANGEMENT,
    EUROPEENNES,
    FEVRIER,
    JANVIER,
    MOUVEMENT,
    MUNICIPALES,
    RADIATION,
    Mouvements,
    demande,
    mouvement,
    mouvements,
)
from worker.domain.mouvement import Effet, Etat, Mouvement
from worker.domain.tableau.demande import Demande, DemandeInvalide, is_in

PREMIER, SECOND = TypeTableau.PREMIER_RECTIFICATIF, TypeTableau.SECOND_RECTIFICATIF
ADDITIONS, CINQ_JOURS = TypeTableau.ADDITIONS, TypeTableau.CINQ_JOURS
VINGT_JOURS, CINQ_JOURS_REU = TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU
JANVIER_2015 = date(2015, 1, 10)

IMMEDIAT = mouvement(RADIATION, effet=Effet.IMMEDIAT, date_tableau=JANVIER_2015, date_mouvement=date(2014, 3, 10))
APPLIQUE_J5 = mouvement(IMMEDIAT, etat=Etat.APPLIQUE, scrutin=MUNICIPALES)
ADDITION = mouvement(effet=Effet.ELECTION, date_tableau=JANVIER_2015, scrutin=EUROPEENNES)
TOUR_2 = date(2014, 3, 30)


def in_march(type_: TypeTableau, day: int = 12, **values: Any) -> Demande:  # noqa: ANN401
    values = {"requested_at": datetime(2014, 3, day, 12, tzinfo=UTC)} | values
    return demande(type_, **values)


LEAP = date(2016, 2, 29)
EN_FEVRIER = mouvement(RADIATION, date_tableau=FEVRIER)
ETAT_CIVIL = mouvement(CHANGEMENT, nouveau_bureau="0001")
WITHOUT_POLL = mouvement(ADDITION, scrutin=None)
STRUCK_FOR_POLL = mouvement(ADDITION, nature=Nature.RADIATION, ancien_bureau="0001")
YEARLY = mouvement(IMMEDIAT, etat=Etat.APPLIQUE)
OF_SUMMER = mouvement(IMMEDIAT, date_mouvement=date(2015, 7, 1))
REGIONALES: dict[str, Any] = {"scrutin": date(2015, 12, 6), "requested_at": datetime(2015, 12, 1, tzinfo=UTC)}
CUMULATED: dict[str, Any] = {"date_tableau": JANVIER_2015, "inclure_j5": True}


@pytest.mark.parametrize(
    ("one", "asked", "expected"),
    [
        (MOUVEMENT, demande(), True),
        (RADIATION, demande(), True),
        (CHANGEMENT, demande(), True),
        (ETAT_CIVIL, demande(), False),
        (mouvement(date_tableau=JANVIER_2015), demande(), False),
        (EN_FEVRIER, demande(SECOND), True),
        (EN_FEVRIER, demande(PREMIER), False),
        (mouvement(date_tableau=LEAP), demande(SECOND, date_tableau=LEAP), True),
        (APPLIQUE_J5, demande(CINQ_JOURS, scrutin=MUNICIPALES), True),
        (APPLIQUE_J5, demande(CINQ_JOURS, scrutin=EUROPEENNES), False),
        (APPLIQUE_J5, demande(date_tableau=JANVIER_2015), False),
        (APPLIQUE_J5, demande(**CUMULATED), True),
        (APPLIQUE_J5, demande(inclure_j5=True), False),
        (ADDITION, demande(**CUMULATED), False),
        (ADDITION, demande(ADDITIONS, scrutin=EUROPEENNES), True),
        (ADDITION, demande(ADDITIONS, scrutin=MUNICIPALES), False),
        (ADDITION, demande(date_tableau=JANVIER_2015), False),
        (ADDITION, demande(CINQ_JOURS, scrutin=EUROPEENNES), False),
        (WITHOUT_POLL, demande(ADDITIONS, scrutin=EUROPEENNES), False),
        (WITHOUT_POLL, demande(date_tableau=JANVIER_2015), False),
        (STRUCK_FOR_POLL, demande(ADDITIONS, scrutin=EUROPEENNES), False),
        (STRUCK_FOR_POLL, demande(date_tableau=JANVIER_2015), False),
        (YEARLY, in_march(PREMIER, date_tableau=JANVIER_2015, scrutins=(MUNICIPALES,)), True),
        (YEARLY, in_march(CINQ_JOURS, scrutin=MUNICIPALES), False),
        (OF_SUMMER, demande(CINQ_JOURS, **REGIONALES), True),
        (OF_SUMMER, demande(CINQ_JOURS, cloture=date(2015, 11, 30), **REGIONALES), False),
    ],
)
def test_a_mouvement_is_in_its_tableau_and_in_no_other(one: Mouvement, asked: Demande, *, expected: bool) -> None:
    assert is_in(one, asked) is expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2014, 2, 28), False),  # the day of the closing: in the second tableau rectificatif
        (date(2014, 3, 1), True),
        (date(2014, 3, 18), True),  # J-5
        (date(2014, 3, 19), False),
    ],
)
def test_the_cinq_jours_go_from_the_closing_to_j_5(day: date, *, expected: bool) -> None:
    waiting = mouvement(IMMEDIAT, date_mouvement=day)
    assert is_in(waiting, in_march(CINQ_JOURS, scrutin=MUNICIPALES)) is expected
    assert is_in(waiting, in_march(PREMIER, date_tableau=JANVIER_2015, scrutins=(MUNICIPALES,))) is not expected


def test_what_comes_after_j_5_waits_for_the_second_round() -> None:
    late = mouvement(IMMEDIAT, date_mouvement=date(2014, 3, 20))
    known = (MUNICIPALES, TOUR_2)
    assert is_in(late, in_march(CINQ_JOURS, 21, scrutin=TOUR_2, scrutins=known))
    assert not is_in(late, in_march(CINQ_JOURS, 21, scrutin=MUNICIPALES, scrutins=known))


def test_what_a_poll_was_held_without_is_not_lost() -> None:
    waiting = mouvement(IMMEDIAT, date_mouvement=date(2014, 3, 10))
    after: dict[str, Any] = {"day": 24, "scrutins": (MUNICIPALES, TOUR_2)}
    assert not is_in(waiting, in_march(CINQ_JOURS, scrutin=MUNICIPALES, **after))
    assert is_in(waiting, in_march(CINQ_JOURS, scrutin=TOUR_2, **after))


@pytest.mark.parametrize(
    ("day", "vingt", "cinq"),
    [
        (date(2026, 1, 12), False, False),  # the day of the last meeting: in its tableau
        (date(2026, 1, 13), True, False),
        (date(2026, 2, 20), True, False),  # the day of the meeting before the poll
        (date(2026, 2, 21), False, True),
        (date(2026, 3, 10), False, True),  # J-5
        (date(2026, 3, 11), False, False),
    ],
)
def test_since_2019_a_tableau_goes_from_meeting_to_meeting(day: date, *, vingt: bool, cinq: bool) -> None:
    scrutin, reunion = date(2026, 3, 15), date(2026, 2, 20)
    one = mouvement(date_mouvement=day, categorie=Categorie.INSCRIPTION_L30)
    assert is_in(one, demande(VINGT_JOURS, scrutin=scrutin, reunion=date(2026, 1, 12), until=reunion)) is vingt
    assert is_in(one, demande(CINQ_JOURS_REU, scrutin=scrutin, reunion=reunion)) is cinq


@pytest.mark.parametrize(
    ("type_", "values", "last_day"),
    [
        (VINGT_JOURS, {}, date(2026, 2, 22)),  # the eve of the twentieth day
        (VINGT_JOURS, {"publication": date(2026, 2, 21)}, date(2026, 2, 20)),
        (CINQ_JOURS_REU, {"publication": date(2026, 3, 9)}, date(2026, 3, 8)),
        (CINQ_JOURS_REU, {"until": date(2026, 3, 9)}, date(2026, 3, 9)),
        (CINQ_JOURS_REU, {"until": date(2026, 3, 12)}, date(2026, 3, 10)),  # five days before the poll
    ],
)
def test_without_a_meeting_a_tableau_stops_when_it_is_asked(
    type_: TypeTableau, values: dict[str, Any], last_day: date
) -> None:
    assert demande(type_, scrutin=date(2026, 3, 15), reunion=date(2026, 1, 12), **values).last_day == last_day


@pytest.mark.parametrize(
    ("type_", "values", "expected"),
    [
        (PREMIER, {"date_tableau": None}, "Premier tableau rectificatif : indiquer la date de tableau"),
        (PREMIER, {"date_tableau": FEVRIER}, "10 janvier"),
        (SECOND, {"date_tableau": JANVIER}, "dernier jour de février"),
        (ADDITIONS, {}, "date du scrutin"),
        (CINQ_JOURS_REU, {"scrutin": MUNICIPALES}, "réunion précédente de la commission de contrôle"),
        (VINGT_JOURS, {"reunion": JANVIER}, "le dernier jour des mouvements"),
    ],
)
def test_a_request_without_its_dates_is_refused(type_: TypeTableau, values: dict[str, Any], expected: str) -> None:
    with pytest.raises(DemandeInvalide, match=expected):
        demande(type_, **values)


@pytest.mark.parametrize(
    ("type_", "values", "instead"),
    [
        (PREMIER, {"date_tableau": date(2019, 1, 10)}, "tableau annuel des inscriptions et radiations (vingt_jours)"),
        (SECOND, {"date_tableau": date(2027, 2, 28)}, "tableau annuel des inscriptions et radiations (vingt_jours)"),
        (ADDITIONS, {"scrutin": date(2027, 4, 11)}, "le tableau des vingt jours (vingt_jours)"),
        (CINQ_JOURS, {"scrutin": date(2019, 1, 6)}, "le tableau des cinq jours d'aujourd'hui (cinq_jours_reu)"),
        (CINQ_JOURS_REU, {"scrutin": date(2018, 12, 30), "reunion": JANVIER}, "(cinq_jours)"),
        (VINGT_JOURS, {"scrutin": date(2018, 12, 30), "reunion": JANVIER}, "le tableau des additions (additions)"),
        (VINGT_JOURS, {"until": date(2018, 12, 31), "reunion": JANVIER}, "celui des cinq jours d'alors (cinq_jours)"),
    ],
)
def test_a_tableau_at_a_date_of_the_other_law_is_refused_with_the_one_to_ask_for(
    type_: TypeTableau, values: dict[str, Any], instead: str
) -> None:
    with pytest.raises(DemandeInvalide) as refused:
        demande(type_, **values)
    assert instead in str(refused.value)
    assert "1er janvier 2019" in str(refused.value)


def historical_requests(day: date, polls: tuple[date, ...]) -> list[Demande]:
    common = {"requested_at": datetime(day.year, day.month, day.day, 12, tzinfo=UTC), "scrutins": polls}
    dates = (JANVIER, JANVIER_2015, date(2013, 10, 10))
    return [
        *(demande(PREMIER, date_tableau=one, **common) for one in dates),
        demande(SECOND, **common),
        *(demande(type_, scrutin=poll, **common) for type_ in (ADDITIONS, CINQ_JOURS) for poll in polls),
    ]


def is_misplaced(one: Mouvement) -> bool:
    return one.effet is Effet.ELECTION and (one.nature is not Nature.INSCRIPTION or one.scrutin is None)


@given(
    mouvements(),
    st.dates(date(2013, 9, 1), date(2015, 1, 31)),
    st.sampled_from([(MUNICIPALES, EUROPEENNES), (MUNICIPALES, TOUR_2, EUROPEENNES)]),
)
def test_each_mouvement_is_in_exactly_one_historical_tableau(
    all_of_them: Sequence[Mouvement], day: date, polls: tuple[date, ...]
) -> None:
    requests = historical_requests(day, polls)
    for one in all_of_them:
        times = sum(is_in(one, request) for request in requests)
        assert times == (one.is_listed and not is_misplaced(one))


@given(mouvements())
def test_cumulating_adds_to_the_first_tableau_and_removes_nothing(all_of_them: Sequence[Mouvement]) -> None:
    source = Mouvements(all_of_them)
    plain = source.shown(demande(date_tableau=JANVIER_2015))
    cumulated = source.shown(demande(date_tableau=JANVIER_2015, inclure_j5=True))
    assert {one.id for one in plain} <= {one.id for one in cumulated}
    assert all(one.effet is Effet.IMMEDIAT and one.scrutin for one in cumulated if one not in plain)
