"""Completing what an export of the REU does not say: a CSV file goes to the clerk and comes back."""

from datetime import date
from pathlib import Path

import pytest

from schemas.vocabulary import Categorie, Nature
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, VOISINE
from tests.integration.mouvements_desk import JOUR, MouvementsDesk, open_desk
from tests.ruined.archives import workbook
from tests.unit.reu_sample import BUREAU, PRENOMS, electeurs
from worker.errors import ImportRefusedError
from worker.exports.audit import Actor
from worker.handlers.note_register import read_completed
from worker.registre.imports.chain import set_taken_on
from worker.registre.mouvements.motifs import count_incomplete, write_motifs
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=open_desk)]


FIRST = date(2026, 9, 10)
"""The day of the export before; the second one is of JOUR, 25/11/2026."""


@pytest.fixture
def desk(desk: MouvementsDesk) -> MouvementsDesk:
    """A comparison that made a radiation, an inscription and a change of bureau."""
    first = electeurs(6)
    desk.load(first, intake=Intake(FIRST))
    newcomer = electeurs(1)[0] | {PRENOMS: "=Ursule"}
    desk.compare([first[1] | {BUREAU: "0002"}, *first[2:], newcomer])
    return desk


def _write(desk: MouvementsDesk) -> Path:
    path = desk.folder / "motifs.csv"
    with desk.engine.begin() as connection:
        assert write_motifs(connection, COMMUNE, path) == count_incomplete(connection, COMMUNE)
    return path


def _note(desk: MouvementsDesk, path: Path, commune: str = COMMUNE) -> int:
    with desk.engine.begin() as connection:
        return read_completed(connection, commune, path, by=Actor("moi")).noted


def _complete(
    path: Path, nature: Nature, categorie: str = "", motif: str = "", encoding: str = "utf-8-sig", *, jour: str = ""
) -> Path:
    """What a clerk does in a spreadsheet, which writes dates its own way."""
    lines = path.read_text("utf-8-sig").replace("1962-03-14", "14/03/1962").splitlines()
    done = [
        line.removesuffix(";;;") + f";{jour};{categorie};{motif}" if f";{nature};" in line else line for line in lines
    ]
    path.write_text("\n".join(done), encoding)
    return path


def _said(desk: MouvementsDesk) -> dict[Nature, tuple[Categorie, str]]:
    return {it.nature: (it.categorie, it.motif) for it in desk.mouvements()}


def test_the_file_names_what_is_not_said_and_nothing_else(desk: MouvementsDesk) -> None:
    title, *lines = _write(desk).read_text("utf-8-sig").splitlines()
    assert title == (
        "mouvement;liste;nature;après le;au plus tard le;"
        "nom de naissance;prénoms;date de naissance;date;catégorie;motif"
    )
    assert [line.split(";", 1)[1] for line in lines] == [
        "P;inscription;10/09/2026;25/11/2026;D'AUBIGNE;'=Ursule;1962-03-14;;;",
        "P;radiation;10/09/2026;25/11/2026;D'AUBIGNE;Zoé A;1962-03-14;;;",
    ]


def _dates(desk: MouvementsDesk) -> dict[Nature, tuple[date | None, date]]:
    return {it.nature: (it.after, it.date_mouvement) for it in desk.mouvements()}


def test_the_day_of_a_mouvement_is_unknown_until_it_is_noted(desk: MouvementsDesk) -> None:
    assert set(_dates(desk).values()) == {(FIRST, JOUR)}
    path = _complete(_write(desk), Nature.RADIATION, jour="12/10/2026")
    assert _note(desk, path) == 1
    assert _dates(desk)[Nature.RADIATION] == (None, date(2026, 10, 12))
    assert _dates(desk)[Nature.INSCRIPTION] == (FIRST, JOUR)
    assert _said(desk)[Nature.RADIATION] == (Categorie.NON_PRECISEE, ""), "an empty cell changes nothing"
    with desk.engine.connect() as connection:
        assert count_incomplete(connection, COMMUNE) == 2, "the radiation has no category"
    _note(desk, _complete(path, Nature.INSCRIPTION, "Inscription volontaire", jour="2026-11-25"))
    with desk.engine.connect() as connection:
        assert count_incomplete(connection, COMMUNE) == 1


@pytest.mark.parametrize("jour", ["10/09/2026", "26/11/2026", "12/10/2025"])
def test_a_day_that_is_not_between_the_two_exports_is_refused(desk: MouvementsDesk, jour: str) -> None:
    path = _complete(_write(desk), Nature.RADIATION, jour=jour)
    with pytest.raises(ImportRefusedError) as refused:
        _note(desk, path)
    said = f"ligne 3 : le {jour} n'est pas possible : après le 10/09/2026, au plus tard le 25/11/2026"
    assert str(refused.value) == said
    assert _dates(desk)[Nature.RADIATION] == (FIRST, JOUR)


def test_an_export_that_is_redated_moves_undated_mouvements_only(desk: MouvementsDesk) -> None:
    _note(desk, _complete(_write(desk), Nature.RADIATION, jour="12/10/2026"))
    set_taken_on(desk.engine, 2, date(2026, 11, 20))
    assert _dates(desk)[Nature.RADIATION] == (None, date(2026, 10, 12))
    assert _dates(desk)[Nature.INSCRIPTION] == (FIRST, date(2026, 11, 20))
    set_taken_on(desk.engine, 1, date(2026, 9, 30))
    assert _dates(desk)[Nature.INSCRIPTION] == (date(2026, 9, 30), date(2026, 11, 20)), "the interval is not stored"


@pytest.mark.parametrize(("import_id", "day"), [(2, date(2026, 10, 11)), (1, date(2026, 10, 12))])
def test_a_day_of_an_export_that_contradicts_a_noted_date_is_refused(
    desk: MouvementsDesk, import_id: int, day: date
) -> None:
    _note(desk, _complete(_write(desk), Nature.RADIATION, jour="12/10/2026"))
    with pytest.raises(ImportRefusedError, match="a une date notée que ce jour contredit"):
        set_taken_on(desk.engine, import_id, day)


def test_two_exports_of_one_day_leave_no_doubt_about_the_day(desk: MouvementsDesk) -> None:
    desk.compare([*electeurs(1), *electeurs(6)[2:]], accept_changes=True)
    assert all(it.after is None for it in desk.mouvements() if it.date_mouvement == JOUR and it.id > 3)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "cp1252"])
def test_a_completed_file_is_noted(desk: MouvementsDesk, encoding: str) -> None:
    path = _complete(_write(desk), Nature.RADIATION, "Décès", "Décès à l’hôpital", encoding, jour="12/10/2026")
    assert _note(desk, path) == 1
    assert _said(desk)[Nature.RADIATION] == (Categorie.RADIATION_DECES, "Décès à l’hôpital")
    assert _said(desk)[Nature.INSCRIPTION] == (Categorie.NON_PRECISEE, ""), "left for later"
    with desk.engine.connect() as connection:
        assert count_incomplete(connection, COMMUNE) == 1


def test_a_file_that_was_completed_and_saved_as_a_workbook_is_noted(desk: MouvementsDesk) -> None:
    path = _complete(_write(desk), Nature.INSCRIPTION, "Inscription volontaire", "'=1")
    lines = [line.split(";") for line in path.read_text("utf-8-sig").splitlines()]
    path = path.with_suffix(".xlsx")
    path.write_bytes(workbook([int(cell) if cell.isdigit() else cell or None for cell in line] for line in lines))
    assert _note(desk, path) == 1
    assert _said(desk)[Nature.INSCRIPTION] == (Categorie.INSCRIPTION_VOLONTAIRE, "=1")


def test_what_was_said_can_be_corrected(desk: MouvementsDesk) -> None:
    path = _complete(_write(desk), Nature.INSCRIPTION, "inscription_office", "'=1")
    _note(desk, path)
    assert _said(desk)[Nature.INSCRIPTION] == (Categorie.INSCRIPTION_OFFICE, "=1")
    path.write_text(path.read_text("utf-8-sig").replace("inscription_office", "Inscription judiciaire"))
    _note(desk, path)
    assert _said(desk)[Nature.INSCRIPTION] == (Categorie.INSCRIPTION_JUDICIAIRE, "=1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("was", "becomes", "reason"),
    [
        (";Décès;", ";Déménagement;", "ligne 3 : catégorie inconnue"),
        (";;Décès;", ";hier;Décès;", "ligne 3 : date illisible : écrivez-la JJ/MM/AAAA"),
        (";Décès;", ";Inscription d’office;", "ligne 3 : cette catégorie n'est pas celle d'une radiation"),
        ("Zoé A", "Zoé B", "ligne 3 : ce mouvement n'est pas, ou plus, dans le registre"),
        ("\n{id};", "\n999;", "ligne 3 : ce mouvement n'est pas, ou plus, dans le registre"),
        ("\n{id};", "\nx;", "ligne 3 : ce mouvement n'est pas, ou plus, dans le registre"),
        ("catégorie", "cause", "n'est pas un fichier de « motifs --export ». Colonnes manquantes : catégorie"),
    ],
)
def test_a_line_that_cannot_be_noted_refuses_the_whole_file(
    desk: MouvementsDesk, was: str, becomes: str, reason: str
) -> None:
    before = _said(desk)
    path = _complete(_write(desk), Nature.RADIATION, "Décès")
    path = _complete(path, Nature.INSCRIPTION, "Inscription volontaire")
    number = desk.rows("SELECT id FROM mouvement WHERE nature = 'radiation'")[0][0]
    path.write_text(path.read_text("utf-8-sig").replace(was.format(id=number), becomes))
    with pytest.raises(ImportRefusedError, match=reason) as refused:
        _note(desk, path)
    assert "AUBIGNE" not in str(refused.value)
    assert _said(desk) == before


def test_the_mouvements_of_another_commune_are_not_touched(desk: MouvementsDesk) -> None:
    path = _complete(_write(desk), Nature.RADIATION, "Décès")
    with pytest.raises(ImportRefusedError, match="n'est pas, ou plus, dans le registre de la commune"):
        _note(desk, path, VOISINE)
    with desk.engine.connect() as connection:
        assert count_incomplete(connection, VOISINE) == 0


def test_a_file_that_is_there_is_not_replaced(desk: MouvementsDesk) -> None:
    path = _write(desk)
    written = path.read_text()
    with pytest.raises(ImportRefusedError, match="existe déjà ; donnez un autre nom"):
        _write(desk)
    assert path.read_text() == written


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "le fichier est vide"),
        (b"\x81\xff", "Colonnes manquantes : mouvement"),
        (b"%PDF-1.4", "c'est un PDF, et non un fichier CSV ; complétez le fichier de « motifs --export »"),
        (None, "fichier introuvable"),
    ],
)
def test_what_is_no_such_file_is_refused(desk: MouvementsDesk, content: bytes | None, reason: str) -> None:
    path = desk.folder / "autre.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImportRefusedError, match=reason):
        _note(desk, path)
