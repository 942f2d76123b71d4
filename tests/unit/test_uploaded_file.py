"""The content of an uploaded file, in pieces of any size, and the kind of change of a value."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.web.verifier import diagnosis as uploaded_file
from producers.web.verifier.diagnosis import (
    CsvComparison,
    UploadedFile,
    ValueChange,
    compare,
    examine,
    explain,
)
from tests.ruined.catalogue import OF_ANOTHER_KIND, Ruined

MADE = "TypeListe;Code;Naissance;Nom\nG;05110;14/03/1962;ÉCLUSE\nG;13900;01/02/1980;ŁUCARNE\n"


def _examine(content: bytes, name: str = "liste.csv") -> UploadedFile:
    return examine(io.BytesIO(content), name)


def _compare(text: str, encoding: str = "utf-8") -> CsvComparison:
    content = text.encode(encoding)
    return compare(io.BytesIO(MADE.encode()), io.BytesIO(content), _examine(content))


@given(st.binary(max_size=200), st.integers(1, 7))
def test_pieces_of_any_size_say_the_same(content: bytes, size: int) -> None:
    whole = _examine(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uploaded_file, "CHUNK", size)
        pieces = _examine(content)
    assert (pieces.sha256, pieces.size, pieces.lines) == (whole.sha256, whole.size, whole.lines)
    assert (pieces.has_crlf, pieces.is_utf8, pieces.has_quotes) == (whole.has_crlf, whole.is_utf8, whole.has_quotes)
    assert whole.is_utf8 is _is_utf8(content)


@pytest.mark.parametrize("ruined", OF_ANOTHER_KIND, ids=[it.name for it in OF_ANOTHER_KIND])
def test_what_an_import_would_not_read_is_named_to_whoever_uploads_it(ruined: Ruined) -> None:
    uploaded = _examine(ruined.content, ruined.name)
    said = " ".join(explain(uploaded, None, None))
    if uploaded.kind.value == uploaded.extension:
        assert "Par son contenu" not in said, "the module makes such files too"
    elif uploaded.is_workbook:
        assert "C'est un classeur de tableur" in said
    else:
        assert uploaded.kind.label in said or "Le fichier est vide" in said


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        ("liste-P-13900-20261125-093000.csv", ["liste-P-13900-20261125-093000.csv"]),
        ("C:\\Temp\\liste-P-13900-20261125-093000 (1).xml", ["liste-P-13900-20261125-093000.xml"]),
        ("liste-P-13900-20261125-093000-2.csv", ["liste-P-13900-20261125-093000-2.csv"]),
        ("Copie de liste-P-13900-20261125-093000.XLSX", ["liste-P-13900-20261125-093000.csv"]),
        (
            "tableau-vingt_jours-P-13900-par_bureau-20261125-093000.pdf",
            ["tableau-vingt_jours-P-13900-par_bureau-20261125-093000.pdf"],
        ),
        ("electeurs.csv", []),
        ("", []),
    ],
)
def test_the_name_that_a_file_had_is_found_again(name: str, likely: list[str]) -> None:
    assert _examine(b"x", name).likely_names[:1] == likely


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("05110", "5110", ValueChange.ZEROS),
        ("14/03/1962", "1962-03-14", ValueChange.DATE),
        ("14/03/1962", "14/03/62", ValueChange.DATE),
        ("ŁUCARNE", "?UCARNE", ValueChange.LETTERS),
        ("ÉCLUSE", "ÉCLUSE ", ValueChange.SPACES),
        ("ÉCLUSE", "ÉCLUSÉ", ValueChange.OTHER),
        ("13900", "13901", ValueChange.OTHER),
        ("14/03/1962", "", ValueChange.OTHER),
    ],
)
def test_a_changed_value_is_told_by_its_kind(old: str, new: str, change: ValueChange) -> None:
    result = _compare(MADE.replace(old, new, 1))
    assert dict(result.changes) == {change: 1}
    assert result.has_same_titles
    assert result.first in {2, 3}


def test_the_way_of_writing_is_no_change_of_values() -> None:
    quoted = "\n".join(";".join(f'"{value}"' for value in line.split(";")) for line in MADE.splitlines())
    for text, encoding in (
        (MADE, "utf-8-sig"),
        (MADE.replace("\n", "\r\n"), "utf-8"),
        (MADE.replace(";", ","), "utf-8"),
        (quoted, "utf-8"),
    ):
        assert not _compare(text, encoding).changed, (text, encoding)


@given(st.binary(max_size=300))
def test_no_bytes_are_too_strange_to_compare(content: bytes) -> None:
    found = compare(io.BytesIO(MADE.encode()), io.BytesIO(content), _examine(content))
    assert found.made == 3
