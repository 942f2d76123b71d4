"""docs/registre.md is the contract of those who send mouvements and of those who write them: it names every column."""

from pathlib import Path

import pytest
from sqlalchemy import FromClause

from schemas.vocabulary import Categorie, Nature
from worker.domain.mouvement import Effet, Etat
from worker.registre import models
from worker.registre.mouvements.importer import OPTIONAL, TITLES

PAGE = (Path(__file__).parents[2] / "docs" / "registre.md").read_text("utf-8").partition("\n## Mouvements\n")[2]
TABLES = (
    *(models.MouvementRegistre, models.Scrutin),
    *(models.Commission, models.Protection),
)


def test_every_column_of_the_file_is_documented() -> None:
    rows = dict(line.strip("|").split("|", 1) for line in PAGE.splitlines() if line.startswith("| "))
    named = {
        title.strip(): "*(optional)*" in cell for cell in rows for title in cell.replace("*(optional)*", "").split(",")
    }
    assert {title: named.get(title) for title in TITLES.values()} == {
        title: field in OPTIONAL for field, title in TITLES.items()
    }


@pytest.mark.parametrize("table", [model.__table__ for model in TABLES], ids=str)
def test_every_column_of_the_tables_is_documented(table: FromClause) -> None:
    assert [column.name for column in table.columns if f"`{column.name}`" not in PAGE] == []


@pytest.mark.parametrize("words", [Nature, Effet, Etat, Categorie])
def test_every_word_is_documented(words: type[Nature] | type[Effet] | type[Etat] | type[Categorie]) -> None:
    assert [word.value for word in words if word and f"`{word.value}`" not in PAGE] == []
