"""French words and French sort order."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.french import at_commune, count_in_words, long_date, number_in_words, of_commune
from worker.domain.identite import sort_key


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zéro"),
        (1, "un"),
        (17, "dix-sept"),
        (21, "vingt et un"),
        (70, "soixante-dix"),
        (71, "soixante et onze"),
        (80, "quatre-vingts"),
        (81, "quatre-vingt-un"),
        (91, "quatre-vingt-onze"),
        (99, "quatre-vingt-dix-neuf"),
        (100, "cent"),
        (101, "cent un"),
        (200, "deux cents"),
        (280, "deux cent quatre-vingts"),
        (1000, "mille"),
        (1789, "mille sept cent quatre-vingt-neuf"),
        (80_000, "quatre-vingt mille"),
        (200_080, "deux cent mille quatre-vingts"),
        (1_840_917, "un million huit cent quarante mille neuf cent dix-sept"),
        (200_000_000, "deux cents millions"),
    ],
)
def test_numbers_in_words(number: int, words: str) -> None:
    assert number_in_words(number) == words


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "zéro (0) électeur"),
        (1, "un (1) électeur"),
        (12, "douze (12) électeurs"),
        (1200, "mille deux cents (1\u202f200) électeurs"),
        (2_000_000, "deux millions (2\u202f000\u202f000) d’électeurs"),
    ],
)
def test_electors_are_counted_in_words_and_figures(number: int, expected: str) -> None:
    assert count_in_words(number, "électeur") == expected


def test_dates() -> None:
    assert long_date(date(2016, 2, 29)) == "29 février 2016"
    assert long_date(date(2015, 3, 1)) == "1er mars 2015"


@pytest.mark.parametrize(
    ("nom", "of", "at"),
    [
        ("LIBREVILLE", "de LIBREVILLE", "à LIBREVILLE"),
        ("Arles", "d’Arles", "à Arles"),
        ("Étampes", "d’Étampes", "à Étampes"),
        ("Le Havre", "du Havre", "au Havre"),
        ("LES ABYMES", "des ABYMES", "aux ABYMES"),
        ("La Rochelle", "de La Rochelle", "à La Rochelle"),
        ("L'Abergement-Clémenciat", "de L'Abergement-Clémenciat", "à L'Abergement-Clémenciat"),
        ("Lesparre", "de Lesparre", "à Lesparre"),
    ],
)
def test_the_words_before_a_commune(nom: str, of: str, at: str) -> None:
    assert (of_commune(nom), at_commune(nom)) == (of, at)


@pytest.mark.parametrize(
    "names",
    [
        ["EBERT", "ÉCLAIR", "ECU"],
        ["Ebert", "Éclair", "Ecu"],
        ["COTE", "COTÉ", "CÔTE", "CÔTÉ", "COTEAU"],
        ["LE BRUN", "LE-BRUN", "LEBLANC", "LEBRUN"],
        ["D'AUBIGNÉ", "DANTON", "DAUBIGNY"],
        ["LUC", "Łukasz", "LUXE"],
        ["ODE", "ŒUVRE", "OFFENBACH"],
        ["Nagy", "NAGYŐ", "NAGYS"],
        ["SAINT-PIERRE", "SAINTE"],
        ["Stefan", "Ștefan", "STEFANI"],
    ],
)
def test_names_are_in_french_order(names: list[str]) -> None:
    assert sorted({*names}, key=sort_key) == names


@pytest.mark.slow
@given(st.text(max_size=8), st.text(max_size=8))
def test_the_order_has_no_ties(one: str, other: str) -> None:
    assert (sort_key(one) == sort_key(other)) == (one == other)
