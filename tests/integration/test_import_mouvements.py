"""Importing a CSV file of mouvements: all of its lines or none, once, and taken back."""

import hashlib
from pathlib import Path

import pytest

from tests.integration.import_desk import TWO_COMMUNES
from tests.integration.mouvements_desk import MouvementsDesk, open_desk
from tests.unit.mouvement_csv import lignes, write_mouvements
from worker.errors import ImportRefusedError

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=open_desk)]


def _write(desk: MouvementsDesk, rows: list[dict[str, str]], name: str = "mouvements.csv") -> Path:
    return write_mouvements(desk.folder / name, rows)


def test_the_lines_of_a_file_become_mouvements_in_their_order(desk: MouvementsDesk) -> None:
    path = _write(desk, lignes(3, motif=" Arrivée\u00a0à  Marseille"))
    summary = desk.load_mouvements(path)
    assert (summary.lines_read, summary.lines_kept, summary.lines_rejected) == (3, 3, 0)
    assert (summary.values_cleaned, summary.report) == (3, None)
    found = desk.mouvements()
    assert [it.personne.prenoms for it in found] == ["Zoé A", "Zoé B", "Zoé C"]
    assert {it.motif for it in found} == {"Arrivée à Marseille"}
    record = "SELECT kind, file_name, sha256, imported_by, lines_kept, finished_at IS NOT NULL FROM import"
    [(kind, *rest, is_finished)] = desk.rows(record)
    assert (kind, bool(is_finished)) == ("mouvements", True)
    assert rest == ["mouvements.csv", hashlib.sha256(path.read_bytes()).hexdigest(), "test", 3]


def test_a_file_that_holds_known_mouvements_is_told_so(desk: MouvementsDesk) -> None:
    desk.load_mouvements(_write(desk, lignes(3)))
    with pytest.raises(ImportRefusedError, match=r"3 lignes rejetées sur 4 : mouvement déjà dans le registre \(3\)"):
        desk.load_mouvements(_write(desk, lignes(4)))
    assert len(desk.mouvements()) == 3
    summary = desk.load_mouvements(_write(desk, lignes(4)), accept_rejects=True)
    assert (summary.lines_kept, summary.lines_rejected) == (1, 3)
    assert [it.personne.prenoms for it in desk.mouvements()] == ["Zoé A", "Zoé B", "Zoé C", "Zoé D"]


def test_rejected_lines_are_reported_and_must_be_accepted(desk: MouvementsDesk) -> None:
    rows = [*lignes(2), *lignes(1, nature="naissance"), *lignes(1, commune="97999")]
    path = _write(desk, rows)
    with pytest.raises(ImportRefusedError) as refusal:
        desk.load_mouvements(path)
    assert "2 lignes rejetées sur 4" in str(refusal.value)
    assert desk.mouvements() == []
    summary = desk.load_mouvements(path, accept_rejects=True)
    assert summary.report == desk.folder / "mouvements-rejets.csv"
    assert summary.report.read_text("utf-8-sig").splitlines() == [
        "Ligne;Colonne;Motif",
        "4;nature;nature : valeur inconnue ou illisible",
        "5;commune;commune inconnue : 97999",
    ]
    assert len(desk.mouvements()) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "le fichier est vide"),
        (b"a;b\n1;2\n", "ce n'est pas un fichier de mouvements"),
        ("commune;liste;état\n".encode("utf-16"), "UTF-16.*enregistrez-le en « CSV UTF-8 »"),
    ],
)
def test_a_file_that_is_not_ours_is_refused(desk: MouvementsDesk, content: bytes, message: str) -> None:
    path = desk.folder / "mouvements.csv"
    path.write_bytes(content)
    with pytest.raises(ImportRefusedError, match=message):
        desk.load_mouvements(path)


def test_bytes_that_are_not_utf_8_reject_their_line_only(desk: MouvementsDesk) -> None:
    path = _write(desk, lignes(2))
    path.write_bytes(path.read_bytes().replace("Zoé B".encode(), b"Zo\xe9 B"))
    summary = desk.load_mouvements(path, accept_rejects=True)
    assert (summary.lines_kept, dict(summary.reasons)) == (1, {"octets illisibles dans l'encodage du fichier": 1})
