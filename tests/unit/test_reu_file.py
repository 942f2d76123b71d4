"""The bytes of a REU export: encodings, separators, and broken lines that do not break their neighbours."""

import csv
import io
import time
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schemas.profiles.source import read_reu
from tests.unit.reu_sample import NOM, TITLES, VALUES, VOIE, electeurs, write_reu
from worker.errors import ImportRefusedError
from worker.registre.imports.file import find_titles, split_file
from worker.registre.imports.sources import Broken, Record
from worker.registre.reu.lines import open_reu

HEADER = ";".join(TITLES)
LINE = ";".join(VALUES)


def _write(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_bytes("\n".join((HEADER, *lines)).encode(encoding))
    return path


def _records(path: Path) -> list[Record]:
    reu = open_reu(path, read_reu(), {})
    with path.open("rb") as stream:
        return list(reu.iter_records(stream, int))


def _records_here(path: Path) -> list[Record]:
    """In this process: one more for each example would take minutes."""
    with path.open("rb") as stream:
        found: Any = list(find_titles(stream))
    [(_, about, lines)] = found
    with path.open("rb") as stream:
        return cast("list[Record]", list(split_file(stream, about, len(lines[0]))))


def _fields(path: Path) -> list[list[str]]:
    return [fields for _, fields in _records(path) if not isinstance(fields, Broken)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("separator", [";", ","])
def test_encoding_and_separator_are_found(tmp_path: Path, encoding: str, separator: str) -> None:
    rows = electeurs(2, {NOM: "ŒUVRARD-FÉLIX", VOIE: 'Rue "du Cerf;Volant", fond'})
    path = write_reu(tmp_path / "reu.csv", rows, separator=separator, encoding=encoding)
    assert _fields(path) == [list(row.values()) for row in rows]
    assert any("cp1252" in note for note in open_reu(path, read_reu(), {}).notes) == (
        encoding == "cp1252"
    )


def test_a_header_without_accents_leaves_the_encoding_to_the_lines(tmp_path: Path) -> None:
    titles = {title: title.replace("é", "e") for title in TITLES}
    path = write_reu(
        tmp_path / "reu.csv", electeurs(1, {NOM: "FÉLIX"}), titles=titles, encoding="cp1252"
    )
    assert "cp1252" in open_reu(path, read_reu(), {}).notes[0]
    assert "FÉLIX" in _fields(path)[0]


def test_bytes_that_are_not_utf_8_stay_in_their_line(tmp_path: Path) -> None:
    path = write_reu(tmp_path / "reu.csv", electeurs(3))
    path.write_bytes(path.read_bytes().replace("Zoé B".encode(), "Zoé B".encode("cp1252")))
    names = [fields[5] for fields in _fields(path)]
    assert names == ["Zoé A", "Zo\udce9 B", "Zoé C"]


def test_windows_line_ends_and_blank_lines_are_no_lines(tmp_path: Path) -> None:
    path = _write(tmp_path / "reu.csv", LINE, "", LINE, "")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert _records(path) == [(2, list(VALUES)), (4, list(VALUES))]


@pytest.mark.parametrize("quoted", [LINE, ";".join(f'"{value}"' for value in VALUES)])
def test_a_quote_that_is_never_closed_costs_its_own_line_only(tmp_path: Path, quoted: str) -> None:
    path = _write(tmp_path / "reu.csv", quoted, LINE.replace("Rue", '"Rue'), quoted, quoted)
    assert [(line, fields is not Broken.QUOTES) for line, fields in _records(path)] == [
        (2, True),
        (3, False),
        (4, True),
        (5, True),
    ]


def test_a_file_of_quotes_that_never_close_is_read_in_linear_time(tmp_path: Path) -> None:
    """Each line was read to the end of the file: 1 MB stopped the imports of all communes for a quarter of an hour."""
    number = 15_000
    path = _write(tmp_path / "reu.csv", *['x";"'] * number)
    begun = time.process_time()
    assert [fields for _, fields in _records_here(path)] == [Broken.QUOTES] * (number - 1) + [
        Broken.CUT
    ]
    assert time.process_time() - begun < 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=27, max_size=27),
        max_size=5,
    )
)
def test_whatever_is_well_written_is_read_back(tmp_path: Path, rows: list[list[str]]) -> None:
    assume(all(len("".join(row).splitlines()) <= len(TITLES) for row in rows))
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";", lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
        [TITLES, *rows]
    )
    path = tmp_path / "reu.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    assert [fields for _, fields in _records_here(path)] == rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.binary(max_size=300))
def test_whatever_the_bytes_every_line_is_told(tmp_path: Path, noise: bytes) -> None:
    path = tmp_path / "reu.csv"
    path.write_bytes(HEADER.encode() + b"\n" + noise + b"\n" + LINE.encode())
    last = path.read_bytes().count(b"\n") + 1, list(VALUES)
    assert _records_here(path)[-1:] == [last] or b"\r" in noise or b'"' in noise


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefusedError, match="introuvable"):
        open_reu(tmp_path / "absent.csv", read_reu(), {})
    with pytest.raises(ImportRefusedError, match="dossier"):
        open_reu(tmp_path, read_reu(), {})
