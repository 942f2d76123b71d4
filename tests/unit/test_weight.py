"""What the size of the repository counts, and what is free."""

import pytest

from tests.weight import count_any, list_documented, measure_python

HALF = "def half(value: int) -> int:\n    return value // 2\n"
HALF_EXPLAINED = '''"""Numbers."""

# Integers only: the register counts electors.


def half(
    value: int
) -> int:
    """Return the half,

    rounded down.
    """

    return value // 2  # never a float


"""After a definition."""
'''


def _tokens(source: str) -> int:
    return measure_python([source]).tokens


def test_comments_docstrings_blank_lines_and_line_breaks_cost_nothing() -> None:
    assert _tokens(HALF_EXPLAINED) == _tokens(HALF) > 0


def test_a_line_counts_when_it_holds_a_token() -> None:
    assert measure_python([HALF]).lines == 2
    assert measure_python([HALF_EXPLAINED]).lines == 4
    assert measure_python([HALF, HALF]).lines == 4
    assert measure_python(["value = (\n    1\n    # why\n)\n"]).lines == 3


@pytest.mark.parametrize(
    "string",
    [
        '"plain"',
        'f"{value}"',
        'f"{value:>{width}} of {total!r}, {{braces}}"',
        "f\"{', '.join(names)} and {f'{last}'}\"",
        'rf"\\d{{2}}{end}"',
    ],
)
def test_a_string_with_values_costs_one_token(string: str) -> None:
    assert _tokens(f"text = {string}\n") == 3


@pytest.mark.parametrize(
    ("string", "cost"),
    [
        ('"SELECT id FROM agent"', 1),
        ('"SELECT id, name FROM agent"', 2),
        ('"SELECT a, b, c, d, e, f FROM agent"', 2),
        ('"SELECT a, b, c, d, e, f, g FROM agent"', 3),
        ('f"DELETE FROM agent WHERE {condition}"', 2),
        ('"SELECT id " "FROM agent " f"WHERE {condition}"', 4),
        ('"""one two three four five"""', 2),
        ('"With five words, a message"', 1),
        ('"A message that must select five words"', 1),
    ],
)
def test_five_words_of_sql_cost_one_token(string: str, cost: int) -> None:
    assert _tokens(f"text = {string}\n") == 2 + cost


def test_a_helper_costs_its_tokens() -> None:
    assert _tokens("def half(value):\n    return value // 2\n") == 10
    assert _tokens(f"{HALF}\nquarter = half(half(9))\n") == _tokens(HALF) + 9


def test_only_public_names_need_a_docstring() -> None:
    source = '''"""Module."""
class Agent:
    """An agent."""
    def __eq__(self, other): ...
    def _hide(self): ...
    @property
    def name(self): ...
    class Meta:
        def check(self):
            """Check it."""
class _Hidden:
    def show(self): ...
def ask():
    """Ask."""
    def inside(): ...
'''
    assert list_documented(source) == [True, True, False, False, True, True]


def test_any_counts_in_signatures_alone() -> None:
    source = """from typing import Any
kept: Any = None
def ask(one: dict[str, Any], *more: Any, **how: Any) -> Any:
    kept: Any = one
    def inside(two: "int", /, *, three: Any | None) -> None: ...
"""
    assert count_any(source) == 5
