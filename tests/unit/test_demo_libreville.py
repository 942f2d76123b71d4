"""The demonstration commune, whenever the demonstration runs."""

import csv
import re
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from worker.demo.libreville import COLUMNS, libreville_rows, write_reu

Rows = list[dict[str, str]]

TODAY = date(2026, 11, 24)
LISTE, NOM, BORN = "libellé du type de liste", "nom de naissance", "date de naissance"
QUOTED_OR_EMPTY = r'(?:"(?:[^"]|"")+")?'
LINE = re.compile(rf"(?:{QUOTED_OR_EMPTY};){{26}}[^\";]*")


def _read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def _are_minors(rows: Rows, today: date) -> list[str]:
    """The surnames of those who are not 18 even when what is unknown of their date is as early as can be."""
    births = [(row[NOM], [int(part) for part in reversed(row[BORN].split("/"))]) for row in rows]
    return [nom for nom, (year, *rest) in births if [year + 18, *rest] > [today.year, today.month, today.day]]


def test_the_file_is_written_as_the_platform_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "reu.csv"
    write_reu(path, today=TODAY)
    raw = path.read_bytes()
    assert raw.startswith(b'"code du l\'ugle";"')
    assert raw.endswith(b"\n")
    assert not {b"\r", b"\0"} & {bytes([byte]) for byte in raw}
    lines = raw.decode().removesuffix("\n").split("\n")
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert _read(path) == libreville_rows(today=TODAY)


def test_the_lists_have_the_size_of_a_village() -> None:
    sizes = Counter(row[LISTE].capitalize() for row in libreville_rows(today=TODAY))
    assert sizes.most_common() == [
        ("Liste principale", 330),
        ("Liste complémentaire municipale", 24),
        ("Liste complémentaire européenne", 20),
    ]


@pytest.mark.parametrize("today", [TODAY, date(2027, 1, 1), date(2028, 2, 29), date(2031, 3, 1), date(2040, 12, 31)])
def test_minors_are_minors_whenever_the_demonstration_runs(today: date) -> None:
    assert _are_minors(libreville_rows(today=today), today) == ["CERISAIE", "NOISERAIE", "CIBOULETTE"]


def test_runs_differ_by_the_dates_around_eighteen_years_only() -> None:
    now, later = libreville_rows(today=TODAY), libreville_rows(today=date(2030, 6, 15))
    changed = {
        (row[NOM], column)
        for row, other in zip(now, later, strict=True)
        for column in COLUMNS
        if row[column] != other[column]
    }
    assert changed == {(nom, BORN) for nom in ("CERISAIE", "NOISERAIE", "CIBOULETTE", "PRIMEVÈRE", "GIBOULÉE")}
