"""Anomalies of mouvements before a tableau is made; each gap in the register's knowledge of its period."""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import Categorie, Nature, Severity
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
from tests.unit.reu_sample import HEADER
from worker.domain.anomaly import Anomaly
from worker.domain.identite import Effet, Etat, Identite, Mouvement, identite, identite_of
from worker.domain.tableau.composition import BureauElecteurs, compose_tableau
from worker.domain.tableau.controles import check_bilan, check_tableau
from worker.domain.tableau.couverture import (
    Chain,
    CompleteUntil,
    Link,
    base_of,
    check_couverture,
    exports_used,
)
from worker.domain.tableau.demande import Demande

KEY = identite_of(PERSONNE)
CODES = {"0001", "0002"}


def check(
    *all_of_them: Mouvement, inscrits: Collection[Identite] = (), asked: Demande | None = None
) -> list[Anomaly]:
    return list(check_tableau(asked or demande(), Mouvements(all_of_them), inscrits, CODES))


def codes(
    *all_of_them: Mouvement, inscrits: Collection[Identite] = (), asked: Demande | None = None
) -> list[str]:
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
        (
            mouvement(categorie=Categorie.RADIATION_DECES),
            False,
            [("categorie_incoherente", "catégorie")],
        ),
        (
            mouvement(RADIATION, effet=Effet.ELECTION),
            True,
            [("addition_sans_inscription", "effet")],
        ),
        (mouvement(CHANGEMENT, categorie=Categorie.NON_PRECISEE), True, []),
        (
            mouvement(CHANGEMENT, ancien_bureau="0098", nouveau_bureau=""),
            True,
            [("bureau_inconnu", "ancien bureau"), ("bureau_absent", "nouveau bureau")],
        ),
        (
            mouvement(date_tableau=date(2010, 1, 10), motif=""),
            True,
            [],
        ),  # belongs to another tableau
        (mouvement(after=date(2025, 9, 20)), False, []),  # the date is not printed
    ],
)
def test_what_is_wrong_with_one_mouvement(
    one: Mouvement, is_inscrit: bool, expected: list[tuple[str, str]]
) -> None:
    found = check(one, inscrits=[KEY] if is_inscrit else [])
    assert [(it.code, it.column) for it in found] == expected
    assert {it.column for it in found} <= set(HEADER)


def test_an_elector_twice_is_reported_each_time_and_never_merged() -> None:
    assert codes(MOUVEMENT, mouvement(id=9, adresse="8 RUE DU PORT")) == [
        "electeur_en_double",
        "electeur_en_double",
    ]


def test_accents_and_hyphens_do_not_make_another_elector_but_a_country_where_the_city_is_unknown_does() -> (
    None
):
    one = identite("LEFÈVRE-DUPRÉ", "Anne Marie", "1970-01-01", "Saint-Étienne", "FRANCE")
    assert one == identite("Lefevre Dupre", "ANNE-MARIE", "1970-01-01", "SAINT ETIENNE", "France")

    assert identite("A", "B", "1970-01-01", "", "MAROC") != identite(
        "A", "B", "1970-01-01", "", "TUNISIE"
    )


VINGT = demande(
    TypeTableau.VINGT_JOURS,
    reunion=date(2025, 9, 1),
    until=date(2026, 2, 20),
    scrutin=date(2026, 3, 15),
)
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
def test_what_a_line_should_print_and_does_not_is_to_be_completed(
    values: dict[str, Any], expected: list[str]
) -> None:
    """Code électoral, art. R. 13: the date and the motif of each inscription and radiation."""
    found = check(mouvement(IN_PERIOD, **values), asked=VINGT)
    assert [it.code for it in found] == expected
    assert {it.severity for it in found} <= {Severity.TO_COMPLETE}
    assert (
        codes(
            mouvement(IN_PERIOD, **values),
            asked=replace(VINGT, presentation=Presentation.RECAPITULATIF),
        )
        == []
    )


L30, VOLONTAIRE = Categorie.INSCRIPTION_L30, Categorie.INSCRIPTION_VOLONTAIRE


@pytest.mark.parametrize(
    ("categorie", "day", "expected"),
    [
        (L30, date(2026, 2, 6), ["l30_hors_delai"]),
        (L30, date(2026, 2, 7), []),
        (L30, date(2026, 3, 5), []),
        (L30, date(2026, 3, 6), ["l30_hors_delai"]),
        (VOLONTAIRE, date(2026, 2, 11), []),
        (VOLONTAIRE, date(2026, 2, 12), ["volontaire_tardive"]),
        (Categorie.INSCRIPTION_JUDICIAIRE, date(2026, 3, 6), []),
    ],
)
def test_a_day_that_the_category_of_an_inscription_does_not_have_is_remarked(
    categorie: Categorie, day: date, expected: list[str]
) -> None:
    """The list of the poll of 15 March 2026 closes on 6 February; L. 30 lasts until the tenth day before the poll."""
    asked = replace(VINGT, until=date(2026, 3, 9))
    found = check(mouvement(IN_PERIOD, categorie=categorie, date_mouvement=day), asked=asked)
    assert [it.code for it in found] == expected
    assert {it.severity for it in found} <= {Severity.REMARK}
    undated = mouvement(IN_PERIOD, categorie=categorie, date_mouvement=day, **SOMEWHEN)
    assert codes(undated, asked=asked) == ["date_du_mouvement_absente"]


def test_a_motif_without_a_word_is_none() -> None:
    one = mouvement(IN_PERIOD, categorie=Categorie.NON_PRECISEE, motif=" . ")
    assert codes(one, asked=replace(VINGT, edition=Edition.COMMISSION)) == ["motif_absent"]


def test_a_change_of_bureau_says_its_motif_and_needs_no_date() -> None:
    assert codes(mouvement(CHANGEMENT, **SOMEWHEN, **NO_MOTIF), inscrits=[KEY], asked=VINGT) == []


def test_the_commission_reads_a_motif_without_category() -> None:
    only_motif = mouvement(IN_PERIOD, categorie=Categorie.NON_PRECISEE)
    assert codes(only_motif, asked=VINGT) == ["motif_absent"]
    assert codes(only_motif, asked=replace(VINGT, edition=Edition.COMMISSION)) == []


def test_a_transfer_of_communes_that_merge_needs_no_day() -> None:
    transfer = mouvement(IN_PERIOD, **SOMEWHEN, categorie=Categorie.INSCRIPTION_TRANSFERT)
    assert codes(transfer, asked=VINGT) == []
    other = mouvement(IN_PERIOD, **SOMEWHEN, categorie=Categorie.INSCRIPTION_COMMISSION)
    assert codes(other, asked=VINGT) == ["date_du_mouvement_absente"]


@pytest.mark.parametrize("presentation", Presentation)
def test_an_inscription_without_category_may_be_of_article_l_30(presentation: Presentation) -> None:
    asked = replace(VINGT, type=TypeTableau.CINQ_JOURS_REU, until=None, presentation=presentation)
    (found,) = check(mouvement(IN_PERIOD, **NO_MOTIF), asked=asked)
    assert (found.code, found.severity) == ("categorie_absente", Severity.TO_COMPLETE)
    assert codes(IN_PERIOD, asked=asked) == []
    assert (
        codes(
            mouvement(CHANGEMENT, date_mouvement=IN_PERIOD.date_mouvement),
            inscrits=[KEY],
            asked=asked,
        )
        == []
    )


@pytest.mark.parametrize("day", [date(2014, 1, 11), date(2016, 2, 28)])
def test_a_date_that_no_tableau_usually_has(day: date) -> None:
    (anomalie,) = check(mouvement(date_tableau=day), asked=demande(date_tableau=day))
    assert (anomalie.code, anomalie.column) == ("date_tableau_inhabituelle", "date de tableau")


def test_an_addition_that_no_tableau_can_hold_is_reported_with_each() -> None:
    lost = mouvement(
        id=7, effet=Effet.ELECTION, nom_naissance="PERDU", date_tableau=date(2013, 1, 10)
    )
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
    assert [(it.code, it.numero) for it in found] == [
        ("electeur_en_double", str(id_)) for id_ in range(1, 1202)
    ]


@given(mouvements(), st.booleans())
def test_each_anomaly_is_of_a_mouvement_and_said_once(
    all_of_them: list[Mouvement], is_known: bool
) -> None:
    numbered = [mouvement(one, nom_naissance=str(one.id)) for one in all_of_them]
    inscrits = {identite_of(one.personne) for one in numbered} if is_known else set()
    found = check(*numbered, inscrits=inscrits)
    assert {anomalie.nom for anomalie in found} <= {str(one.id) for one in all_of_them}
    assert len({(it.code, it.column, it.nom) for it in found}) == len(found)
    assert not any(
        personal in anomalie.message for anomalie in found for personal in ("Jeanne", "ABEILLES")
    )


@given(mouvements())
def test_no_bureau_has_fewer_electors_than_none_in_silence(all_of_them: list[Mouvement]) -> None:
    tiny = replace(
        LIBREVILLE, bureaux=[BureauElecteurs("0001", "", 2), BureauElecteurs("0002", "", 1)]
    )
    made = compose_tableau(
        demande(presentation=Presentation.RECAPITULATIF), tiny, Mouvements(all_of_them)
    )
    impossible = [it.code for it in made.sections[:-1] if min(it.bilan.avant, it.bilan.apres) < 0]
    found = list(check_bilan(made))
    assert [anomalie.bureau for anomalie in found] == impossible
    assert {(it.code, it.severity, it.column) for it in found} <= {
        ("bilan_impossible", Severity.BLOCKING, "bureau")
    }


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
YEARLY = Demande(
    type=TypeTableau.PREMIER_RECTIFICATIF,
    requested_at=DEMANDE.requested_at,
    date_tableau=date(2014, 1, 10),
)


def _link(day: date, undated: int = 0, *, is_dated: bool = True, is_compared: bool = True) -> Link:
    return Link(day, is_dated, is_compared, undated)


def _words(complete_until: date | None, import_id: int = 4) -> list[CompleteUntil]:
    return [CompleteUntil(complete_until, import_id)] if complete_until else []


def _told(chain: Chain, demande: Demande = DEMANDE) -> list[tuple[str, Severity]]:
    return [(it.code, it.severity) for it in check_couverture(demande, chain)]


def _blocking(code: str, chain: Chain) -> str:
    """The message of the only anomaly, which is blocking and has this code."""
    (said,) = check_couverture(DEMANDE, chain)
    assert (said.code, said.severity) == (code, Severity.BLOCKING)
    return said.message


def _found(
    *links: Link, complete_until: date | None = None, demande: Demande = DEMANDE
) -> list[tuple[str, Severity]]:
    return _told(Chain(links, _words(complete_until)), demande)


def _used(chain: Chain) -> list[date]:
    return [link.taken_on for link in exports_used(DEMANDE, chain)]


def test_what_came_after_the_end_is_no_matter_unless_it_may_be_of_the_period() -> None:
    assert _found(FIRST, _link(AT, 12), _link(AFTER, 50)) == []
    assert _found(FIRST, _link(AFTER)) == [], "compared, and nothing has changed until the 25th"
    assert _found(FIRST, _link(AFTER, 66)) == [("couverture_date", Severity.BLOCKING)]


@pytest.mark.parametrize("day", [AT, AFTER])
def test_an_export_of_which_nobody_said_the_day_ends_no_period(day: date) -> None:
    """It may have been taken a fortnight before the meeting."""
    assert _found(FIRST, _link(day, is_dated=False)) == [("couverture_export", Severity.BLOCKING)]
    assert _found(FIRST, _link(AT, 3, is_dated=False), _link(AFTER)) == [
        ("couverture_export", Severity.BLOCKING)
    ]
    (said,) = check_couverture(DEMANDE, Chain([FIRST, _link(day, is_dated=False)]))
    assert (
        "n'a pas de jour indiqué : s'il a été pris avant le 20/11/2026, ce qui a changé depuis"
        in said.message
    )


def test_an_export_that_was_not_compared_is_a_gap() -> None:
    assert _found(FIRST, _link(date(2026, 10, 1), is_compared=False), _link(AT)) == [
        ("couverture_lacune", Severity.BLOCKING)
    ]


def test_a_gap_after_the_period_is_one_only_if_electors_are_counted_back_across_it() -> None:
    gap = [("couverture_lacune", Severity.BLOCKING)]
    later = _link(AFTER, is_compared=False)
    assert _found(FIRST, _link(AT), later) == [], (
        "electors are counted from the export that ends the period"
    )
    gone = replace(_link(AT), is_kept=False)
    assert _found(FIRST, gone, later) == gap, "of which the version is not kept any more"
    assert _used(Chain([FIRST, gone, later])) == [REUNION_PRECEDENTE, AT, AFTER]
    assert _found(FIRST, _link(AT), _link(AT, is_compared=False)) == gap, (
        "of the last day, the last export ends it"
    )
    assert _found(FIRST, replace(gone, is_kept=True), later) == []


def test_an_export_of_the_day_of_the_meeting_begins_a_period() -> None:
    """Mouvements of that day do not belong to the period."""
    chain = Chain([_link(date(2026, 9, 1)), _link(REUNION_PRECEDENTE, 5), _link(AT)])
    assert list(check_couverture(DEMANDE, chain)) == []
    assert _used(chain) == [REUNION_PRECEDENTE, AT]


def test_a_list_that_was_changed_by_another_way_than_an_import_is_said() -> None:
    last = replace(_link(AT), electeurs=120, is_kept=False)
    chain = Chain([replace(FIRST, electeurs=120), last], listed=117)
    assert base_of(DEMANDE, chain) is None
    assert _blocking("couverture_contredite", chain) == (
        "Le registre a été modifié hors import : l'export du 20/11/2026 donnait 120 électeurs, le registre en a 117. "
        "Annuler cet import (imports --undo), le reprendre (import-reu), puis redemander le tableau."
    )
    assert "couverture_contredite" in [it.code for it in check_couverture(YEARLY, chain)]
    assert (
        list(
            check_couverture(
                DEMANDE, replace(chain, links=[chain.links[0], replace(last, is_kept=True)])
            )
        )
        == []
    )


def test_a_comparison_alone_gives_the_exact_number() -> None:
    """Three electors were deleted between two exports: the comparison found them again, as inscriptions."""
    chain = Chain([replace(FIRST, electeurs=120), replace(_link(AT, 8), electeurs=125, growth=8)])
    assert _blocking("couverture_contredite", chain) == (
        "De l'export du 10/09/2026 (120 électeurs) à celui du 20/11/2026 (125 électeurs), les mouvements en feraient "
        "128 : le registre a été modifié hors import. Annuler ces deux imports, le dernier d'abord (imports --undo), "
        "puis les reprendre (import-reu)."
    )


def test_nothing_is_known_before_the_first_export_nor_after_the_last() -> None:
    assert _found(_link(date(2026, 10, 1), is_compared=False), _link(AT)) == [
        ("couverture_debut", Severity.BLOCKING)
    ]
    assert _found(FIRST, _link(date(2026, 11, 1), 4)) == [("couverture_fin", Severity.BLOCKING)]
    assert _found(FIRST) == [("couverture_fin", Severity.BLOCKING)]


def test_a_producer_may_vouch_for_the_period() -> None:
    assert _found(complete_until=AT) == []
    assert _found(FIRST, _link(AFTER, 66, is_dated=False), complete_until=AFTER) == []
    assert _used(Chain([FIRST, _link(AT)], _words(AFTER))) == [AT], (
        "only that which electors are counted from"
    )
    uncompared = _link(AT, is_compared=False)
    assert _found(FIRST, uncompared, complete_until=AFTER) == [
        ("couverture_lacune", Severity.REMARK)
    ], "only a word"
    assert _found(complete_until=date(2026, 11, 19)) == [("couverture_inconnue", Severity.REMARK)]
    assert _found() == [("couverture_inconnue", Severity.REMARK)]


@pytest.mark.parametrize("asked", [DEMANDE, YEARLY])
def test_neant_is_not_stated_of_what_nobody_told(asked: Demande) -> None:
    (said,) = check_couverture(asked, Chain(), is_neant=True)
    assert (said.code, said.severity) == ("couverture_inconnue", Severity.BLOCKING)
    assert said.message.endswith("Sans cela, « Néant » serait inventé.")


COUNTED = replace(FIRST, electeurs=100)
WORD = Chain(words=_words(AFTER))


def _day(inscriptions: int, radiations: int) -> Counter[str]:
    return Counter({Nature.INSCRIPTION: inscriptions, Nature.RADIATION: radiations})


def _word(link: Link, *, young: int = 0, **daily: Counter[str]) -> list[tuple[str, Severity]]:
    days = {date(2026, int(day[1:3]), int(day[3:])): tally for day, tally in daily.items()}
    return _told(Chain([COUNTED, link], _words(AFTER), daily=days, births=["2010-01-01"] * young))


def test_a_word_that_the_exports_contradict_covers_nothing() -> None:
    """Ten electors fewer between two exports, three mouvements in a file that is declared complete."""
    gone = replace(_link(AT, is_compared=False), electeurs=90)
    contradicted, alone = (
        ("couverture_contredite", Severity.BLOCKING),
        ("couverture_lacune", Severity.REMARK),
    )
    assert _word(gone, d1015=_day(0, 3)) == [contradicted]
    assert _word(gone, d1015=_day(2, 12)) == [alone], (
        "too many left: only the missing comparison is reported"
    )
    assert _word(gone, d1015=_day(2, 12), d0911=_day(1, 0)) == [contradicted]
    assert _word(gone, d1015=_day(0, 9), d1120=_day(0, 1)) == [alone], (
        "on the day of an export: in it or not"
    )
    assert _word(replace(gone, electeurs=110), d1120=_day(10, 0)) == [alone], "so for inscriptions"
    assert _word(replace(gone, electeurs=110), d1120=_day(9, 0)) == [contradicted]
    assert _word(gone, d0901=_day(0, 10), d1121=_day(0, 10)) == [contradicted], (
        "on other days: no matter"
    )
    assert _word(gone, d1015=_day(0, 12), young=2) == [alone], (
        "minors are in exports, and perhaps in no file"
    )
    assert _word(gone, d1015=_day(0, 13), young=2) == [contradicted]


def test_what_came_after_all_was_said_to_be_there_takes_the_word_back() -> None:
    late = {(7, date(2026, 10, 3)): 2, (7, date(2026, 10, 5)): 1}
    assert _blocking("couverture_contredite", replace(WORD, late=late)) == (
        "3 mouvements sont venus ensuite (du 03/10/2026 au 05/10/2026, import 7), alors que l'import 4 était dit "
        "complet jusqu'au 25/11/2026 : il en manquait. Vérifier qu'il n'en manque plus, et le dire du dernier fichier "
        "(import-mouvements --complete-until)."
    )
    elsewhere = {(7, REUNION_PRECEDENTE): 2, (7, date(2026, 11, 21)): 1}
    assert list(check_couverture(DEMANDE, replace(WORD, late=elsewhere))) == [], "of other periods"


def test_the_last_word_that_covers_a_period_is_the_one_that_counts() -> None:
    """One file until the 25th, another one until the 20th: for the period until the 20th, the second one counts."""
    late = {(7, date(2026, 10, 3)): 2}
    chain = replace(WORD, words=[CompleteUntil(AFTER, 4), CompleteUntil(AT, 7)], late=late)
    assert list(check_couverture(DEMANDE, chain)) == []
    (said,) = check_couverture(replace(DEMANDE, until=AFTER), chain)
    assert "alors que l'import 4 était dit complet jusqu'au 25/11/2026" in said.message


def test_a_gap_after_what_somebody_vouched_for_is_one() -> None:
    """Electors are counted back across it, and its mouvements are unknown."""
    later = replace(_link(AFTER, is_compared=False), electeurs=90)
    gone = replace(_link(AT), electeurs=100, is_kept=False)
    alone = Chain([COUNTED, gone, later], _words(AT))
    assert _told(alone) == [("couverture_lacune", Severity.BLOCKING)]
    assert _told(replace(alone, words=_words(AFTER))) == [
        ("couverture_contredite", Severity.BLOCKING)
    ]
    as_many = replace(
        alone, links=[*alone.links[:2], replace(later, electeurs=100)], words=_words(AFTER)
    )
    assert [it.severity for it in check_couverture(DEMANDE, as_many)] == [Severity.REMARK]
    kept = replace(alone, links=[COUNTED, replace(gone, is_kept=True), later])
    assert list(check_couverture(DEMANDE, kept)) == [], (
        "electors are counted from the export that ends the period"
    )


def test_mouvements_beside_a_comparison_are_told_twice() -> None:
    """No comparison knows an elector who comes and leaves between two exports: only a different total is too much."""
    chain = Chain(
        [COUNTED, replace(_link(AT, 2), electeurs=102, growth=2)],
        daily={date(2026, 10, 15): _day(2, 0)},
    )
    assert _blocking("couverture_contredite", chain) == (
        "De l'export du 10/09/2026 (100 électeurs) à celui du 20/11/2026 (102 électeurs), les mouvements en feraient "
        "104 : à ceux que donne la comparaison de ces deux exports s'en ajoutent d'un autre fichier, sans doute les "
        "mêmes. Annuler l'import de ce fichier (imports --undo), ou le corriger ; les motifs se disent à part (motifs)."
    )
    assert (
        list(check_couverture(DEMANDE, replace(chain, daily={date(2026, 10, 15): _day(1, 1)})))
        == []
    )
    assert (
        list(check_couverture(DEMANDE, replace(chain, daily={date(2026, 9, 1): _day(2, 0)}))) == []
    )


def test_what_waits_to_be_applied_leaves_no_totals_that_follow_each_other() -> None:
    """One tableau ended with an elector with whom the next one did not begin."""
    in_it, before = {date(2026, 10, 3): 2}, {date(2026, 9, 1): 1}
    vouched = Chain(words=_words(AT), waiting=in_it)
    assert _blocking("couverture_attente", vouched) == (
        "2 mouvements attendent encore (du 03/10/2026, état « actif » dans leur fichier) : la liste ne dit pas s'ils "
        "ont pris effet, et les totaux de ce tableau et du suivant ne se suivraient pas. S'ils ont pris effet, "
        "reprendre un export du REU qui les montre (import-reu) et annuler l'import de ce fichier (imports --undo)."
    )
    both = _blocking("couverture_attente", replace(vouched, waiting=before | in_it))
    assert both.startswith("3 mouvements attendent encore (du 01/09/2026 au 03/10/2026, ")
    assert _blocking("couverture_attente", replace(vouched, waiting=before))
    later = {date(2026, 11, 21): 1}
    assert list(check_couverture(DEMANDE, replace(vouched, waiting=later))) == [], "of the next one"
    listed = Chain([FIRST, _link(AT)], waiting=before)
    assert list(check_couverture(DEMANDE, listed)) == [], (
        "an export taken since tells who is on the list"
    )
    coming = replace(DEMANDE, type=TypeTableau.CINQ_JOURS_REU, until=None, reunion=REUNION)
    for waiting, severity in ((later, Severity.REMARK), (in_it, Severity.BLOCKING)):
        found = {it.code: it.severity for it in check_couverture(coming, Chain(waiting=waiting))}
        assert found["couverture_attente"] is severity, "it may take effect until the day"


@pytest.mark.parametrize("complete_until", [None, date(2014, 1, 9), date(2014, 1, 10)])
def test_before_2019_only_a_producer_can_tell(complete_until: date | None) -> None:
    is_known = complete_until == date(2014, 1, 10)
    expected = [] if is_known else [("couverture_inconnue", Severity.REMARK)]
    assert _found(FIRST, _link(AT), complete_until=complete_until, demande=YEARLY) == expected
