"""The views that producers and the screen read are a contract: docs/operations.md describes them correctly."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Inspector, inspect

from worker.db.engine import build_engine
from worker.db.migrate import GRANTS, migrate

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
SECTION = DOCUMENT.read_text("utf-8").partition("\n## Views\n")[2].partition("\n## ")[0]
FILES = "derniers_exports"
"""Its columns have a table of their own."""
OF_ELECTEURS = {"doutes_ouverts", "electeurs", "electeurs_proteges", "motifs_notes", "mouvements_a_completer"}

OF_THE_SCREEN = "jetons"
"""The view of the tokens, which only the screen reads."""

OF_THE_MODULE = "kept_version"
"""Only imports and purges read them."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inspector]:
    engine = build_engine(f"sqlite:///{tmp_path_factory.mktemp('views')}/prefecture.db")
    migrate(engine)
    yield inspect(engine)
    engine.dispose()


def _spans(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", cell))


def _documented() -> dict[str, list[str]]:
    views = {cells[0]: cells[2] for cells in _rows("View")}
    files = [name for cells in _rows(f"Columns of `{FILES}`") for name in _spans(cells[0])]
    return {view.strip("`"): _spans(columns) for view, columns in views.items()} | {FILES: files}


def _rows(title: str) -> list[list[str]]:
    table = SECTION.partition(f"\n| {title} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_every_view_is_documented_with_all_its_columns(database: Inspector) -> None:
    found = {view: {column["name"] for column in database.get_columns(view)} for view in database.get_view_names()}
    documented = _documented()
    assert {view: set(columns) - {"NULL"} for view, columns in documented.items()} == found
    assert len(documented[FILES]) == len(found[FILES])


def test_the_reading_account_reads_the_views_and_nothing_else(database: Inspector) -> None:
    assert {right for right, _ in GRANTS["prefecture_lecture"]} == {"SELECT"}
    read = [view for _, things in GRANTS["prefecture_lecture"] for view in sorted(_things(things))]
    assert sorted(read) == sorted(set(database.get_view_names()) - OF_ELECTEURS - {OF_THE_SCREEN, OF_THE_MODULE})


def test_the_screen_alone_reads_the_views_that_name_electors(database: Inspector) -> None:
    assert set(database.get_view_names()) >= OF_ELECTEURS
    assert GRANTS["prefecture_ecran"] == (
        *GRANTS["prefecture_lecture"],
        ("SELECT", ", ".join(sorted(OF_ELECTEURS))),
        ("SELECT", OF_THE_SCREEN),
    )
    readers = [account for account, rights in GRANTS.items() if any(OF_ELECTEURS & _things(it[1]) for it in rights)]
    assert readers == ["prefecture_ecran"]


def _things(text: str) -> set[str]:
    return set(text.split(", "))
