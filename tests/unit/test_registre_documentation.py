"""docs/registre.md is the contract of those who send files and of those who feed the tables: it names every column."""

from pathlib import Path

import pytest
from sqlalchemy import FromClause

from schemas.vocabulary import Categorie, Nature
from worker.domain.mouvement import Effet, Etat
from worker.registre import models
from worker.registre.mouvements.importer import OPTIONAL, TITLES
from worker.registre.reu import file as reu

PAGE = (Path(__file__).parents[2] / "docs" / "registre.md").read_text("utf-8")
OF_MOUVEMENTS = PAGE.partition("\n## Mouvements\n")[2]
TABLES = (
    *(models.Commune, models.Bureau, models.ListeCommunale, models.Electeur),
    *(models.MouvementRegistre, models.Scrutin, models.Commission, models.Protection),
)


@pytest.mark.parametrize("titles", (reu.REQUIRED | reu.NATIONALITE | reu.OPTIONAL).values())
def test_every_column_of_the_export_is_documented(titles: tuple[str, ...]) -> None:
    assert [title for title in titles if title not in PAGE] == []


def test_every_column_of_the_file_of_mouvements_is_documented() -> None:
    rows = dict(line.strip("|").split("|", 1) for line in OF_MOUVEMENTS.splitlines() if line.startswith("| "))
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
    assert [word.value for word in words if word and f"`{word.value}`" not in OF_MOUVEMENTS] == []
