"""The dates of a request for tableaux, completed by the register's calendar."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from schemas.requests import TableauxRenderRequested
from schemas.tableaux import TypeTableau
from worker.domain.tableau.demande import Calendrier, Demande, DemandeInvalide, dates_of

SCRUTIN = date(2027, 4, 11)
LAST_YEAR, BEFORE_POLL = date(2026, 9, 3), date(2027, 3, 19)
KNOWN = Calendrier(scrutins=(SCRUTIN,), clotures={SCRUTIN: date(2027, 3, 5)}, reunions=(LAST_YEAR, BEFORE_POLL))
VINGT, CINQ = TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU
PREMIER, SECOND = TypeTableau.PREMIER_RECTIFICATIF, TypeTableau.SECOND_RECTIFICATIF


def _dates(type_: TypeTableau, calendrier: Calendrier = KNOWN, /, **fields: object) -> dict[str, Any]:
    asked = TableauxRenderRequested.model_validate(
        {"commune": "13900", "types": [type_], "requested_by": "mairie"} | fields
    )
    return dates_of(asked, type_, calendrier)


def _refusal(type_: TypeTableau, dates: dict[str, Any]) -> str:
    with pytest.raises(DemandeInvalide) as refused:
        Demande(type=type_, requested_at=datetime(2027, 3, 20, tzinfo=UTC), **dates)
    return str(refused.value)


def test_the_vingt_jours_runs_from_one_meeting_to_the_next() -> None:
    dates = _dates(VINGT, scrutin="2027-04-11")
    assert (dates["reunion"], dates["until"], dates["scrutin"]) == (LAST_YEAR, BEFORE_POLL, SCRUTIN)
    assert dates["cloture"] == date(2027, 3, 5)


def test_the_cinq_jours_goes_on_from_the_vingt_jours() -> None:
    assert _dates(CINQ, scrutin="2027-04-11")["reunion"] == BEFORE_POLL
    dates = {"scrutin": "2027-04-11", "reunion": "2026-12-01", "until": "2027-03-20"}
    both: dict[str, object] = {"types": [VINGT, CINQ], **dates}
    assert _dates(VINGT, **both)["reunion"] == date(2026, 12, 1)
    assert _dates(CINQ, **both)["reunion"] == _dates(VINGT, **both)["until"] == date(2027, 3, 20)
    assert _dates(CINQ, **both)["until"] is None


def test_a_commission_that_did_not_meet_before_the_poll_stops_on_the_eve_of_the_twentieth_day() -> None:
    calendrier = Calendrier(reunions=(LAST_YEAR,))
    vingt, cinq = (_dates(type_, calendrier, scrutin="2027-04-11") for type_ in (VINGT, CINQ))
    assert (vingt["reunion"], vingt["until"]) == (LAST_YEAR, None)
    demande = Demande(type=VINGT, requested_at=datetime(2027, 3, 20, tzinfo=UTC), **vingt)
    assert cinq["reunion"] == demande.last_day == date(2027, 3, 21)


def test_a_decree_moves_the_last_day_and_may_do_without_the_commission() -> None:
    decreed = date(2027, 3, 27)
    known = Calendrier(
        scrutins=(SCRUTIN,),
        reunions=(LAST_YEAR, BEFORE_POLL),
        publications_due={SCRUTIN: decreed},
        without_commission=frozenset({SCRUTIN}),
    )
    vingt, cinq = (_dates(type_, known, scrutin="2027-04-11") for type_ in (VINGT, CINQ))
    assert (vingt["reunion"], vingt["until"]) == (BEFORE_POLL, None), "a meeting that is not of this poll comes before"
    demande = Demande(type=VINGT, requested_at=datetime(2027, 3, 20, tzinfo=UTC), **vingt)
    assert (demande.effective_on, demande.last_day) == (decreed, date(2027, 3, 26))
    assert cinq["reunion"] == demande.last_day
    assert (demande.name, demande.titre) == ("Tableau des inscriptions et radiations",) * 2
    assert demande.law.reference_legale == "Code électoral, art. L. 19, L. 20 et R. 13"


def test_without_a_poll_the_tableau_is_not_of_the_twenty_days() -> None:
    moment = datetime(2027, 3, 20, tzinfo=UTC)
    annual = Demande(type=VINGT, requested_at=moment, **_dates(VINGT, until="2027-03-19"))
    assert (annual.name, annual.titre) == ("Tableau des inscriptions et radiations",) * 2
    assert annual.law.reference_legale == "Code électoral, art. L. 19, L. 19-1, L. 20 et R. 13"
    assert annual.effective_on == date(2027, 3, 20), "published the day after the meeting"
    of_poll = Demande(type=VINGT, requested_at=moment, **_dates(VINGT, scrutin="2027-04-11"))
    assert (of_poll.name, of_poll.titre) == (
        "Tableau des vingt jours",
        "Tableau des vingt jours (inscriptions et radiations)",
    )


def test_both_rectificatifs_have_their_own_date_of_the_year() -> None:
    both: dict[str, object] = {"types": [PREMIER, SECOND]}
    for given in ("2016-01-10", "2016-02-29"):
        dates = [_dates(type_, **both, date_tableau=given)["date_tableau"] for type_ in (PREMIER, SECOND)]
        assert dates == [date(2016, 1, 10), date(2016, 2, 29)]
    assert "dernier jour de février" in _refusal(SECOND, _dates(SECOND, **both, date_tableau="2016-02-28"))


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
    with pytest.raises(DemandeInvalide, match="la réunion du 19/03/2027 est celle d'avant ce scrutin"):
        _dates(VINGT, Calendrier(), scrutin="2027-04-11", reunion="2027-03-19")
    dates = _dates(VINGT, Calendrier(), scrutin="2027-04-11", reunion="2027-03-19", until="2027-03-21")
    assert dates["reunion"] == BEFORE_POLL
    assert _dates(CINQ, Calendrier(), scrutin="2027-04-11", reunion="2027-03-19")["reunion"] == BEFORE_POLL


def test_a_last_day_is_a_meeting_where_somebody_declared_one() -> None:
    days = ("2027-03-19", BEFORE_POLL), ("2027-03-20", None)
    for until, commission in days:
        assert _dates(VINGT, until=until)["commission"] == commission
    assert _dates(VINGT, scrutin="2027-04-11")["commission"] == BEFORE_POLL
    assert _dates(VINGT, Calendrier(reunions=(LAST_YEAR,)), scrutin="2027-04-11")["commission"] is None
