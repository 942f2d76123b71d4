"""No line and ten thousand, sixty bureaux, values as long as they come: nothing is cut, nothing overlaps."""

from itertools import pairwise

import pytest

from schemas.tableaux import Edition, Presentation, TypeTableau
from tests.integration.tableau_desk import TableauDesk, open_desk
from tests.integration.tableau_register import (
    INSCRIPTION,
    RADIATION,
    REUNION,
    REUNION_PRECEDENTE,
    SCRUTIN,
    named,
    write_register,
)
from tests.integration.tableau_words import squeezed
from tests.parts.pdf import check_archive, find_outside, find_overlaps, read_words
from tests.parts.town import MIGRATED_TEMPLATE
from worker.handlers.making import make_tableau

pytestmark = [pytest.mark.integration, pytest.mark.database(MIGRATED_TEMPLATE), pytest.mark.desk(opened_by=open_desk)]

VINGT_JOURS = {"types": [TypeTableau.VINGT_JOURS], "scrutin": SCRUTIN, "reunion": REUNION_PRECEDENTE, "until": REUNION}
LONGEST = ("51513", "SAINT-REMY-EN-BOUZEMONT-SAINT-GENEST-ET-ISSON")
BUREAU = "GROUPE SCOLAIRE DES TROIS-BROUETTES, SALLE POLYVALENTE DU REZ-DE-JARDIN, ENTRÉE PAR LA COUR DU PUITS"
ADRESSE = (
    "RÉSIDENCE LES TERRASSES DU TAMBOURIN, BÂTIMENT C, ESCALIER 12, APPARTEMENT 1204, "
    "11 TER BD DE LA LANTERNE, 51290 ST-REMY"
)
LONG = INSCRIPTION | {
    "code_commune": LONGEST[0],
    "liste": "CE",
    "nom_naissance": "DE LA BROUETTE-MONT-TAMBOURIN-D’ÉPUISETTE-DE-LA-LANTERNE",
    "nom_usage": "ANTICONSTITUTIONNELLEMENTINSÉCABLEETSANSAUCUNTRAITDUNION",
    "prenoms": "Marie-Antoinette Jean-Baptiste François-Xavier Élisabeth-Alexandrine",
    "commune_naissance": "LLANFAIRPWLLGWYNGYLLGOGERYCHWYRNDROBWLLLLANTYSILIOGOGOGOCH",
    "departement_naissance": "99",
    "pays_naissance": "ROYAUME-UNI DE GRANDE-BRETAGNE ET D'IRLANDE DU NORD",
    "adresse": ADRESSE,
    "nationalite": "Saint-Christophe-et-Niévès",
    "motif": "Inscription ordonnée par le tribunal, sur le recours de l'intéressée contre la décision du maire " * 2,
    "numero": 123_456,
}
WHOLE = ("nom_naissance", "nom_usage", "prenoms", "commune_naissance", "pays_naissance", "adresse", "nationalite")


@pytest.mark.slow
@pytest.mark.parametrize("presentation", Presentation)
def test_nothing_is_cut_and_nothing_overlaps(desk: TableauDesk, presentation: Presentation) -> None:
    assert (len(LONGEST[1]), len(BUREAU), len(ADRESSE)) == (45, 100, 120)
    lines = [LONG | {"numero": 100_000 + number} for number in range(9)]
    write_register(
        desk.engine, lines, commune=LONGEST, liste="CE", bureaux={"1": BUREAU}, electeurs={"1": 999_999 // 1000}
    )
    asked = {"signature_maire": True, "edition": Edition.COMMISSION, "listes": ["CE"]}
    made = desk.make(**VINGT_JOURS | asked, commune=LONGEST[0], presentations=[presentation])
    words = read_words(made.path)
    assert not find_outside(words)
    assert not find_overlaps(words)
    assert all(f"Commune de {LONGEST[1]} code INSEE 51513" in page for page in made.pages)
    text = squeezed(made.text)
    if presentation is not Presentation.COMMUNE:
        assert squeezed(f"Bureau 1 — {BUREAU}") in text
    if presentation is not Presentation.RECAPITULATIF:
        for line in lines:
            assert text.count(str(line["numero"])) == 1
        for column in (*WHOLE, "motif"):
            assert text.count(squeezed(LONG[column])) == len(lines), column


@pytest.mark.slow
def test_nobody(desk: TableauDesk) -> None:
    write_register(desk.engine, [])
    made = desk.make(**VINGT_JOURS)
    assert made.text.count("Néant") == 2
    assert "I. Inscriptions Néant Total des inscriptions : zéro (0) électeur II. Radiations Néant" in made.text
    assert "Électeurs avant 73 Inscriptions + 0 Radiations − 0 Électeurs après = 73" in made.text
    assert (made.row["electeurs"], made.row["pages"], made.row["bloquantes"]) == (0, 1, 0)
    (said,) = made.anomalies
    assert said[-1] == "couverture_inconnue", "nobody has told the register that there is nothing to tell"
    by_bureau = desk.make(**VINGT_JOURS, presentations=["par_bureau"])
    assert by_bureau.text.count("Néant") == 8


@pytest.mark.slow
@pytest.mark.parametrize("few", [0, 11, 12])
def test_how_many_are_held_changes_no_byte(desk: TableauDesk, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    write_register(desk.engine, [INSCRIPTION | named(f"PARAPLUIE {it:02}", motif="", categorie="") for it in range(12)])
    held = desk.make(**VINGT_JOURS)
    monkeypatch.setattr(make_tableau, "FEW", few)
    read_again = desk.make(**VINGT_JOURS)
    assert squeezed(read_again.text).count("PARAPLUIE") == 12
    assert [said[-1] for said in held.anomalies].count("motif_absent") == 12
    assert (read_again.content, read_again.anomalies) == (held.content, held.anomalies)
    assert read_again.row["lines_written"] == held.row["lines_written"] == 12


def test_electors_without_a_bureau_have_a_section_of_their_own(desk: TableauDesk) -> None:
    write_register(desk.engine, [INSCRIPTION | {"nouveau_bureau": ""}, RADIATION | {"ancien_bureau": "77"}])
    text = squeezed(desk.make(**VINGT_JOURS, presentations=["par_bureau"]).text)
    titles = [
        *("Bureau 1 — HÔTEL DE VILLE", "Bureau 2 — ÉCOLE D’ŒUVRARD", "Bureau 10 — GYMNASE DU LAC", "Bureau 77"),
        *("Électeurs sans bureau de vote", "Commune de LIBREVILLE"),
    ]
    places = [text.index(squeezed(f"{title} I. Inscriptions")) for title in titles]
    assert places == sorted(places)
    *_, of_77, without, commune = (text[start:end] for start, end in pairwise([*places, len(text)]))
    assert squeezed("3 Rue des Abeilles, 13900 LIBREVILLE – 20/01/2027 Inscription volontaire") in without
    assert squeezed("3 Rue des Abeilles, 13900 LIBREVILLE 77 20/01/2027 Décès") in of_77
    assert squeezed("Électeurs avant 73 Inscriptions + 1 Radiations − 1 Électeurs après = 73") in commune


@pytest.mark.slow
def test_values_that_a_service_wrote_dirty_are_printed_clean(desk: TableauDesk) -> None:
    dirty = named(" CO\u0302TELETTE\u00a0", "Zoe\u0301\t\u200bLise ", adresse="3\u00a0Rue\ndes  Abeilles\u0007")
    bureaux = {"1": " HO\u0302TEL\u00a0DE  VILLE\r\n"}
    write_register(desk.engine, [INSCRIPTION | dirty], bureaux=bureaux, electeurs={"1": 3})
    made = desk.make(**VINGT_JOURS, presentations=["par_bureau"])
    assert (
        "12 CÔTELETTE Zoé Lise 14/03/1962 à ARLES (13) 3 Rue des Abeilles 1 20/01/2027 Inscription volontaire"
        in made.text
    )
    assert "Bureau 1 — HÔTEL DE VILLE I. Inscriptions" in made.pages[0]
    assert check_archive(made.path) == ""
