"""Random histories: the product's answers equal the oracle's; HISTORIES more from SEED on (`make histories`)."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from tests.oracle.answers import Answer, Tableau
from tests.oracle.comparison import find_differences
from tests.oracle.computation import Oracle
from tests.oracle.generator import build_history
from tests.oracle.history import History
from tests.oracle.product import EMPTY_COMMUNE, Product, open_on_sqlite
from tests.parts.postgres import PostgresServer

_SEEDS = (*range(110), 131, 135, 184, 316, 390, 403, 450, 1007, 1831, 40942)
"""The last ones have rare cases: a second round that matters, a meeting left out, a correction within a period,
a correction after the eighteenth birthday, a bureau that opens later, a correction in the export of one arrondissement.
"""
_MANY, _FIRST = int(os.environ.get("HISTORIES", "20")), int(os.environ.get("SEED", "2000"))
_ON_POSTGRESQL = 4

Played = list[tuple[History, list[Answer]]]


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with tempfile.TemporaryDirectory() as folder, open_on_sqlite(Path(folder)) as opened:
        yield opened


@pytest.fixture(scope="module")
def played(product: Product) -> Played:
    histories = [build_history(Random(seed)) for seed in _SEEDS]
    return [(history, product.play(history)) for history in histories]


def test_the_product_says_what_the_oracle_computes(played: Played) -> None:
    for seed, (history, answers) in zip(_SEEDS, played, strict=True):
        assert find_differences(history, answers, Oracle()) == [], f"history {seed}"


def test_the_histories_have_what_they_are_for(played: Played) -> None:
    tableaux = [answer for _, answers in played for answer in answers if isinstance(answer, Tableau)]
    assert {code for tableau in tableaux for code in tableau.gaps} - {"bureau_inconnu", "bilan_impossible"} == {
        "couverture_debut",
        "couverture_attente",
        "couverture_fin",
        "couverture_lacune",
        "couverture_date",
        "couverture_contredite",
        "couverture_inconnue",
        "doutes_ouverts",
        "electeur_en_double",
        "nationalite_hors_union",
    }
    assert {code for tableau in tableaux for code in tableau.remarks} == {
        "couverture_fin",
        "couverture_lacune",
        "couverture_date",
        "couverture_attente",
        "couverture_inconnue",
        "homonymes_supposes",
        "majorite_corrigee",
    }
    assert sum(not tableau.gaps and "couverture_lacune" in tableau.remarks for tableau in tableaux) >= 5, "vouched for"
    assert sum(not tableau.gaps and bool(tableau.lines) for tableau in tableaux) >= 20, "ready, with lines"
    assert any(tableau.is_provisional for tableau in tableaux)


def test_no_history_makes_them_differ(product: Product) -> None:
    for seed in range(_FIRST, _FIRST + _MANY):
        history = build_history(Random(seed))
        differences = find_differences(history, product.play(history), Oracle())
        assert differences == [], "\n".join([f"history {seed}", *map(str, history.steps), *map(str, differences)])


@pytest.mark.parametrize("seed", range(_ON_POSTGRESQL))
def test_postgresql_says_the_same(postgres_server: PostgresServer, tmp_path: Path, seed: int) -> None:
    postgres_server.start()
    url = postgres_server.create_database(EMPTY_COMMUNE)
    history = build_history(Random(10_000 + seed))
    with closing(Product(url, tmp_path, lambda: None)) as product:
        answers = product.play(history)
    postgres_server.drop(url)
    assert find_differences(history, answers, Oracle()) == []
