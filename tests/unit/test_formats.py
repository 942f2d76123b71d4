"""Each format has its records, and one that e-listelec does not take is never shown as one to deposit."""

import pytest

from producers.web.depot.deposits import find_to_correct, find_to_deposit
from producers.web.dossier.assembly import by_liste, write_readme
from schemas.vocabulary import FORMATS, FileFormat, Format, Liste
from tests.unit.asked_files import ready_list
from worker.writers.electeurs_file import LISTE_FORMATS


def test_every_format_has_its_records() -> None:
    assert set(FORMATS) == set(FileFormat)
    assert set(LISTE_FORMATS) == set(Format)
    for format_ in Format:
        record = FORMATS[FileFormat(format_)]
        assert record.usage, f"the screen says when to choose {format_}"
        assert LISTE_FORMATS[format_].read or not record.may_be_deposited, f"deposits of {format_} are compared"


def test_a_list_in_a_format_of_ours_alone_is_not_to_be_deposited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, FileFormat.XML, FORMATS[FileFormat.XML]._replace(may_be_deposited=False))
    csv, xml, wrong = ready_list(1), ready_list(2, format="xml"), ready_list(3, format="xml", bloquantes=1)
    assert find_to_deposit([csv, xml]) == [csv]
    assert find_to_correct([wrong]) == []
    assert by_liste([csv, xml, wrong])[Liste.PRINCIPALE] == [csv]
    assert "ne prend pas ce format" in write_readme("13900", "LIBREVILLE", [("ne-pas-deposer/x", xml)]).decode()
