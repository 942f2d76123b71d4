"""LIBREVILLE's second export, its mouvements and its calendar, whenever the demonstration runs."""

import csv
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from common.calendrier import commission_between, is_poll_day
from worker.demo.libreville import (
    COLUMNS,
    FEVRIER,
    JANVIER,
    LIBREVILLE,
    SCRUTIN_2018,
    ReuRow,
    demo_calendrier,
    first_rows,
    libreville_rows,
    second_rows,
    write_mouvements,
    write_reu,
    write_second_reu,
)
from worker.registre.mouvements.importer import TITLES

TODAY = date(2026, 11, 25)
DAYS = [TODAY, date(2027, 1, 10), date(2027, 1, 11), date(2028, 2, 29), date(2029, 12, 31)]
IDENTITE = ("nom de naissance", "prénoms", "date de naissance")


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


@pytest.mark.parametrize("write", [write_second_reu, write_mouvements])
def test_the_files_are_the_same_in_every_run(tmp_path: Path, write: object) -> None:
    for name in ("one.csv", "two.csv"):
        write(tmp_path / name, TODAY)  # type: ignore[operator]
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_the_second_export_is_an_export(tmp_path: Path) -> None:
    write_second_reu(tmp_path / "second.csv", TODAY)
    write_reu(tmp_path / "first.csv", today=TODAY)
    second, first = _read(tmp_path / "second.csv"), _read(tmp_path / "first.csv")
    assert tuple(second[0]) == COLUMNS
    assert {row["code du l'ugle"] for row in second} == {LIBREVILLE.code}
    common = Counter(tuple(row.values()) for row in second) & Counter(tuple(row.values()) for row in first)
    assert len(first) - 60 < common.total() < len(first) - 30, "most electors are what they were"


def test_the_commission_s_numbers_of_newcomers_are_free() -> None:
    rows = list(second_rows(TODAY))
    places = Counter((row.liste, row.bureau, row.numero_ordre) for row in rows if row.numero_ordre.startswith("7"))
    assert max(places.values()) == 1


@pytest.mark.parametrize("today", DAYS)
def test_the_calendar_is_one_that_the_law_allows(today: date) -> None:
    days = demo_calendrier(today)
    assert is_poll_day(days.scrutin, LIBREVILLE.code)
    first, last = commission_between(days.scrutin)
    assert first <= days.reunion <= last
    assert days.reunion_precedente < days.reunion < today < days.scrutin - timedelta(days=5)


def test_the_archives_are_of_2018() -> None:
    assert is_poll_day(SCRUTIN_2018, LIBREVILLE.code)
    assert {JANVIER.year, FEVRIER.year, SCRUTIN_2018.year} == {2018}


@pytest.mark.parametrize("today", DAYS)
def test_the_mouvements_fit_the_columns(tmp_path: Path, today: date) -> None:
    write_mouvements(tmp_path / "mouvements.csv", today)
    rows = _read(tmp_path / "mouvements.csv")
    assert list(rows[0]) == list(TITLES.values())
    assert {row["liste"] for row in rows} == {"P", "CE", "CM"}
    assert {row["effet"] for row in rows} == {"1erMars", "Immediat", "Election"}
    assert any(row["protégé"] for row in rows)


def test_nobody_is_in_two_mouvements_nor_changed_by_the_second_export(tmp_path: Path) -> None:
    write_mouvements(tmp_path / "mouvements.csv", TODAY)
    rows = [row for row in _read(tmp_path / "mouvements.csv") if row["liste"] == "P"]
    people = Counter(tuple(row[title] for title in IDENTITE) for row in rows)
    assert max(people.values()) == 1
    first = {ReuRow(*row.values()) for row in libreville_rows(today=TODAY)}
    changed = first ^ set(second_rows(TODAY))
    assert not set(people) & {(row.nom, row.prenoms, row.date_naissance) for row in changed}


def test_homonyms_stand_one_after_the_other_in_the_first_export() -> None:
    horloges = [
        place for place, row in enumerate(first_rows(TODAY)) if (row.nom, row.prenoms) == ("HORLOGE", "Victorin")
    ]
    assert [after - before for before, after in pairwise(horloges)] == [3]
