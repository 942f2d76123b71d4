"""What is wrong with mouvements, before a tableau is made."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.vocabulary import Severity
from tests.unit.mouvements_samples import CHANGEMENT, MOUVEMENT, PERSONNE, RADIATION, mouvement, mouvements
from worker.domain.controles_tableau import check_mouvements, identite, identite_of
from worker.domain.mouvement import Categorie, Effet, Etat, Mouvement

KEY = identite_of(PERSONNE)
CODES = {"0001", "0002"}


def codes(*all_of_them: Mouvement, inscrits: Sequence[tuple[str, str, str, str]] = ()) -> list[str]:
    return [anomalie.code for anomalie in check_mouvements(all_of_them, inscrits, CODES)]


def test_nothing_is_wrong() -> None:
    assert codes(MOUVEMENT) == []
    assert codes(RADIATION, inscrits=[KEY]) == []
    assert codes(CHANGEMENT, inscrits=[KEY]) == []


def test_a_radiation_of_somebody_who_is_not_on_the_list() -> None:
    (anomalie,) = check_mouvements([RADIATION], [], CODES)
    assert (anomalie.code, anomalie.severity, anomalie.mouvement_id) == ("radiation_hors_liste", Severity.BLOCKING, 2)
    assert "n'est pas sur la liste" in anomalie.message


def test_a_change_of_bureau_of_somebody_who_is_not_on_the_list() -> None:
    assert codes(CHANGEMENT) == ["modification_hors_liste"]


def test_an_inscription_of_somebody_who_is_on_the_list() -> None:
    assert codes(MOUVEMENT, inscrits=[KEY]) == ["deja_inscrit"]


@pytest.mark.parametrize("base", [MOUVEMENT, RADIATION])
def test_the_list_shows_what_is_applied_already(base: Mouvement) -> None:
    applied = mouvement(base, etat=Etat.APPLIQUE)
    assert codes(applied) == codes(applied, inscrits=[KEY]) == []


def test_an_elector_twice_is_reported_each_time_and_never_merged() -> None:
    assert codes(MOUVEMENT, mouvement(id=9, adresse="8 RUE DU PORT")) == ["electeur_en_double", "electeur_en_double"]


def test_two_electors_with_the_same_name_born_elsewhere_are_two() -> None:
    assert codes(MOUVEMENT, mouvement(id=9, commune_naissance="LYON")) == []


def test_accents_and_hyphens_do_not_make_another_elector() -> None:
    one = identite("LEFÈVRE-DUPRÉ", "Anne Marie", "1970-01-01", "Saint-Étienne", "FRANCE")
    assert one == identite("Lefevre Dupre", "ANNE-MARIE", "1970-01-01", "SAINT ETIENNE", "France")


def test_abroad_the_country_of_birth_counts_where_the_city_is_unknown() -> None:
    assert identite("A", "B", "1970-01-01", "", "MAROC") != identite("A", "B", "1970-01-01", "", "TUNISIE")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"motif": "  "}, "motif_absent"),
        ({"categorie": Categorie.NON_PRECISEE}, "motif_absent"),
        ({"categorie": Categorie.NON_PRECISEE, "motif": ""}, "motif_absent"),
        ({"nouveau_bureau": "0099"}, "bureau_inconnu"),
        ({"nouveau_bureau": ""}, "bureau_absent"),
        ({"effet": Effet.ELECTION}, "addition_sans_scrutin"),
        ({"date_tableau": date(2014, 1, 11)}, "date_tableau_inhabituelle"),
        ({"date_tableau": date(2016, 2, 28)}, "date_tableau_inhabituelle"),
        ({"categorie": Categorie.RADIATION_DECES}, "categorie_incoherente"),
    ],
)
def test_what_is_wrong_with_one_mouvement(values: dict[str, Any], expected: str) -> None:
    assert codes(mouvement(**values)) == [expected]


def test_a_change_of_bureau_needs_no_category() -> None:
    assert codes(mouvement(CHANGEMENT, categorie=Categorie.NON_PRECISEE), inscrits=[KEY]) == []


def test_only_an_inscription_takes_effect_for_a_poll() -> None:
    assert codes(mouvement(RADIATION, effet=Effet.ELECTION), inscrits=[KEY]) == ["addition_sans_inscription"]


def test_since_2019_any_date_will_do() -> None:
    assert codes(mouvement(date_tableau=date(2026, 2, 23))) == []


@given(mouvements(), st.booleans())
def test_each_anomaly_is_of_a_mouvement_and_said_once(all_of_them: list[Mouvement], is_known: bool) -> None:
    inscrits = {identite_of(one.personne) for one in all_of_them} if is_known else set()
    found = check_mouvements(all_of_them, inscrits, CODES)
    assert {anomalie.mouvement_id for anomalie in found} <= {one.id for one in all_of_them}
    assert len({(anomalie.code, anomalie.mouvement_id) for anomalie in found}) == len(found)
    assert not any(personal in anomalie.message for anomalie in found for personal in ("Jeanne", "ABEILLES"))
