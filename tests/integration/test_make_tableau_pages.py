"""Whoever changes one mouvement changes the pages that show it, those of its figures, and no other."""

import pytest

from schemas.tableaux import TypeTableau
from tests.integration.tableau_desk import Made, TableauDesk, open_desk
from tests.integration.tableau_register import (
    CHANGEMENT,
    INSCRIPTION,
    RADIATION,
    REUNION,
    REUNION_PRECEDENTE,
    SCRUTIN,
    named,
    write_register,
)
from tests.parts.databases import ON_SQLITE
from tests.parts.town import MIGRATED_TEMPLATE

pytestmark = [
    pytest.mark.integration,
    pytest.mark.database(MIGRATED_TEMPLATE),
    pytest.mark.desk(opened_by=open_desk),
    pytest.mark.slow,
]

ROWS = [
    *(INSCRIPTION | named(f"LANTERNE {number:02}") for number in range(70)),
    *(INSCRIPTION | named(f"TAMBOURIN {number}", nouveau_bureau="2") for number in range(5)),
    *(RADIATION | named(f"ÉPUISETTE {number}", ancien_bureau="10") for number in range(5)),
    CHANGEMENT | named("GIROUETTE", ancien_bureau="2", nouveau_bureau="10"),
    INSCRIPTION | named("TROP TARD", date_mouvement=SCRUTIN),
    RADIATION | named("TROP TARD", date_mouvement=SCRUTIN),
]
COMMUNE = "Commune de LIBREVILLE I."
IN_THE_FIRST, IN_THE_SECOND, IN_THE_TENTH = "Bureau 1 —", "Bureau 2 —", "Bureau 10 —"

NOTHING: list[str] = [
    "SET motif = 'Recours' WHERE nom_naissance = 'LANTERNE 35'",
    "SET nationalite = 'Belge' WHERE nom_naissance = 'LANTERNE 35'",
    "SET prenoms = 'Ève' WHERE nom_naissance = 'TROP TARD'",
    "SET ancien_bureau = '77' WHERE nom_naissance = 'LANTERNE 35'",
    "SET id = 1000 WHERE nom_naissance = 'LANTERNE 35'",
]
"""What no posted tableau of the principal list prints."""

CHANGES: list[tuple[str, tuple[str, ...]]] = [
    ("SET adresse = '5 Quai des Orties' WHERE nom_naissance = 'LANTERNE 35'", ("LANTERNE 35",)),
    ("SET nom_naissance = 'LANTERNE 35 BIS' WHERE nom_naissance = 'LANTERNE 35'", ("LANTERNE 35",)),
    ("SET prenoms = 'Zoë' WHERE nom_naissance = 'LANTERNE 69'", ("LANTERNE 69",)),
    ("SET date_naissance = '1962-03-15' WHERE nom_naissance = 'TAMBOURIN 3'", (IN_THE_SECOND,)),
    ("SET commune_naissance = 'GAP' WHERE nom_naissance = 'ÉPUISETTE 3'", (IN_THE_TENTH,)),
    ("SET numero = 13 WHERE nom_naissance = 'LANTERNE 00'", ("LANTERNE 00",)),
    ("SET categorie = 'inscription_office' WHERE nom_naissance = 'LANTERNE 00'", ("LANTERNE 00",)),
    ("SET prenoms = 'Ève' WHERE nom_naissance = 'GIROUETTE'", (IN_THE_SECOND, IN_THE_TENTH)),
    ("SET nouveau_bureau = '10' WHERE nom_naissance = 'TAMBOURIN 3'", (IN_THE_SECOND, IN_THE_TENTH)),
    ("SET is_protegee = true WHERE nom_naissance = 'LANTERNE 35'", ("LANTERNE 35", COMMUNE)),
    ("SET date_mouvement = '2026-09-18' WHERE nom_naissance = 'TAMBOURIN 3'", (IN_THE_SECOND, COMMUNE)),
    ("SET liste = 'CE' WHERE nom_naissance = 'ÉPUISETTE 3'", (IN_THE_TENTH, COMMUNE)),
    ("SET nature = 'inscription', nouveau_bureau = '10' WHERE nom_naissance = 'ÉPUISETTE 3'", (IN_THE_TENTH, COMMUNE)),
    ("SET nouveau_bureau = '2' WHERE nom_naissance = 'GIROUETTE'", (IN_THE_SECOND, IN_THE_TENTH, COMMUNE)),
    ("SET etat = 'actif' WHERE nom_naissance = 'TAMBOURIN 3'", (IN_THE_SECOND, COMMUNE)),
]


@pytest.fixture
def desk(desk: TableauDesk) -> TableauDesk:
    write_register(desk.engine, ROWS, electeurs={"1": 40, "2": 25, "10": 6})
    return desk


@ON_SQLITE
def test_one_change_shows_on_its_pages_and_on_no_other(desk: TableauDesk) -> None:
    before = _make(desk)
    assert sum("LANTERNE" in page for page in before.pages) == 6, "the first bureau takes several pages"
    assert len(before.pages) == 9
    for change, marks in CHANGES:
        after = _tampered(desk, change)
        changed = {number for number, page in enumerate(before.pages) if page != after.pages[number]}
        shown = {number for number, page in enumerate(before.pages) if any(mark in page for mark in marks)}
        assert changed == shown, change
        assert len(after.pages) == len(before.pages)
    assert _make(desk).content == before.content


@ON_SQLITE
def test_what_is_not_printed_changes_no_byte(desk: TableauDesk) -> None:
    before = _make(desk)
    assert {_tampered(desk, change).content for change in NOTHING} == {before.content}


def _tampered(desk: TableauDesk, change: str) -> Made:
    """The tableau while a mouvement is not what it was."""
    desk.run("CREATE TABLE kept AS SELECT * FROM mouvement")
    desk.run(f"UPDATE mouvement {change}")
    made = _make(desk)
    desk.run("DELETE FROM mouvement")
    desk.run("INSERT INTO mouvement SELECT * FROM kept")
    desk.run("DROP TABLE kept")
    return made


def _make(desk: TableauDesk) -> Made:
    asked = {"scrutin": SCRUTIN, "reunion": REUNION_PRECEDENTE, "until": REUNION, "presentations": ["par_bureau"]}
    return desk.make(TypeTableau.VINGT_JOURS, **asked)
