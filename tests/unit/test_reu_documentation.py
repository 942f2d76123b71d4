"""docs/registre.md is the contract of those who send files and of those who feed the tables: it names every column."""

from pathlib import Path

import pytest
from sqlalchemy import FromClause

from worker.registre import models
from worker.registre.reu.file import NATIONALITE, OPTIONAL, REQUIRED

PAGE = (Path(__file__).parents[2] / "docs" / "registre.md").read_text("utf-8")
CONTRACT = (models.Commune, models.Bureau, models.ListeCommunale, models.Electeur)


@pytest.mark.parametrize("titles", (REQUIRED | NATIONALITE | OPTIONAL).values())
def test_every_column_of_the_export_is_documented(titles: tuple[str, ...]) -> None:
    assert [title for title in titles if title not in PAGE] == []


@pytest.mark.parametrize("table", [model.__table__ for model in CONTRACT], ids=str)
def test_every_column_of_the_tables_is_documented(table: FromClause) -> None:
    assert [column.name for column in table.columns if f"`{column.name}`" not in PAGE] == []
