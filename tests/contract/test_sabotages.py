"""What `make faults` and `make mutants` take away is still there to be taken away."""

from collections.abc import Callable, Iterator
from unittest.mock import patch

import pytest

from tests.faults import alterations
from tests.faults.sabotages import SABOTAGES
from tests.mutants.mutant import Mutant
from tests.mutants.table import MUTANTS

_ALTERATIONS = [
    it
    for name, it in vars(alterations).items()
    if callable(it) and it.__module__ == alterations.__name__ and not name.startswith("_")
]


@pytest.fixture(autouse=True)
def unaltered() -> Iterator[None]:
    yield
    patch.stopall()


@pytest.mark.parametrize("alter", _ALTERATIONS, ids=lambda alter: alter.__name__)
def test_an_alteration_finds_what_it_replaces(alter: Callable[[], None]) -> None:
    alter()


def test_a_sabotage_names_an_alteration() -> None:
    assert {it.alteration for it in SABOTAGES} <= {it.__name__ for it in _ALTERATIONS}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_has_its_line_and_its_tests(mutant: Mutant) -> None:
    assert mutant.find().suffix
    assert mutant.nodes()
    assert mutant.before != mutant.after
    assert "\n" not in mutant.before + mutant.after


def test_a_mutant_has_a_name_of_its_own() -> None:
    assert len({it.name for it in MUTANTS}) == len(MUTANTS)
