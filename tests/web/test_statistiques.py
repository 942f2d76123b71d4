"""The figures of a register equal a second computation; nothing shown singles out a person of a bureau."""

import csv
import io
import re
from collections import Counter
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from sqlalchemy import insert

from producers.state import State
from producers.web import statistiques
from producers.web.statistiques import (
    AGES,
    CRITERIA,
    TOGETHER,
    UNKNOWN,
    break_down,
    count_electeurs,
    count_mouvements,
)
from schemas.vocabulary import CATEGORIES, Categorie, Nature
from tests.parts.databases import SqliteFiles
from tests.parts.town import MIGRATED_TEMPLATE
from tests.web.files_desk import FilesScreen
from worker.db.engine import build_engine
from worker.registre.models import Electeur, ListeCommunale, MouvementRegistre

DAY = date(2026, 11, 30)
_BUREAUX = ("0001", "0002", "0003", "")
_NATIONS = ("FRANÇAISE", "BELGE", "ITALIENNE", "")
_BIRTHS = ("1953-08-00", "1961-00-00", "", "hier", "0000-00-00", "2020-05-05")
"""Partial, absent, unreadable, and of a person who is too young to be on a list."""


class Person(NamedTuple):
    code_bureau: str
    sexe: str
    nationalite: str
    date_naissance: str


def _draw(random: Random, bureaux: int) -> Person:
    born = (DAY - timedelta(days=random.randint(16 * 366, 100 * 365))).isoformat()
    born = random.choice(_BIRTHS) if random.random() < 0.1 else born
    return Person(
        random.choice(_BUREAUX[-bureaux:]), random.choice("FM "), random.choice(_NATIONS), born
    )


def _age(born: str) -> int | None:
    """The age on the day, of a partial date the earliest; None if unknown."""
    parts = born.split("-")
    if len(parts) != 3 or not all(map(str.isdigit, parts)) or not int(parts[0]):
        return None
    year, month, day = map(int, parts)
    return DAY.year - year - ((month, day) > (DAY.month, DAY.day))


def _value(person: Person, criterion: str) -> str:
    if criterion == "sexe":
        return {"F": "Femmes", "M": "Hommes"}.get(person.sexe, UNKNOWN)
    if criterion == "nationalite":
        return person.nationalite or UNKNOWN
    age = _age(person.date_naissance)
    if age is None or age < 18:
        return UNKNOWN
    return AGES[0] if age < 25 else AGES[min((age - 15) // 10, len(AGES) - 1)]


@pytest.mark.parametrize(
    ("registers", "most"), [(150, 50), (150, 2), pytest.param(1_000, 1, marks=pytest.mark.slow)]
)
def test_a_second_computation_counts_the_same(
    sqlite_files: SqliteFiles,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    registers: int,
    most: int,
) -> None:
    monkeypatch.setattr(statistiques, "MOST_COLUMNS", most)
    url = sqlite_files.create(tmp_path / "registers.sqlite3", MIGRATED_TEMPLATE)
    random, numbers = Random(34), count(1)
    sizes = [(f"{code:05}", code % 4 + 1, random.randint(0, 60)) for code in range(registers)]
    towns = {
        code: [_draw(random, bureaux) for _ in range(electeurs)]
        for code, bureaux, electeurs in sizes
    }
    moves: dict[str, list[tuple[Nature, Categorie, date]]] = {}
    engine = build_engine(url)
    with engine.begin() as connection:
        connection.execute(
            insert(ListeCommunale), [{"code_commune": it, "liste": "P"} for it in towns]
        )
        rows = [
            {"code_commune": code, "liste": "P", **it._asdict()}
            for code, them in towns.items()
            for it in them
        ]
        former = rows[0] | {"version": 7, "nationalite": "D'UNE ANCIENNE VERSION"}
        connection.execute(insert(Electeur), [{"version": 0, **it} for it in (*rows, former)])
        mouvements = []
        for code in towns:
            moves[code] = [_move(random) for _ in range(random.randint(0, 6))]
            mouvements += [_row(code, *it, number=next(numbers)) for it in moves[code]]
        connection.execute(insert(MouvementRegistre), mouvements)
    engine.dispose()
    du, au = DAY - timedelta(days=60), DAY
    with State(url) as state:
        for code, people in towns.items():
            counted = [it for it in people if _age(it.date_naissance) not in (16, 17)]
            found = count_electeurs(state, code, "P", DAY)
            assert found.total == len(counted)
            assert found.by_bureau == Counter(it.code_bureau for it in counted)
            for criterion in CRITERIA:
                assert dict(found.of_commune(criterion)) == Counter(
                    _value(it, criterion) for it in counted
                )
                expected = Counter((it.code_bureau, _value(it, criterion)) for it in counted)
                cells = found.by_criterion[criterion]
                assert {(b, v): n for b, of in cells.items() for v, n in of.items()} == expected
                commune, columns, by_bureau = break_down(found, criterion)
                assert {bureau: row[-1] for bureau, row in by_bureau.items()} == found.by_bureau
                assert sum(number for _, number in commune) == len(counted)
                shown = len([it for it in columns if it != TOGETHER])
                assert shown <= most
                rest = [row[-1] - sum(row[:shown]) for row in by_bureau.values()]
                hidden = [number for value, number in commune if value not in {*columns, TOGETHER}]
                bounds = [(row + it - sum(rest), min(row, it)) for row in rest for it in hidden]
                assert not [most for least, most in bounds if least > 0 and most < 5], (
                    "what a reader can compute"
                )
                if columns:
                    assert all(sum(row[:-1]) == row[-1] for row in by_bureau.values())
                    assert not [it for row in by_bureau.values() for it in row if 0 < it < 5]
            dated = Counter(
                (nature, _words(nature, it)) for nature, it, day in moves[code] if du <= day <= au
            )
            assert count_mouvements(state, code, "P", du, au) == dated


class _Read(Counter[str]):
    """Counts the reads of cells, absent ones too."""

    reads = 0

    def __getitem__(self, key: str) -> int:
        _Read.reads += 1
        return super().__getitem__(key)


def test_many_nationalities_cost_few_reads_of_each_cell() -> None:
    cells = {"SEUL": _Read({"SEUL": 1})} | {f"{it:04}": _Read({f"N{it}": 5}) for it in range(200)}
    commune, columns, _ = break_down(statistiques.Electeurs({"nationalite": cells}), "nationalite")
    assert (len(commune), columns) == (201, []), (
        "each bureau has one nationality, and one bureau a single elector"
    )
    assert _Read.reads <= 2 * statistiques.MOST_COLUMNS * len(cells)


def _move(random: Random) -> tuple[Nature, Categorie, date]:
    nature = random.choice(list(Nature))
    known = (
        [*CATEGORIES[nature], Categorie.NON_PRECISEE]
        if nature is not Nature.MODIFICATION
        else CATEGORIES[nature]
    )
    return nature, random.choice(known), DAY - timedelta(days=random.randint(0, 120))


def _words(nature: Nature, categorie: Categorie) -> str:
    return "Changement de bureau" if nature is Nature.MODIFICATION else categorie.label or UNKNOWN


def _row(
    code: str, nature: Nature, categorie: Categorie, day: date, *, number: int
) -> dict[str, object]:
    about = {
        "code_commune": code,
        "liste": "P",
        "nature": nature,
        "effet": "Immediat",
        "etat": "applique",
    }
    bureaux = {"ancien_bureau": "0001", "nouveau_bureau": "0002"}
    return {
        "id": number,
        **about,
        **bureaux,
        "categorie": categorie,
        "date_tableau": day,
        "date_mouvement": day,
    }


def test_the_page_agrees_with_the_list_file_or_says_why_not(screen: FilesScreen) -> None:
    assert "Aucun fichier de cette liste n'est gardé" in screen.read_at("/statistiques")
    (made,) = screen.ask_and_make("P")
    electeurs = screen.desk.row(made)["electeurs"]
    said = screen.read_at("/statistiques")
    assert f"Liste principale : {electeurs} électeurs" in said.replace("\u202f", " ").replace(
        "  ", " "
    )
    assert "C'est le total du fichier du" in said
    screen.desk.run(
        "DELETE FROM electeur WHERE id = (SELECT min(e.id) FROM electeur e NATURAL JOIN liste WHERE e.liste = 'P'"
        " AND e.date_naissance < '1990')"
    )
    assert f"en compte {electeurs}" in screen.read_at("/statistiques")


def test_every_list_and_criterion_is_shown_and_downloaded(screen: FilesScreen) -> None:
    for liste in ("P", "CE", "CM"):
        for criterion in CRITERIA:
            assert CRITERIA[criterion] in screen.read_at(
                f"/statistiques?liste={liste}&critere={criterion}"
            )
    answer = screen.client.get(screen.path("/statistiques.csv"))
    lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    total = {line[0]: int(line[4]) for line in lines[1:] if line[1].startswith("Électeurs au")}
    for title in CRITERIA.values():
        for liste, number in total.items():
            assert sum(int(it[4]) for it in lines[1:] if it[:3] == [liste, title, ""]) == number
    assert "attachment" in answer.headers["content-disposition"]


def test_a_commune_of_one_bureau_shows_no_small_number(screen: FilesScreen) -> None:
    screen.desk.run("UPDATE electeur SET code_bureau = '0001'")
    page = screen.get("/statistiques?liste=CE&critere=nationalite").text
    assert not re.search(r'"row">[^<]*</th><td class="number">[1-4]<', page)
    sheet = screen.client.get(screen.path("/statistiques.csv")).text
    assert not re.search(r"européenne;(Sexe|Âge|Nationalité);[^;]*;[^;]*;[1-4]\s", sheet)


def test_the_mouvements_of_a_tableau_are_those_of_its_period(screen: FilesScreen) -> None:
    screen.make_tableau("vingt_jours")  # type: ignore[arg-type]
    page = screen.get("/statistiques").text
    assert "Prendre la période du dernier tableau" in page
    address = page.partition('href="/communes/13900/statistiques?')[2].partition('#mouvements"')[0]
    said = screen.read_at(f"/statistiques?{address.replace('&amp;', '&')}")
    assert (
        "C'est le total du fichier du" in said.partition("Mouvements du")[2] or "en compte" in said
    )


def test_a_period_that_cannot_be_is_told(screen: FilesScreen) -> None:
    assert "Le premier jour suit le dernier" in screen.read_at(
        "/statistiques?du=2026-05-05&au=2026-01-01"
    )
    assert "Ce jour n'est pas possible" in screen.read_at("/statistiques?du=hier")
    assert "n'est pas encore venu" in screen.read_at("/statistiques?au=2199-01-01")
    screen.desk.run("DELETE FROM liste")
    assert "il n'y a rien à compter" in screen.read_at("/statistiques")
