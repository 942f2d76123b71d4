"""The ZIP of a dossier, and the comparison of its tableaux with its list."""

import io
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import pytest

from producers.records import PieceFile
from producers.web import dossier as assembly
from producers.web.dossier import DossierFile, Reconciled, judge, write_reconciliation
from producers.web.exports.query import AskedFile
from producers.web.exports.stored_file import Delivery, FileAlteredError
from producers.web.security import AgentCommune
from schemas.profiles.platform import read_shipped
from schemas.tableaux import TypeTableau
from schemas.vocabulary import ExportKind
from tests.unit.asked_files import ready_list

CONTENT = b"bonjour"
SHA256 = "2cb4b1431b84ec15d35ed83bb927e27e8967d75f4bcd9cc4b25c8d879ae23e18"
ASKED = ready_list(1, size=len(CONTENT), sha256=SHA256)


def seal(monkeypatch: pytest.MonkeyPatch, found: bytes) -> Delivery:
    """A dossier of one file, whose content is these bytes at the time of the copy."""

    def open_asked(_root: Path, it: AskedFile) -> Delivery:
        return Delivery(PieceFile(it.file_name, len(CONTENT), SHA256), io.BytesIO(found))

    monkeypatch.setattr(assembly, "open_asked", open_asked)
    return assembly.seal(Path(), AgentCommune("13900", "LIBREVILLE"), [ASKED], [], read_shipped())


def test_an_entry_bears_its_date_and_the_rights_of_a_plain_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dossier = seal(monkeypatch, CONTENT)
    with ZipFile(io.BytesIO(b"".join(dossier))) as archive:
        entry = archive.getinfo("LISEZ-MOI.txt")
        assert archive.testzip() is None
    made = assembly.DossierFile(ASKED).moment.timetuple()[:6]
    assert entry.date_time == (*made[:5], made[5] - made[5] % 2)
    assert entry.external_attr >> 16 == 0o100644
    assert (entry.extra, entry.comment, entry.compress_type) == (b"", b"", ZIP_STORED)
    assert dossier.is_complete


@pytest.mark.parametrize("found", [b"bonjouR", b"bonjou", b""])
def test_a_file_that_changes_while_it_is_copied_makes_no_dossier(
    monkeypatch: pytest.MonkeyPatch, found: bytes
) -> None:
    with pytest.raises(FileAlteredError):
        seal(monkeypatch, found)


OF_LISTE = {"liste_on": "2026-11-25", "version": 7, "electeurs": 102}
OF_TABLEAU = OF_LISTE | {
    "tableau_on": "2026-11-20",
    "age_on": "2026-12-13",
    "apres": 103,
    "differences": {"of_age_later": 2, "came_since": 1},
    "unexplained": 0,
}
GROWS = {
    "is_on": "tableau",
    "nom_naissance": "GERBOISE",
    "prenoms": "Zoé",
    "date_naissance": "2008-12-01",
    "bureau": "0001",
    "message": "dix-huit ans le 01/12/2026 : compte pour le tableau, pas encore sur la liste",
}
COMES = GROWS | {
    "is_on": "liste",
    "nom_naissance": "GIRAFON",
    "message": "inscription du 24/11/2026, après le tableau",
}


def _liste(**changes: Any) -> Any:  # noqa: ANN401 — an AskedFile
    return ready_list(1, electeurs=102, reconciliation=OF_LISTE | changes)


def _tableau(**changes: Any) -> Any:  # noqa: ANN401 — an AskedFile
    return ready_list(
        2,
        kind=ExportKind.TABLEAU,
        type_tableau=TypeTableau.VINGT_JOURS,
        reconciliation=OF_TABLEAU | changes,
    )


@pytest.mark.parametrize(
    ("tableau", "liste", "expected"),
    [
        ({}, {}, Reconciled.EXPLAINED),
        ({"differences": {}, "apres": 102}, {}, Reconciled.AGREES),
        ({"unexplained": -1}, {}, Reconciled.CONTRADICTS),
        ({}, {"electeurs": 101}, Reconciled.CONTRADICTS),
        ({}, {"version": 6}, Reconciled.OTHER_REGISTER),
        ({}, {"liste_on": "2026-11-24"}, Reconciled.OTHER_DAY),
    ],
)
def test_the_verdict(tableau: dict[str, Any], liste: dict[str, Any], expected: Reconciled) -> None:
    assert judge(_tableau(**tableau), _liste(**liste)) is expected


def test_what_cannot_be_held_together() -> None:
    assert judge(_tableau(), None) is Reconciled.NO_LISTE
    assert judge(_tableau(unexplained=2), None) is Reconciled.CONTRADICTS
    former = ready_list(3, reconciliation=None)
    assert judge(_tableau(), former) is Reconciled.NOT_RECONCILED
    assert judge(former, _liste()) is Reconciled.NOT_RECONCILED


def test_the_page_names_who_differs_and_why() -> None:
    files = [DossierFile(_liste()), DossierFile(_tableau(), [GROWS, COMES])]
    page = write_reconciliation(AgentCommune("13900", "LIBREVILLE"), files)
    text = " ".join(page.decode("utf-8-sig").split())
    assert (
        "La liste et le tableau s'accordent à l'électeur près : ceux qui diffèrent sont nommés ici."
        in text
    )
    assert "103 électeurs après ce tableau, arrêté au 20/11/2026 (âge compté au 13/12/2026)" in text
    assert "102 électeurs sur la liste du 25/11/2026." in text
    assert "− GERBOISE Zoé, 01/12/2008, bureau 0001 : dix-huit ans le 01/12/2026" in text.replace(
        "\u00a0", " "
    )
    assert "+ GIRAFON Zoé" in text
    assert max(map(len, page.decode("utf-8-sig").splitlines())) < 100


def test_a_contradiction_is_said_aloud() -> None:
    page = write_reconciliation(
        AgentCommune("13900", "LIBREVILLE"), [DossierFile(_tableau(unexplained=-2))]
    )
    text = " ".join(page.decode("utf-8-sig").replace("\u00a0", " ").split())
    assert "ATTENTION : la liste et le tableau se contredisent." in text
    assert "Écart que rien n'explique : -2." in text
