"""The law as data: the printed articles are in the table, and the documents describe each."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from common.law import (
    ARTICLES,
    LAW_OF_MEETING,
    LAW_OF_PROTECTION,
    LAWS,
    REPERTOIRE_UNIQUE_DEPUIS,
    Citation,
    Regime,
    cite,
)
from schemas.tableaux import LAST_REPEALED_DAY, TypeTableau

ROOT = Path(__file__).parents[2]
_NUMBER = re.compile(r"\b(?:LO|L|R)\. ?\d+(?:-\d+)?")


def test_the_law_knows_every_tableau_of_the_contract() -> None:
    assert set(LAWS) == set(TypeTableau)
    assert {type_ for type_ in TypeTableau if type_.is_repealed} == {
        type_ for type_ in TypeTableau if LAWS[type_].regime is Regime.REVISION_ANNUELLE
    }
    assert LAST_REPEALED_DAY + timedelta(days=1) == REPERTOIRE_UNIQUE_DEPUIS


def test_the_five_days_rest_on_the_registrations_of_article_l_30_too() -> None:
    assert LAWS[TypeTableau.CINQ_JOURS_REU].reference_legale == "Code électoral, art. L. 20 (II), L. 30 et R. 14"
    assert LAWS[TypeTableau.ADDITIONS].reference_legale == (
        "Code électoral (avant 2019), art. L. 11-2 (alinéa 2), L. 17 (alinéa 4) et R. 10 (alinéa 3)"
    )
    assert LAWS[TypeTableau.SECOND_RECTIFICATIF].reference_legale == "Code électoral (avant 2019), art. R. 16"
    assert (LAW_OF_PROTECTION, LAW_OF_MEETING) == ("Code électoral, art. L. 37", "Code électoral, art. L. 19, III")


def test_an_article_that_nobody_described_is_not_printed() -> None:
    with pytest.raises(KeyError, match=r"R\. 13"):
        cite(Regime.REVISION_ANNUELLE, Citation("R. 10"), Citation("R. 13"))


def test_the_screen_cites_articles_of_the_table_only() -> None:
    pages = (ROOT / "producers" / "web").rglob("*.html")
    cited = {number for page in pages for number in _NUMBER.findall(page.read_text("utf-8"))}
    assert cited
    assert cited <= {article.number for article in ARTICLES}
