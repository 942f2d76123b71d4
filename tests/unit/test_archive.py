"""The ZIP of a dossier: its entries have their dates, and a file that changes while it is written is refused."""

import io
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import pytest

from producers.records import PieceFile
from producers.web.dossier import assembly
from producers.web.exports.query import AskedFile
from producers.web.exports.stored_file import Delivery, FileAlteredError
from tests.unit.asked_files import ready_list

CONTENT = b"bonjour"
SHA256 = "2cb4b1431b84ec15d35ed83bb927e27e8967d75f4bcd9cc4b25c8d879ae23e18"
ASKED = ready_list(1, size=len(CONTENT), sha256=SHA256)


def seal(monkeypatch: pytest.MonkeyPatch, found: bytes) -> Delivery:
    """A dossier of one file, whose content is these bytes at the time of the copy."""

    def open_asked(_root: Path, it: AskedFile) -> Delivery:
        return Delivery(PieceFile(it.file_name, len(CONTENT), SHA256), io.BytesIO(found))

    monkeypatch.setattr(assembly, "open_asked", open_asked)
    return assembly.seal(Path(), "13900", "LIBREVILLE", [ASKED])


def test_an_entry_bears_its_date_and_the_rights_of_a_plain_file(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_file_that_changes_while_it_is_copied_makes_no_dossier(monkeypatch: pytest.MonkeyPatch, found: bytes) -> None:
    with pytest.raises(FileAlteredError):
        seal(monkeypatch, found)
