"""Completing what an export of the REU does not say: a CSV file goes to the clerk and comes back."""

from pathlib import Path

import pytest

from schemas.vocabulary import Categorie, Nature
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, VOISINE
from tests.integration.mouvements_desk import MouvementsDesk, open_desk
from tests.ruined.archives import workbook
from tests.unit.reu_sample import BUREAU, PRENOMS, electeurs
from worker.errors import ImportRefusedError
from worker.exports.audit import Actor
from worker.handlers.note_register import read_completed
from worker.registre.mouvements.motifs import count_without_categorie, write_motifs

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=open_desk)]


@pytest.fixture
def desk(desk: MouvementsDesk) -> MouvementsDesk:
    """A comparison that made a radiation, an inscription and a change of bureau."""
    first = electeurs(6)
    desk.load(first)
    newcomer = electeurs(1)[0] | {PRENOMS: "=Ursule"}
    desk.compare([first[1] | {BUREAU: "0002"}, *first[2:], newcomer])
    return desk


def _write(desk: MouvementsDesk) -> Path:
    path = desk.folder / "motifs.csv"
    with desk.engine.begin() as connection:
        assert write_motifs(connection, COMMUNE, path) == count_without_categorie(connection, COMMUNE)
    return path


def _note(desk: MouvementsDesk, path: Path, commune: str = COMMUNE) -> int:
    with desk.engine.begin() as connection:
        return read_completed(connection, commune, path, by=Actor("moi")).noted


def _complete(path: Path, nature: Nature, categorie: str, motif: str = "", encoding: str = "utf-8-sig") -> Path:
    """What a clerk does in a spreadsheet, which writes dates its own way."""
    lines = path.read_text("utf-8-sig").replace("1962-03-14", "14/03/1962").splitlines()
    done = [line.removesuffix(";;") + f";{categorie};{motif}" if f";{nature};" in line else line for line in lines]
    path.write_text("\n".join(done), encoding)
    return path


def _said(desk: MouvementsDesk) -> dict[Nature, tuple[Categorie, str]]:
    return {it.nature: (it.categorie, it.motif) for it in desk.mouvements()}


def test_the_file_names_what_is_not_said_and_nothing_else(desk: MouvementsDesk) -> None:
    title, *lines = _write(desk).read_text("utf-8-sig").splitlines()
    assert title == "mouvement;liste;nature;date;nom de naissance;prénoms;date de naissance;catégorie;motif"
    assert [line.split(";", 1)[1] for line in lines] == [
        "P;inscription;2026-11-25;D'AUBIGNE;'=Ursule;1962-03-14;;",
        "P;radiation;2026-11-25;D'AUBIGNE;Zoé A;1962-03-14;;",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "cp1252"])
def test_a_completed_file_is_noted(desk: MouvementsDesk, encoding: str) -> None:
    path = _complete(_write(desk), Nature.RADIATION, "Décès", "Décès à l’hôpital", encoding)
    assert _note(desk, path) == 1
    assert _said(desk)[Nature.RADIATION] == (Categorie.RADIATION_DECES, "Décès à l’hôpital")
    assert _said(desk)[Nature.INSCRIPTION] == (Categorie.NON_PRECISEE, ""), "left for later"
    with desk.engine.connect() as connection:
        assert count_without_categorie(connection, COMMUNE) == 1


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
        assert count_without_categorie(connection, VOISINE) == 0


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
