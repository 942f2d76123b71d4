"""The printed parts of a tableau; its final figures are the first figures of the next."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.law import appeals_of
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import Categorie, Liste
from tests.unit.mouvements_samples import (
    BUREAUX,
    CHANGEMENT,
    EUROPEENNES,
    FEVRIER,
    JANVIER,
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
from worker.domain.identite import Etat, Mouvement, Personne, sort_key
from worker.domain.tableau.composition import BureauElecteurs, compose_tableau
from worker.domain.tableau.demande import Demande
from worker.domain.tableau.model import Ligne, Section, Tableau, format_naissance, order_key
from worker.errors import CountMismatchError

PAR_BUREAU, RECAPITULATIF = Presentation.PAR_BUREAU, Presentation.RECAPITULATIF
BETWEEN = "entre le 20/01/2026 et le 03/02/2026"
NOMS = st.text("abAB éÉèß-’'œŒ.\u00a0Łł", max_size=4)
VINGT_JOURS: dict[str, Any] = {
    "scrutin": date(2026, 3, 15),
    "reunion": date(2026, 1, 12),
    "until": date(2026, 2, 20),
}


def compose(*mouvements: Mouvement, **values: Any) -> Tableau:  # noqa: ANN401
    return compose_tableau(demande(**values), LIBREVILLE, Mouvements(mouvements))


def lignes(section: Section, partie: int = 0) -> tuple[Ligne, ...]:
    return tuple(section.parties[partie].lignes)


@pytest.mark.parametrize(
    ("adresse", "printed"),
    [
        ("3 Rue du Puits, 13900 LIBREVILLE", "3 Rue du Puits"),
        ("Bât A, 3 Rue du Puits, 13901 Libreville", "Bât A, 3 Rue du Puits"),
        ("3 Rue du Puits, 13901 LIBREVILLE CEDEX", "3 Rue du Puits, 13901 LIBREVILLE CEDEX"),
        ("3 Rue du Puits, 1000 BRUXELLES, BELGIQUE", "3 Rue du Puits, 1000 BRUXELLES, BELGIQUE"),
        ("13900 LIBREVILLE", "13900 LIBREVILLE"),
    ],
)
def test_an_address_in_the_commune_is_printed_without_it(adresse: str, printed: str) -> None:
    came = mouvement(adresse=adresse)
    tableau = compose(came)
    assert [it.adresse for it in lignes(tableau.sections[0])] == [printed]
    assert "Une adresse sans commune est à LIBREVILLE." in tableau.notes
    of_marseille = replace(LIBREVILLE, has_arrondissements=True)
    whole = compose_tableau(demande(), of_marseille, Mouvements([came]))
    assert [it.adresse for it in lignes(whole.sections[0])] == [adresse]
    assert "Une adresse sans commune est à LIBREVILLE." not in whole.notes


@pytest.mark.parametrize(
    ("undated", "dated", "periode", "printed"),
    [
        (3, 0, "", {BETWEEN: 3}),
        (4, 0, f"Date des mouvements : {BETWEEN}", {"": 4}),
        (4, 3, f"Date des mouvements, sauf indication : {BETWEEN}", {"": 4, "03/02/2026": 3}),
        (4, 4, "", {BETWEEN: 4, "03/02/2026": 4}),
    ],
)
def test_a_period_that_most_lines_share_is_printed_once(
    undated: int, dated: int, periode: str, printed: dict[str, int]
) -> None:
    day: dict[str, Any] = {"date_mouvement": date(2026, 2, 3)}
    came = [
        mouvement(id=it, nom_naissance=f"INVENTÉ {it}", after=date(2026, 1, 20), **day)
        for it in range(undated)
    ]
    came += [
        mouvement(id=it, nom_naissance=f"INVENTÉ {it}", **day)
        for it in range(undated, undated + dated)
    ]
    tableau = compose(*came, type_=TypeTableau.VINGT_JOURS, **VINGT_JOURS)
    assert tableau.periode == periode
    dates = Counter(it.date for it in lignes(tableau.sections[0]))
    assert dates == printed
    assert tableau.has_dates == (printed != {"": 4}), "a column of empty dates is left out"


@pytest.mark.parametrize(
    ("code", "place", "is_left_out"),
    [
        ("97411", "97400 SAINT-DENIS", True),
        ("97411", "93200 SAINT-DENIS", False),
        ("93066", "93200 SAINT-DENIS", True),
        ("2A004", "20000 SAINT-DENIS", True),
        ("97701", "97133 SAINT-DENIS", True),
        ("97411", "97400 SAINTE-MARIE", False),
    ],
)
def test_an_address_in_a_commune_of_the_same_name_elsewhere_is_whole(
    code: str, place: str, *, is_left_out: bool
) -> None:
    saint_denis = replace(LIBREVILLE, code_commune=code, nom_commune="Saint-Denis")
    came = mouvement(adresse=f"3 Rue du Puits, {place}")
    tableau = compose_tableau(demande(), saint_denis, Mouvements([came]))
    printed = "3 Rue du Puits" if is_left_out else came.personne.adresse
    assert [it.adresse for it in lignes(tableau.sections[0])] == [printed]


def test_a_complementary_list_prints_nationalities() -> None:
    (section,) = compose_tableau(
        demande(),
        replace(LIBREVILLE, liste=Liste.COMPLEMENTAIRE_EUROPEENNE),
        Mouvements([MOUVEMENT]),
    ).sections
    assert [it.nationalite for it in lignes(section)] == ["Française"]


def test_in_the_commune_a_change_of_bureau_is_neutral() -> None:
    (section,) = compose(CHANGEMENT, MOUVEMENT, RADIATION).sections
    assert [ligne.bureau for ligne in lignes(section)] == ["0001", "0001 → 0002"]
    assert [ligne.motif for ligne in lignes(section, 1)] == ["Décès"]
    assert section.parties[0].total == (
        "Total des additions : deux (2) électeurs, dont un (1) changement de bureau"
    )
    bilan = section.bilan
    assert (
        bilan.inscriptions,
        bilan.radiations,
        bilan.arrivees,
        bilan.departs,
        bilan.changements,
    ) == (1, 1, 0, 0, 1)
    assert bilan.apres == bilan.avant


def test_bureaux_are_in_the_order_of_their_numbers_and_none_is_lost() -> None:
    codes = ["10", "2", "A", ""]
    liste = replace(LIBREVILLE, bureaux=[BureauElecteurs(code, "", 5) for code in codes])
    came = Mouvements([mouvement(nouveau_bureau="0099"), mouvement(id=2, nouveau_bureau="")])
    tableau = compose_tableau(demande(presentation=PAR_BUREAU), liste, came)
    titres = [section.titre for section in tableau.sections]
    assert titres == [
        "Bureau 2",
        "Bureau 10",
        "Bureau 0099",
        "Bureau A",
        "Électeurs sans bureau de vote",
        "Commune de LIBREVILLE",
    ]
    assert [bool(section.code) for section in tableau.sections] == [*[True] * 5, False]
    assert (
        sum(section.bilan.apres for section in tableau.sections[:-1])
        == tableau.sections[-1].bilan.apres
        == 22
    )


@given(st.lists(st.tuples(NOMS, NOMS), min_size=2))
def test_the_key_of_a_line_keeps_the_order_of_its_names(named: list[tuple[str, str]]) -> None:
    personnes = [replace(PERSONNE, nom_naissance=nom, prenoms=prenoms) for nom, prenoms in named]

    def key(personne: Personne) -> tuple[tuple[str, ...], ...]:
        return sort_key(personne.nom_naissance), sort_key(personne.prenoms)

    assert sorted(personnes, key=order_key) == sorted(personnes, key=key)


def test_an_elector_who_vanishes_while_the_tableau_is_drawn_is_not_left_out_in_silence() -> None:
    class Vanishing(Mouvements):
        def fetch(self, ids: Sequence[int]) -> Iterator[Mouvement]:
            return super().fetch(ids[1:])

    tableau = compose_tableau(demande(), LIBREVILLE, Vanishing([MOUVEMENT, mouvement(id=9)]))
    with pytest.raises(CountMismatchError, match="demandés au registre : 2, lus : 1"):
        lignes(tableau.sections[0])


def test_a_posted_tableau_prints_the_category_of_the_motif_only() -> None:
    struck = mouvement(RADIATION, motif="Condamnation : 2 ans d'inéligibilité", nom_usage="DURAND")
    (section,) = compose(struck).sections
    assert (lignes(section, 1)[0].motif, lignes(section, 1)[0].nom_usage) == ("Décès", "")


@pytest.mark.parametrize("presentation", Presentation)
def test_only_the_commission_s_copy_says_that_it_is_not_to_be_posted(
    presentation: Presentation,
) -> None:
    posted, read = (compose(MOUVEMENT, edition=one, presentation=presentation) for one in Edition)
    is_recapitulatif = presentation is Presentation.RECAPITULATIF
    assert posted.mention == ("Document de travail — ne pas publier" if is_recapitulatif else "")
    assert read.mention == "Exemplaire de la commission — ne pas afficher"


@pytest.mark.parametrize("edition", Edition)
def test_the_address_of_a_protected_person_is_masked(edition: Edition) -> None:
    tableau = compose(mouvement(is_protegee=True), edition=edition)
    assert lignes(tableau.sections[0])[0].adresse == "Adresse non communiquée"
    assert "Adresse non communiquée : Code électoral, art. L. 37." in tableau.notes
    assert "ABEILLES" not in str(lignes(tableau.sections[0]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "14/03/1962 à MARSEILLE (13)"),
        ({"date_naissance": "1953-08-00"}, "00/08/1953 à MARSEILLE (13)"),
        ({"commune_naissance": "ORAN", "departement_naissance": "99", "pays_naissance": "ALGÉRIE"},
         "14/03/1962 à ORAN (ALGÉRIE)"),
        ({"commune_naissance": "", "departement_naissance": "99", "pays_naissance": "MAROC"}, "14/03/1962 à MAROC"),
        ({"commune_naissance": "", "departement_naissance": "", "pays_naissance": ""}, "14/03/1962"),
        ({"date_naissance": ""}, "MARSEILLE (13)"),
    ],
)  # fmt: skip
def test_birth(values: dict[str, Any], expected: str) -> None:
    assert format_naissance(replace(PERSONNE, **values)) == expected


def test_it_is_provisional_until_its_date() -> None:
    eve = datetime(2014, 1, 9, 22, 59, tzinfo=UTC)
    assert compose(requested_at=eve).is_provisoire
    assert not compose(requested_at=datetime(2014, 1, 9, 23, 1, tzinfo=UTC)).is_provisoire


@pytest.mark.parametrize(
    ("type_", "values", "expected", "final_on"),
    [
        (TypeTableau.PREMIER_RECTIFICATIF, {}, date(2014, 1, 10), date(2014, 1, 10)),
        (TypeTableau.ADDITIONS, {"scrutin": date(2017, 4, 23)}, date(2017, 2, 6), date(2017, 2, 6)),
        (TypeTableau.CINQ_JOURS, {"scrutin": MUNICIPALES}, date(2014, 3, 18), date(2014, 3, 19)),
        (TypeTableau.VINGT_JOURS, VINGT_JOURS, date(2026, 2, 21), date(2026, 2, 21)),
        (
            TypeTableau.VINGT_JOURS,
            VINGT_JOURS | {"until": None},
            date(2026, 2, 23),
            date(2026, 2, 23),
        ),
        (
            TypeTableau.VINGT_JOURS,
            VINGT_JOURS | {"publication": date(2026, 2, 22)},
            date(2026, 2, 22),
            date(2026, 2, 22),
        ),
        (
            TypeTableau.CINQ_JOURS_REU,
            VINGT_JOURS | {"until": None},
            date(2026, 3, 9),
            date(2026, 3, 10),
        ),
    ],
)
def test_the_date_of_each_tableau_and_the_day_from_which_it_is_final(
    type_: TypeTableau, values: dict[str, Any], expected: date, final_on: date
) -> None:
    asked = demande(type_, **values)
    assert (asked.effective_on, asked.final_on) == (expected, final_on)


@pytest.mark.parametrize(
    ("commune", "midnight"),
    [
        ("13900", "2026-03-09T23:00Z"),
        ("98735", "2026-03-10T10:00Z"),
        ("97411", "2026-03-09T20:00Z"),
    ],
)
def test_a_tableau_is_final_once_the_last_day_of_its_mouvements_is_over(
    commune: str, midnight: str
) -> None:
    over = datetime.fromisoformat(midnight)
    is_provisoire = [
        demande(
            TypeTableau.CINQ_JOURS_REU,
            **VINGT_JOURS
            | {
                "until": None,
                "requested_at": over + timedelta(seconds=seconds),
                "code_commune": commune,
            },
        ).is_provisoire
        for seconds in (-1, 0)
    ]
    assert is_provisoire == [True, False]


IS_SHOWN = (
    "Ce tableau indique les inscriptions et les radiations intervenues depuis le 13/01/2026, "
    "jusqu’au 20/02/2026."
)


@pytest.mark.parametrize(
    "private",
    [{"edition": Edition.COMMISSION}, {"presentation": Presentation.RECAPITULATIF}],
    ids=str,
)
def test_what_is_not_posted_tells_a_citizen_nothing(private: dict[str, Any]) -> None:
    asked = {"is_signed_by_maire": True} | VINGT_JOURS | private
    tableau = compose(type_=TypeTableau.VINGT_JOURS, **asked)
    assert tableau.notes[0].replace("Ce récapitulatif compte", "Ce tableau indique") == IS_SHOWN
    assert tableau.avis == ()
    assert tableau.signatures is None, "the mayor signs what is published"


def test_a_posted_tableau_tells_a_citizen_what_it_is_and_both_cases_of_article_l_20() -> None:
    tableau = compose(type_=TypeTableau.VINGT_JOURS, **VINGT_JOURS)
    shown, days, consulted, electors, *_ = tableau.avis
    assert (shown, days[:10]) == (IS_SHOWN, "Publié le ")
    assert "se consulte en mairie" in consulted
    assert "réclamer l’inscription d’un électeur omis" in electors
    assert "la radiation d’un électeur indûment inscrit" in electors
    assert "contester la décision de radiation ou d’inscription d’un électeur" in electors
    assert not {*tableau.avis} & {*tableau.notes}


def test_a_recapitulatif_does_not_look_like_the_tableau_that_is_published() -> None:
    asked = VINGT_JOURS | {"presentation": Presentation.RECAPITULATIF}
    posted = compose(type_=TypeTableau.VINGT_JOURS, **VINGT_JOURS)
    recapitulatif = compose(type_=TypeTableau.VINGT_JOURS, **asked)
    assert recapitulatif.titre == "Récapitulatif des mouvements"
    assert recapitulatif.reference_legale == ""
    assert recapitulatif.mention == "Document de travail — ne pas publier"
    assert posted.mention == ""
    assert [note for note in recapitulatif.notes if "ne se publie pas" in note]


@pytest.mark.parametrize(
    ("code_commune", "court"),
    [
        ("97411", "judiciaire"),
        ("97502", "de première instance"),
        ("97701", "de première instance"),
        ("97801", "de première instance"),
        ("98613", "de première instance"),
        ("98735", "de première instance"),
    ],
)
def test_a_tableau_names_the_court_of_its_territory(code_commune: str, court: str) -> None:
    """Code électoral, art. L. 386, L. 387, L. 477, L. 504 and L. 531."""
    for type_ in (TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU):
        *others, last = appeals_of(type_, code_commune)
        assert last == f"Le tribunal compétent est le tribunal {court} de ____________________."
        assert not any("judiciaire" in said for said in others)


def test_a_last_day_that_is_no_declared_meeting_is_called_what_it_is() -> None:
    tableau = compose(type_=TypeTableau.VINGT_JOURS, **(VINGT_JOURS | {"scrutin": None}))
    assert tableau.objet == "Mouvements jusqu’au 20 février 2026"


@pytest.mark.parametrize(
    ("after", "printed"),
    [
        (None, "03/02/2026"),
        (date(2026, 1, 20), "entre le 20/01/2026 et le 03/02/2026"),
        (date.min, "le 03/02/2026 au plus tard"),
    ],
)
def test_an_unknown_day_is_printed_as_the_days_it_lies_between(
    after: date | None, printed: str
) -> None:
    found = mouvement(MOUVEMENT, date_mouvement=date(2026, 2, 3), after=after)
    tableau = compose(found, type_=TypeTableau.VINGT_JOURS, **VINGT_JOURS)
    assert [ligne.date for ligne in lignes(tableau.sections[0])] == [printed]


IN_PERIOD: dict[str, Any] = {"date_mouvement": date(2026, 3, 2), "etat": Etat.APPLIQUE}


def test_the_five_days_show_inscriptions_of_article_l_30_and_radiations_only() -> None:
    """Instruction INTA1830120J, III.C."""
    tableau = compose(
        mouvement(
            MOUVEMENT,
            id=1,
            nom_naissance="TARDIVE",
            categorie=Categorie.INSCRIPTION_L30,
            **IN_PERIOD,
        ),
        mouvement(MOUVEMENT, id=2, nom_naissance="VOLONTAIRE", **IN_PERIOD),
        mouvement(
            MOUVEMENT, id=3, nom_naissance="INCONNUE", categorie=Categorie.NON_PRECISEE, **IN_PERIOD
        ),
        mouvement(CHANGEMENT, id=4, nom_naissance="GIROUETTE", **IN_PERIOD),
        mouvement(RADIATION, id=5, nom_naissance="PARTIE", **IN_PERIOD),
        type_=TypeTableau.CINQ_JOURS_REU,
        presentation=Presentation.PAR_BUREAU,
        scrutin=date(2026, 3, 15),
        reunion=date(2026, 2, 20),
    )
    first, second, commune = tableau.sections
    assert [[ligne.nom_naissance for ligne in lignes(first, part)] for part in range(2)] == [
        ["TARDIVE"],
        ["PARTIE"],
    ]
    assert lignes(second) == lignes(second, 1) == ()
    assert [it.bilan.others for it in tableau.sections] == [1, 1, 2]
    assert (commune.bilan.avant, commune.bilan.apres) == (1500 - 2, 1500)
    for section in tableau.sections:
        bilan = section.bilan
        assert bilan.avant + bilan.inscriptions - bilan.radiations + bilan.others == bilan.apres


POLLS = (MUNICIPALES, EUROPEENNES)
YEARLY = [
    *(
        demande(TypeTableau.PREMIER_RECTIFICATIF, date_tableau=one)
        for one in (date(2013, 10, 10), JANVIER)
    ),
    demande(TypeTableau.SECOND_RECTIFICATIF, date_tableau=FEVRIER),
    demande(TypeTableau.ADDITIONS, scrutin=EUROPEENNES),
    demande(TypeTableau.ADDITIONS, scrutin=MUNICIPALES),
    demande(TypeTableau.CINQ_JOURS, scrutin=MUNICIPALES),
    demande(TypeTableau.CINQ_JOURS, scrutin=EUROPEENNES),
    demande(TypeTableau.PREMIER_RECTIFICATIF, date_tableau=date(2015, 1, 10)),
]
"""Every tableau of the samples, the earliest first."""


def figures(asked: Demande, moved: Sequence[Mouvement], moment: str) -> Mapping[str, int]:
    """Electors before or after, by the title of the bureau or of the commune, where they are not zero."""
    asked = replace(asked, presentation=Presentation.RECAPITULATIF)
    made: Iterable[Section] = compose_tableau(asked, LIBREVILLE, Mouvements(moved)).sections
    return {one.titre: number for one in made if (number := getattr(one.bilan, moment))}


def applied(moved: Sequence[Mouvement]) -> list[Mouvement]:
    return [replace(one, etat=Etat.APPLIQUE) for one in moved]


def requested_on(day: date) -> list[Demande]:
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return [replace(one, requested_at=at, scrutins=POLLS) for one in YEARLY]


DAYS = st.dates(date(2013, 9, 1), date(2015, 1, 31))


@pytest.mark.slow
@given(mouvements(), DAYS)
def test_from_revision_to_revision_once_they_are_applied(moved: list[Mouvement], day: date) -> None:
    for first, second in pairwise(requested_on(day)):
        assert figures(first, applied(moved), "apres") == figures(second, applied(moved), "avant")


@given(mouvements(), DAYS)
def test_the_last_tableau_leaves_the_list_of_now(moved: list[Mouvement], day: date) -> None:
    left = figures(requested_on(day)[-1], applied(moved), "apres")
    assert left == {
        "Bureau 0001 — HOTEL DE VILLE": BUREAUX[0].electeurs,
        "Bureau 0002 — ECOLE JULES FERRY": BUREAUX[1].electeurs,
        "Commune de LIBREVILLE": sum(bureau.electeurs for bureau in BUREAUX),
    }
