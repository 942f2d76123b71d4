"""A request for a tableau: its dates, completed by the register's calendar, and its mouvements."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.calendrier import CalendarScrutin
from common.law import law_of
from schemas.requests import TableauxRenderRequested
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
from worker.domain.identite import Effet, Etat, Mouvement
from worker.domain.tableau.demande import Calendrier, Demande, DemandeInvalide, dates_of, is_in

SCRUTIN = date(2027, 4, 11)
LAST_YEAR, BEFORE_POLL = date(2026, 9, 3), date(2027, 3, 19)
KNOWN = Calendrier(
    {SCRUTIN: CalendarScrutin(SCRUTIN, cloture=date(2027, 3, 5))}, (LAST_YEAR, BEFORE_POLL)
)
VINGT, CINQ = TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU
PREMIER, SECOND = TypeTableau.PREMIER_RECTIFICATIF, TypeTableau.SECOND_RECTIFICATIF


def _dates(
    type_: TypeTableau, calendrier: Calendrier = KNOWN, /, **fields: object
) -> dict[str, Any]:
    asked = TableauxRenderRequested.model_validate(
        {"commune": "13900", "types": [type_], "requested_by": "mairie"} | fields
    )
    return dates_of(asked, type_, calendrier)


def _refusal(type_: TypeTableau, dates: dict[str, Any]) -> str:
    with pytest.raises(DemandeInvalide) as refused:
        Demande(type=type_, requested_at=datetime(2027, 3, 20, tzinfo=UTC), **dates)
    return str(refused.value)


def test_the_cinq_jours_goes_on_from_the_vingt_jours() -> None:
    assert _dates(CINQ, scrutin="2027-04-11")["reunion"] == BEFORE_POLL
    dates = {"scrutin": "2027-04-11", "reunion": "2026-12-01", "until": "2027-03-20"}
    both: dict[str, object] = {"types": [VINGT, CINQ], **dates}
    assert _dates(VINGT, **both)["reunion"] == date(2026, 12, 1)
    assert _dates(CINQ, **both)["reunion"] == _dates(VINGT, **both)["until"] == date(2027, 3, 20)
    assert _dates(CINQ, **both)["until"] is None


def test_a_commission_that_did_not_meet_before_the_poll_stops_on_the_eve_of_the_twentieth_day() -> (
    None
):
    calendrier = Calendrier(reunions=(LAST_YEAR,))
    vingt, cinq = (_dates(type_, calendrier, scrutin="2027-04-11") for type_ in (VINGT, CINQ))
    assert (vingt["reunion"], vingt["until"]) == (LAST_YEAR, None)
    demande = Demande(type=VINGT, requested_at=datetime(2027, 3, 20, tzinfo=UTC), **vingt)
    assert cinq["reunion"] == demande.last_day == date(2027, 3, 21)


def test_a_decree_moves_the_last_day_and_may_do_without_the_commission() -> None:
    decreed = date(2027, 3, 27)
    poll = CalendarScrutin(SCRUTIN, publication_due=decreed, has_commission=False)
    known = Calendrier({SCRUTIN: poll}, (LAST_YEAR, BEFORE_POLL))
    vingt, cinq = (_dates(type_, known, scrutin="2027-04-11") for type_ in (VINGT, CINQ))
    assert (vingt["reunion"], vingt["until"]) == (BEFORE_POLL, None), (
        "a meeting that is not of this poll comes before"
    )
    demande = Demande(type=VINGT, requested_at=datetime(2027, 3, 20, tzinfo=UTC), **vingt)
    assert (demande.effective_on, demande.last_day) == (decreed, date(2027, 3, 26))
    assert cinq["reunion"] == demande.last_day
    assert (demande.name, demande.titre) == ("Tableau des inscriptions et radiations",) * 2
    assert law_of(demande.type, demande.scrutin) == "Code électoral, art. L. 19, L. 20 et R. 13"


def test_without_a_poll_the_tableau_is_not_of_the_twenty_days() -> None:
    moment = datetime(2027, 3, 20, tzinfo=UTC)
    annual = Demande(type=VINGT, requested_at=moment, **_dates(VINGT, until="2027-03-19"))
    assert (annual.name, annual.titre) == ("Tableau des inscriptions et radiations",) * 2
    assert (
        law_of(annual.type, annual.scrutin) == "Code électoral, art. L. 19, L. 19-1, L. 20 et R. 13"
    )
    assert annual.effective_on == date(2027, 3, 20), "published the day after the meeting"
    of_poll = Demande(type=VINGT, requested_at=moment, **_dates(VINGT, scrutin="2027-04-11"))
    assert (of_poll.name, of_poll.titre) == (
        "Tableau des vingt jours",
        "Tableau des vingt jours (inscriptions et radiations)",
    )


def test_both_rectificatifs_have_their_own_date_of_the_year() -> None:
    both: dict[str, object] = {"types": [PREMIER, SECOND]}
    for day in ("2016-01-10", "2016-02-29"):
        dates = [
            _dates(type_, **both, date_tableau=day)["date_tableau"] for type_ in (PREMIER, SECOND)
        ]
        assert dates == [date(2016, 1, 10), date(2016, 2, 29)]
    assert "dernier jour de février" in _refusal(
        SECOND, _dates(SECOND, types=[SECOND], date_tableau="2016-01-10")
    )


def test_without_any_meeting_the_clerk_is_asked_for_it() -> None:
    dates = _dates(VINGT, Calendrier(), scrutin="2027-04-11")
    assert _refusal(VINGT, dates) == (
        "Tableau des vingt jours : indiquer la réunion précédente de la commission de contrôle, d'où les mouvements "
        "sont comptés"
    )


def test_a_meeting_after_the_last_day_is_refused() -> None:
    dates = _dates(VINGT, scrutin="2027-04-11", reunion="2027-04-01")
    assert "elle vient avant leur dernier jour, le 19/03/2027" in _refusal(VINGT, dates)


def test_the_meeting_of_the_poll_is_not_taken_for_the_one_before() -> None:
    with pytest.raises(
        DemandeInvalide, match="la réunion du 19/03/2027 est celle d'avant ce scrutin"
    ):
        _dates(VINGT, Calendrier(), scrutin="2027-04-11", reunion="2027-03-19")
    dates = _dates(
        VINGT, Calendrier(), scrutin="2027-04-11", reunion="2027-03-19", until="2027-03-21"
    )
    assert dates["reunion"] == BEFORE_POLL
    assert (
        _dates(CINQ, Calendrier(), scrutin="2027-04-11", reunion="2027-03-19")["reunion"]
        == BEFORE_POLL
    )


def test_a_last_day_is_a_meeting_where_somebody_declared_one() -> None:
    days = ("2027-03-19", BEFORE_POLL), ("2027-03-20", None)
    for until, commission in days:
        assert _dates(VINGT, until=until)["commission"] == commission
    assert _dates(VINGT, scrutin="2027-04-11")["commission"] == BEFORE_POLL
    assert (
        _dates(VINGT, Calendrier(reunions=(LAST_YEAR,)), scrutin="2027-04-11")["commission"] is None
    )


ADDITIONS, CINQ_JOURS = TypeTableau.ADDITIONS, TypeTableau.CINQ_JOURS
JANVIER_2015 = date(2015, 1, 10)

IMMEDIAT = mouvement(
    RADIATION, effet=Effet.IMMEDIAT, date_tableau=JANVIER_2015, date_mouvement=date(2014, 3, 10)
)
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
REGIONALES: dict[str, Any] = {
    "scrutin": date(2015, 12, 6),
    "requested_at": datetime(2015, 12, 1, tzinfo=UTC),
}
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
def test_a_mouvement_is_in_its_tableau_and_in_no_other(
    one: Mouvement, asked: Demande, *, expected: bool
) -> None:
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
    assert (
        is_in(waiting, in_march(PREMIER, date_tableau=JANVIER_2015, scrutins=(MUNICIPALES,)))
        is not expected
    )


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
        (date(2026, 3, 9), False, True),
        (date(2026, 3, 10), False, False),  # J-5, the day on which it is published
    ],
)
def test_since_2019_a_tableau_goes_from_meeting_to_meeting(
    day: date, *, vingt: bool, cinq: bool
) -> None:
    scrutin, reunion = date(2026, 3, 15), date(2026, 2, 20)
    one = mouvement(date_mouvement=day, categorie=Categorie.INSCRIPTION_L30)
    assert (
        is_in(one, demande(VINGT, scrutin=scrutin, reunion=date(2026, 1, 12), until=reunion))
        is vingt
    )
    assert is_in(one, demande(CINQ, scrutin=scrutin, reunion=reunion)) is cinq


@pytest.mark.parametrize(
    ("type_", "values", "last_day"),
    [
        (VINGT, {}, date(2026, 2, 22)),  # the eve of the twentieth day
        (VINGT, {"publication": date(2026, 2, 21)}, date(2026, 2, 20)),
        (CINQ, {}, date(2026, 3, 9)),  # the evening before J-5
        (CINQ, {"cinq_jours_due": date(2026, 3, 12)}, date(2026, 3, 11)),
        (CINQ, {"publication": date(2026, 3, 9)}, date(2026, 3, 8)),
        (CINQ, {"until": date(2026, 3, 9)}, date(2026, 3, 9)),
        (CINQ, {"until": date(2026, 3, 12)}, date(2026, 3, 10)),  # five days before the poll
    ],
)
def test_without_a_meeting_a_tableau_stops_when_it_is_asked(
    type_: TypeTableau, values: dict[str, Any], last_day: date
) -> None:
    assert (
        demande(type_, scrutin=date(2026, 3, 15), reunion=date(2026, 1, 12), **values).last_day
        == last_day
    )


@pytest.mark.parametrize(
    ("type_", "values", "expected"),
    [
        (
            PREMIER,
            {"date_tableau": None},
            "Premier tableau rectificatif : indiquer la date de tableau",
        ),
        (PREMIER, {"date_tableau": FEVRIER}, "10 janvier"),
        (SECOND, {"date_tableau": JANVIER}, "dernier jour de février"),
        (ADDITIONS, {}, "date du scrutin"),
        (CINQ, {"scrutin": MUNICIPALES}, "réunion précédente de la commission de contrôle"),
        (VINGT, {"reunion": JANVIER}, "le dernier jour des mouvements"),
    ],
)
def test_a_request_without_its_dates_is_refused(
    type_: TypeTableau, values: dict[str, Any], expected: str
) -> None:
    with pytest.raises(DemandeInvalide, match=expected):
        demande(type_, **values)


@pytest.mark.parametrize(
    ("type_", "values", "instead"),
    [
        (
            PREMIER,
            {"date_tableau": date(2019, 1, 10)},
            "tableau annuel des inscriptions et radiations (vingt_jours)",
        ),
        (
            SECOND,
            {"date_tableau": date(2027, 2, 28)},
            "tableau annuel des inscriptions et radiations (vingt_jours)",
        ),
        (ADDITIONS, {"scrutin": date(2027, 4, 11)}, "le tableau des vingt jours (vingt_jours)"),
        (
            CINQ_JOURS,
            {"scrutin": date(2019, 1, 6)},
            "le tableau des cinq jours d'aujourd'hui (cinq_jours_reu)",
        ),
        (CINQ, {"scrutin": date(2018, 12, 30), "reunion": JANVIER}, "(cinq_jours)"),
        (
            VINGT,
            {"scrutin": date(2018, 12, 30), "reunion": JANVIER},
            "le tableau des additions (additions)",
        ),
        (
            VINGT,
            {"until": date(2018, 12, 31), "reunion": JANVIER},
            "celui des cinq jours d'alors (cinq_jours)",
        ),
    ],
)
def test_a_tableau_at_a_date_of_the_other_law_is_refused_with_the_one_to_ask_for(
    type_: TypeTableau, values: dict[str, Any], instead: str
) -> None:
    with pytest.raises(DemandeInvalide) as refused:
        demande(type_, **values)
    assert instead in str(refused.value)
    assert "1er janvier 2019" in str(refused.value)


@given(
    mouvements(),
    st.dates(date(2013, 9, 1), date(2015, 1, 31)),
    st.sampled_from([(MUNICIPALES, EUROPEENNES), (MUNICIPALES, TOUR_2, EUROPEENNES)]),
)
def test_each_mouvement_is_in_exactly_one_historical_tableau(
    all_of_them: Sequence[Mouvement], day: date, polls: tuple[date, ...]
) -> None:
    common = {
        "requested_at": datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
        "scrutins": polls,
    }
    dates = (JANVIER, JANVIER_2015, date(2013, 10, 10))
    requests = [
        *(demande(PREMIER, date_tableau=one, **common) for one in dates),
        demande(SECOND, **common),
        *(
            demande(type_, scrutin=poll, **common)
            for type_ in (ADDITIONS, CINQ_JOURS)
            for poll in polls
        ),
    ]
    for one in all_of_them:
        times = sum(is_in(one, request) for request in requests)
        is_misplaced = one.effet is Effet.ELECTION and (
            one.nature is not Nature.INSCRIPTION or one.scrutin is None
        )
        assert times == (one.is_listed and not is_misplaced)


@given(mouvements())
def test_cumulating_adds_to_the_first_tableau_and_removes_nothing(
    all_of_them: Sequence[Mouvement],
) -> None:
    source = Mouvements(all_of_them)
    plain = source.shown(demande(date_tableau=JANVIER_2015))
    cumulated = source.shown(demande(date_tableau=JANVIER_2015, inclure_j5=True))
    assert {one.id for one in plain} <= {one.id for one in cumulated}
    assert all(one.effet is Effet.IMMEDIAT and one.scrutin for one in cumulated if one not in plain)
