"""Each safeguard that `make mutants` takes away is in the product, and so is the file of its tests."""

import ast

import pytest

from tests.mutants.mutant import ROOT, MisplacedError, Safeguard
from tests.mutants.safeguards import SAFEGUARDS

SOURCE = '''
class Store:
    """A store."""

    @cached
    def path(self, name: str) -> Path:
        return (
            self.root  # of the volume
            / check(
                name,
            )
        )
'''


def test_each_safeguard_applies_and_leaves_valid_python() -> None:
    faults = []
    for it in SAFEGUARDS:
        source = (ROOT / it.file).read_text("utf-8")
        try:
            mutated = it.mutate(source)
        except MisplacedError as error:
            faults.append(str(error))
            continue
        if ast.dump(ast.parse(mutated)) == ast.dump(ast.parse(source)):
            faults.append(f"{it}: it changes nothing")
    assert faults == []


def test_each_safeguard_names_a_test_file() -> None:
    assert [str(it) for it in SAFEGUARDS if not (ROOT / it.tests).is_file()] == []


def test_layout_and_comments_do_not_hide_a_safeguard() -> None:
    guard = Safeguard("store.py", "Store.path", "self.root / check(name)", "name", "")
    mutated = guard.mutate(SOURCE)
    assert "return (\n            name\n        )" in mutated
    assert "class Store" in mutated


@pytest.mark.parametrize(
    ("name", "before"),
    [("Store.file", "self.root"), ("Store.path", "self.volume"), ("Store.path", "name")],
)
def test_a_safeguard_that_does_not_apply_is_reported(name: str, before: str) -> None:
    with pytest.raises(MisplacedError):
        Safeguard("store.py", name, before, "x", "").mutate(SOURCE)
