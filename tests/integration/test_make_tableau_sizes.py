"""No line, electors without a bureau, dirty values: each tableau is whole."""

from itertools import pairwise

import pytest

from schemas.tableaux import TypeTableau
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
from tests.parts.pdf import check_archive
from tests.parts.town import MIGRATED_TEMPLATE
from worker.handlers.making import make_tableau

pytestmark = [pytest.mark.integration, pytest.mark.database(MIGRATED_TEMPLATE), pytest.mark.desk(opened_by=open_desk)]

VINGT_JOURS = {"types": [TypeTableau.VINGT_JOURS], "scrutin": SCRUTIN, "reunion": REUNION_PRECEDENTE, "until": REUNION}


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
