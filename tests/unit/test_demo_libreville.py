"""The demonstration commune, and the files of any size made from the same invented people."""

import csv
import re
import tracemalloc
import unicodedata
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from bench.people import (
    EUROPEENNE,
    LIBREVILLE,
    MUNICIPALE,
    PRINCIPALE,
    iter_electeurs,
    sizes_of,
    write_departement,
    write_town,
)
from worker.demo.libreville import COLUMNS, libreville_rows, write_reu

Rows = list[dict[str, str]]

TODAY = date(2026, 11, 24)
LISTE, NOM, PRENOMS, BORN = "libellé du type de liste", "nom de naissance", "prénoms", "date de naissance"
UGLE, BUREAU, CANTON = "code du l'ugle", "code du bureau de vote", "libellé canton du bureau de vote"
QUOTED_OR_EMPTY = r'(?:"(?:[^"]|"")+")?'
LINE = re.compile(rf"(?:{QUOTED_OR_EMPTY};){{26}}[^\";]*")


def _read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def _of_liste(rows: Rows, liste: str) -> Rows:
    return [row for row in rows if row[LISTE].capitalize() == liste]


def _are_minors(rows: Rows, today: date) -> list[str]:
    """The surnames of those who are not 18 even when what is unknown of their date is as early as can be."""
    births = [(row[NOM], [int(part) for part in reversed(row[BORN].split("/"))]) for row in rows]
    return [nom for nom, (year, *rest) in births if [year + 18, *rest] > [today.year, today.month, today.day]]


def _is_latin_1(text: str) -> bool:
    return all(ord(letter) < 256 for letter in text)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """The demonstration as a reader of its file finds it, the NUL included."""
    path = tmp_path_factory.mktemp("demo") / "libreville.csv"
    write_reu(path, today=TODAY, with_nul=True)
    return _read(path)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """A town of 20,000 electors, of the ordinary kind."""
    path = tmp_path_factory.mktemp("demo") / "town.csv"
    write_town(path, 20_000, today=TODAY)
    return _read(path)


def test_the_file_is_written_as_the_platform_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "reu.csv"
    write_reu(path, today=TODAY)
    raw = path.read_bytes()
    assert raw.startswith(b'"code du l\'ugle";"')
    assert raw.endswith(b"\n")
    assert not {b"\r", b"\0"} & {bytes([byte]) for byte in raw}
    lines = raw.decode().removesuffix("\n").split("\n")
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert len(lines) == 1 + 330 + 24 + 20
    assert _read(path) == libreville_rows(today=TODAY)


def test_the_lists_have_the_size_of_a_village(rows: Rows) -> None:
    assert Counter(row[LISTE].capitalize() for row in rows) == {PRINCIPALE: 330, MUNICIPALE: 24, EUROPEENNE: 20}
    assert {row[UGLE] for row in rows} == {"13900"}


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (BORN, {"00/00/1953", "00/08/1955", "1961"}),
        ("numéro de voie", {"Sans", "0", "12 BIS", "12-14", ""}),
        ("commune", {"LIBREVILLE", "Libreville", "LIBRE VILLE", "LIBRE-VILLE", "LONDON", ""}),
        ("pays", {"FRANCE", "France", "ROYAUME-UNI", ""}),
        ("pays de naissance", {"FRANCE", "France", "U.R.S.S.", "ALGERIE", ""}),
        (
            "code département de naissance",
            {"2A", "2B", "20", "91", "92", "93", "94", "99", "974", "988", "75", "78", ""},
        ),
        (
            "code commune de naissance",
            {"13201", "75114", "69381", "91352", "92352", "93352", "94352", "75066", "78018"},
        ),
        ("code postal", {"13900", "SW1A 1AA", "1000", "05110", ""}),
        (BUREAU, {"0001", "1", "0002", "0003", "0004", ""}),
        ("code circonscription législative du bureau de vote", {"13-16", ""}),
        ("numéro d'ordre dans le bureau de vote", {"0", ""}),
        ("sexe", {"M", "F", ""}),
    ],
)
def test_a_column_holds_what_real_files_hold(rows: Rows, column: str, values: set[str]) -> None:
    assert values <= {row[column] for row in rows}


@pytest.mark.parametrize("start", ["=cmd", "+33", "@", "-", " "])
def test_some_values_begin_as_a_formula_or_a_space(rows: Rows, start: str) -> None:
    assert any(value.startswith(start) for row in rows for value in row.values())


@pytest.mark.parametrize(
    "hidden", ["\t", "  ", ";", '"', "\ufeff", "\u00a0", "\u202f", "\a", "\x1b", "\0", "’", "'", "\u0301"]
)
def test_some_values_hold_a_character_that_breaks_readers(rows: Rows, hidden: str) -> None:
    assert any(hidden in value for row in rows for value in row.values())


def test_homonyms_differ_by_address_and_number_only(rows: Rows) -> None:
    first, second = (row for row in rows if row[NOM] == "HORLOGE" and row[PRENOMS] == "Victorin")
    same = {column for column in COLUMNS if first[column] == second[column]}
    assert {NOM, PRENOMS, BORN, "code commune de naissance"} <= same
    assert not {"libellé de voie", "numéro d'ordre dans le bureau de vote"} & same


def test_one_bureau_has_no_canton_and_the_others_have_one(rows: Rows) -> None:
    cantons = {bureau: {row[CANTON] for row in rows if row[BUREAU] == bureau} for bureau in ("0002", "0003", "0004")}
    assert cantons == {"0002": {"LIBREVILLE-1"}, "0003": {""}, "0004": {"LIBREVILLE-2"}}


def test_most_europeans_are_on_both_complementary_lists(rows: Rows) -> None:
    identity = (NOM, PRENOMS, BORN, "libellé de voie", BUREAU)
    municipale, europeenne = (
        {tuple(row[column] for column in identity) for row in _of_liste(rows, liste)}
        for liste in (MUNICIPALE, EUROPEENNE)
    )
    assert len(europeenne) == 20
    assert len(municipale & europeenne) == 19


@pytest.mark.parametrize("today", [TODAY, date(2027, 1, 1), date(2028, 2, 29), date(2031, 3, 1), date(2040, 12, 31)])
def test_minors_are_minors_whenever_the_demonstration_runs(today: date) -> None:
    assert _are_minors(libreville_rows(today=today), today) == ["CERISAIE", "NOISERAIE", "CIBOULETTE"]


@pytest.mark.slow
def test_two_runs_differ_by_the_dates_around_eighteen_years_only() -> None:
    now, later = libreville_rows(today=TODAY), libreville_rows(today=date(2030, 6, 15))
    assert libreville_rows(today=TODAY) == now
    changed = {
        (row[NOM], column)
        for row, other in zip(now, later, strict=True)
        for column in COLUMNS
        if row[column] != other[column]
    }
    assert changed == {(nom, BORN) for nom in ("CERISAIE", "NOISERAIE", "CIBOULETTE", "PRIMEVÈRE", "GIBOULÉE")}


def test_a_larger_file_begins_with_the_electors_of_a_smaller_one(tmp_path: Path, town: Rows) -> None:
    write_town(tmp_path / "village.csv", 2_500, today=TODAY)
    village = _of_liste(_read(tmp_path / "village.csv"), PRINCIPALE)
    assert len(village) == 2_500
    assert _of_liste(town, PRINCIPALE)[:2_500] == village


@pytest.mark.slow
def test_a_town_is_like_a_real_one(town: Rows) -> None:
    sizes = Counter(row[LISTE] for row in town)
    assert sizes == {PRINCIPALE: 20_000, MUNICIPALE: 123, EUROPEENNE: 114}
    assert len(_are_minors(town, TODAY)) == pytest.approx(20_000 * 2_482 / 1_840_917, rel=0.5)
    assert 2 <= sum(row[BORN].startswith("00/") for row in town) <= 25
    assert sum(not _is_latin_1(row[NOM]) for row in town) == pytest.approx(200, rel=0.3)
    assert len({row[BUREAU] for row in town}) == 23
    assert (
        Counter((row[LISTE], row[BUREAU], row["numéro d'ordre dans le bureau de vote"]) for row in town).most_common(1)[
            0
        ][1]
        == 1
    )


def test_a_town_has_none_of_the_nasty_cases(town: Rows) -> None:
    values = {value for row in town for value in row.values()}
    assert all(value == " ".join(value.split()) == unicodedata.normalize("NFC", value) for value in values)
    assert not any(value.startswith(("=", "+", "-", "@")) or any(c in value for c in ';"\0\ufeff') for value in values)
    needed = set(COLUMNS) - {"nom d'usage", PRENOMS, "numéro de voie", "libellé de voie", "lieu-dit", "pays"}
    needed -= {"complément 1", "complément 2"}
    assert all(row[column] for row in town for column in needed)
    assert all(row["libellé de voie"] or row["lieu-dit"] for row in town)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_size() -> None:
    peaks = []
    for size in (1_000, 1_000, 20_000):
        tracemalloc.start()
        for _ in iter_electeurs(LIBREVILLE, sizes_of(size), TODAY):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 100_000


def test_a_departement_has_exactly_the_lines_asked_for(tmp_path: Path) -> None:
    communes = [
        ("2A004", "Ajaccio"),
        ("97105", "Basse-Terre"),
        ("59350", "Saint-Œuf-lès-Mûriers"),
        ("01001", "L'Étang"),
    ]
    path = tmp_path / "departement.csv"
    write_departement(path, communes, 5_000, today=TODAY)
    rows = _read(path)
    assert len(rows) == 5_000
    assert [(row[UGLE], row["libellé de l'ugle"]) for row in rows if row[LISTE] == MUNICIPALE][-1] == (
        "01001",
        "L'ETANG",
    )
    assert list(dict.fromkeys(row[UGLE] for row in rows)) == [code for code, _ in communes]
    assert {row["code postal"] for row in rows} == {"20000", "97100", "59000", "01000"}
    spellings = {row["commune"] for row in rows if row[UGLE] == "59350"}
    assert spellings == {
        "SAINT-OEUF-LES-MURIERS",
        "Saint-Œuf-lès-Mûriers",
        "SAINT OEUF LES MURIERS",
        "ST OEUF LES MURIERS",
    }
    sizes = Counter(row[UGLE] for row in rows).most_common()
    assert sizes[0][1] > 2 * sizes[-1][1]


def test_a_departement_too_small_for_its_communes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 communes"):
        write_departement(tmp_path / "departement.csv", [("13900", "Libreville"), ("13901", "Autreville")], 1)
    assert not (tmp_path / "departement.csv").exists()
