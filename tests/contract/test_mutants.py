"""What `make mutants` takes away is still there to be taken away, and each test that must notice exists."""

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.table import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_has_its_line_and_its_tests(mutant: Mutant) -> None:
    assert mutant.find().suffix
    assert mutant.nodes()
    assert mutant.before != mutant.after
    assert "\n" not in mutant.before + mutant.after


def test_a_mutant_has_a_name_of_its_own() -> None:
    assert len({it.name for it in MUTANTS}) == len(MUTANTS)
