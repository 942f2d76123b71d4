"""Anomalies of mouvements, before a tableau is made."""

from collections.abc import Collection
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import Categorie, Severity
from tests.unit.mouvements_samples import (
    CHANGEMENT,
    LIBREVILLE,
    MOUVEMENT,
    MUNICIPALES,
    PERSONNE,
    RADIATION,
    Mouvements,
    demande,
    mouvement,
    mouvements,
)
from worker.domain.anomaly import Anomaly
from worker.domain.identite import Identite, identite, identite_of
from worker.domain.mouvement import Effet, Etat, Mouvement
from worker.domain.tableau.composition import SANS_BUREAU, BureauElecteurs, compose_tableau
from worker.domain.tableau.controles import check_bilan, check_tableau
from worker.domain.tableau.demande import Demande
from worker.registre.mouvements.importer import TITLES

KEY = identite_of(PERSONNE)
CODES = {"0001", "0002"}


def check(*all_of_them: Mouvement, inscrits: Collection[Identite] = (), asked: Demande | None = None) -> list[Anomaly]:
    return list(check_tableau(asked or demande(), Mouvements(all_of_them), inscrits, CODES))


def codes(*all_of_them: Mouvement, inscrits: Collection[Identite] = (), asked: Demande | None = None) -> list[str]:
    return [anomalie.code for anomalie in check(*all_of_them, inscrits=inscrits, asked=asked)]


@pytest.mark.parametrize(
    ("one", "is_inscrit", "expected"),
    [
        (MOUVEMENT, False, []),
        (RADIATION, True, []),
        (CHANGEMENT, True, []),
        (RADIATION, False, [("radiation_hors_liste", "nom de naissance")]),
        (CHANGEMENT, False, [("modification_hors_liste", "nom de naissance")]),
        (MOUVEMENT, True, [("deja_inscrit", "nom de naissance")]),
        (mouvement(etat=Etat.APPLIQUE), False, []),
        (mouvement(etat=Etat.APPLIQUE), True, []),
        (mouvement(RADIATION, etat=Etat.APPLIQUE), False, []),
        (mouvement(RADIATION, etat=Etat.APPLIQUE), True, []),
        (mouvement(categorie=Categorie.NON_PRECISEE), False, [("motif_absent", "motif")]),
        (mouvement(categorie=Categorie.NON_PRECISEE, motif=""), False, [("motif_absent", "motif")]),
        (mouvement(motif="  "), False, []),  # a posted tableau prints the category only (R. 8)
        (mouvement(nouveau_bureau="0099"), False, [("bureau_inconnu", "nouveau bureau")]),
        (mouvement(nouveau_bureau=""), False, [("bureau_absent", "nouveau bureau")]),
        (mouvement(effet=Effet.ELECTION), False, [("addition_sans_scrutin", "scrutin")]),
        (mouvement(categorie=Categorie.RADIATION_DECES), False, [("categorie_incoherente", "catégorie")]),
        (mouvement(RADIATION, effet=Effet.ELECTION), True, [("addition_sans_inscription", "effet")]),
        (mouvement(CHANGEMENT, categorie=Categorie.NON_PRECISEE), True, []),
        (
            mouvement(CHANGEMENT, ancien_bureau="0098", nouveau_bureau=""),
            True,
            [("bureau_inconnu", "ancien bureau"), ("bureau_absent", "nouveau bureau")],
        ),
        (mouvement(date_tableau=date(2010, 1, 10), motif=""), True, []),  # belongs to another tableau
        (mouvement(after=date(2025, 9, 20)), False, []),  # the date is not printed
    ],
)
def test_what_is_wrong_with_one_mouvement(one: Mouvement, is_inscrit: bool, expected: list[tuple[str, str]]) -> None:
    found = check(one, inscrits=[KEY] if is_inscrit else [])
    assert [(it.code, it.column) for it in found] == expected
    assert {it.column for it in found} <= set(TITLES.values())


def test_an_elector_twice_is_reported_each_time_and_never_merged() -> None:
    assert codes(MOUVEMENT, mouvement(id=9, adresse="8 RUE DU PORT")) == ["electeur_en_double", "electeur_en_double"]


def test_two_electors_with_the_same_name_born_elsewhere_are_two() -> None:
    assert codes(MOUVEMENT, mouvement(id=9, commune_naissance="LYON")) == []


def test_accents_and_hyphens_do_not_make_another_elector() -> None:
    one = identite("LEFÈVRE-DUPRÉ", "Anne Marie", "1970-01-01", "Saint-Étienne", "FRANCE")
    assert one == identite("Lefevre Dupre", "ANNE-MARIE", "1970-01-01", "SAINT ETIENNE", "France")


def test_abroad_the_country_of_birth_counts_where_the_city_is_unknown() -> None:
    assert identite("A", "B", "1970-01-01", "", "MAROC") != identite("A", "B", "1970-01-01", "", "TUNISIE")


VINGT = demande(TypeTableau.VINGT_JOURS, reunion=date(2025, 9, 1), until=date(2026, 2, 20), scrutin=date(2026, 3, 15))
IN_PERIOD = replace(MOUVEMENT, date_mouvement=date(2025, 10, 2))
SOMEWHEN: dict[str, Any] = {"after": date(2025, 9, 20)}
NO_MOTIF: dict[str, Any] = {"categorie": Categorie.NON_PRECISEE, "motif": ""}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (SOMEWHEN, ["date_du_mouvement_absente"]),
        (NO_MOTIF, ["motif_absent"]),
        (SOMEWHEN | NO_MOTIF, ["date_et_motif_absents"]),
        ({}, []),
    ],
)
def test_what_a_line_should_print_and_does_not_is_to_be_completed(values: dict[str, Any], expected: list[str]) -> None:
    """Code électoral, art. R. 13: the date and the motif of each inscription and radiation."""
    found = check(mouvement(IN_PERIOD, **values), asked=VINGT)
    assert [it.code for it in found] == expected
    assert {it.severity for it in found} <= {Severity.TO_COMPLETE}
    assert codes(mouvement(IN_PERIOD, **values), asked=replace(VINGT, presentation=Presentation.RECAPITULATIF)) == []


def test_a_change_of_bureau_says_its_motif_and_needs_no_date() -> None:
    assert codes(mouvement(CHANGEMENT, **SOMEWHEN, **NO_MOTIF), inscrits=[KEY], asked=VINGT) == []


def test_the_commission_reads_a_motif_without_category() -> None:
    only_motif = mouvement(IN_PERIOD, categorie=Categorie.NON_PRECISEE)
    assert codes(only_motif, asked=VINGT) == ["motif_absent"]
    assert codes(only_motif, asked=replace(VINGT, edition=Edition.COMMISSION)) == []


@pytest.mark.parametrize("presentation", Presentation)
def test_an_inscription_without_category_may_be_of_article_l_30(presentation: Presentation) -> None:
    asked = demande(
        TypeTableau.CINQ_JOURS_REU,
        scrutin=date(2026, 3, 15),
        reunion=date(2025, 9, 1),
        presentation=presentation,
    )
    (found,) = check(mouvement(IN_PERIOD, **NO_MOTIF), asked=asked)
    assert (found.code, found.severity) == ("categorie_absente", Severity.TO_COMPLETE)
    assert codes(IN_PERIOD, asked=asked) == []
    assert codes(mouvement(CHANGEMENT, date_mouvement=IN_PERIOD.date_mouvement), inscrits=[KEY], asked=asked) == []
    assert codes(mouvement(IN_PERIOD, is_presumed=True), asked=asked) == ["categorie_absente"], (
        "eighteen before the poll"
    )


@pytest.mark.parametrize("day", [date(2014, 1, 11), date(2016, 2, 28)])
def test_a_date_that_no_tableau_usually_has(day: date) -> None:
    (anomalie,) = check(mouvement(date_tableau=day), asked=demande(date_tableau=day))
    assert (anomalie.code, anomalie.column) == ("date_tableau_inhabituelle", "date de tableau")


def test_an_addition_that_no_tableau_can_hold_is_reported_with_each() -> None:
    lost = mouvement(id=7, effet=Effet.ELECTION, nom_naissance="PERDU", date_tableau=date(2013, 1, 10))
    for asked in (demande(), demande(TypeTableau.CINQ_JOURS, scrutin=MUNICIPALES)):
        assert codes(lost, asked=asked) == ["addition_sans_scrutin"]


SINCE_2019 = demande(TypeTableau.VINGT_JOURS, reunion=date(2026, 1, 12), until=date(2026, 2, 20))


@pytest.mark.parametrize("effet", Effet)
def test_since_2019_a_mouvement_needs_neither_effect_nor_date_of_tableau(effet: Effet) -> None:
    one = mouvement(date_mouvement=date(2026, 2, 1), date_tableau=date(2026, 2, 1), effet=effet)
    assert codes(one, asked=SINCE_2019) == []
    assert codes(mouvement(one, date_mouvement=date(2025, 2, 1), motif=""), asked=SINCE_2019) == []


def test_thousands_of_homonyms_are_fetched_a_few_at_once() -> None:
    found = check(*(mouvement(id=id_, numero=id_, etat=Etat.APPLIQUE) for id_ in range(1, 1202)))
    assert [(it.code, it.numero) for it in found] == [("electeur_en_double", str(id_)) for id_ in range(1, 1202)]


@given(mouvements(), st.booleans())
def test_each_anomaly_is_of_a_mouvement_and_said_once(all_of_them: list[Mouvement], is_known: bool) -> None:
    numbered = [mouvement(one, nom_naissance=str(one.id)) for one in all_of_them]
    inscrits = {identite_of(one.personne) for one in numbered} if is_known else set()
    found = check(*numbered, inscrits=inscrits)
    assert {anomalie.nom for anomalie in found} <= {str(one.id) for one in all_of_them}
    assert len({(it.code, it.column, it.nom) for it in found}) == len(found)
    assert not any(personal in anomalie.message for anomalie in found for personal in ("Jeanne", "ABEILLES"))


def test_more_electors_left_a_bureau_than_it_ever_had_is_reported() -> None:
    came = [mouvement(id=id_, etat=Etat.APPLIQUE, nouveau_bureau="") for id_ in (1, 2)]
    for presentation in Presentation:
        made = compose_tableau(demande(presentation=presentation), LIBREVILLE, Mouvements(came))
        (anomalie,) = check_bilan(made)
        assert (anomalie.code, anomalie.severity) == ("bilan_impossible", Severity.BLOCKING)
        assert (anomalie.column, anomalie.bureau) == ("bureau", SANS_BUREAU)


@given(mouvements())
def test_no_bureau_has_fewer_electors_than_none_in_silence(all_of_them: list[Mouvement]) -> None:
    tiny = replace(LIBREVILLE, bureaux=[BureauElecteurs("0001", "", 2), BureauElecteurs("0002", "", 1)])
    made = compose_tableau(demande(presentation=Presentation.RECAPITULATIF), tiny, Mouvements(all_of_them))
    impossible = [it.code for it in made.sections[:-1] if min(it.bilan.avant, it.bilan.apres) < 0]
    assert [anomalie.bureau for anomalie in check_bilan(made)] == impossible
