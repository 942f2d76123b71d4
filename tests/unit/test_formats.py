"""Each format, piece and channel has its record; a format that e-listelec does not accept is never offered."""

from pathlib import Path

import pytest

from producers.web.depot import find_to_correct, find_to_deposit
from producers.web.dossier.assembly import by_liste, write_readme
from schemas.vocabulary import FORMATS, PIECES, Channel, FileFormat, Format, Liste, Piece
from tests.unit.asked_files import ready_list
from worker.compose import build_senders
from worker.exports.naming import main_name, piece_name
from worker.exports.storage import Storage
from worker.settings import load_settings
from worker.writers.electeurs_file import LISTE_FORMATS


def test_every_format_has_its_records() -> None:
    assert set(FORMATS) == set(FileFormat)
    assert set(LISTE_FORMATS) == set(Format)
    for format_ in Format:
        record = FORMATS[FileFormat(format_)]
        assert record.usage, f"the screen says when to choose {format_}"
        assert LISTE_FORMATS[format_].read or not record.may_be_deposited, f"deposits of {format_} are compared"


def test_every_piece_has_its_record_and_a_name_that_leads_back_to_its_file() -> None:
    assert set(PIECES) == set(Piece) - {Piece.FICHIER, Piece.DOSSIER}
    for piece in PIECES:
        name = piece_name("liste-P-13900-20261125-093000-2.csv", piece)
        assert main_name(name) == "liste-P-13900-20261125-093000-2.csv"
        assert Storage(Path("/exports")).path("13900", name).name == name


def test_every_channel_has_its_sender(tmp_path: Path) -> None:
    assert set(build_senders(load_settings(database_url="sqlite://", home=tmp_path))) == set(Channel)


def test_a_list_in_a_format_of_ours_alone_is_not_to_be_deposited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, FileFormat.XML, FORMATS[FileFormat.XML]._replace(may_be_deposited=False))
    csv, xml, wrong = ready_list(1), ready_list(2, format="xml"), ready_list(3, format="xml", bloquantes=1)
    assert find_to_deposit([csv, xml]) == [csv]
    assert find_to_correct([wrong]) == []
    assert by_liste([csv, xml, wrong])[Liste.PRINCIPALE] == [csv]
    assert "ne prend pas ce format" in write_readme("13900", "LIBREVILLE", [("ne-pas-deposer/x", xml)]).decode()
