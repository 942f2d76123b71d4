"""Cleaning: a value before it is written where nothing can be quoted."""

import sys
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.texte import (
    JOINT,
    clean,
    fold,
    is_clean,
    is_suspect,
    without_controls,
    without_separators,
)
from schemas.profiles.source import fold_value
from tests.unit.nasty import NASTY, nasty_texts
from worker.domain.identite import base_letters, sort_key

TEXTS = nasty_texts(surrogates=True)
COLUMNS = 29


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("  Marie\u00a0\u202f Solange ", "Marie Solange"),
        ("Rue\tdes\r\nAbeilles", "Rue des Abeilles"),
        ("Zoe\u0301 Anai\u0308s", "Zoé Anaïs"),
        ("Zo\u200be\ufeff\u0301", "Zoé"),
        ("Dorian\x07\x1b\x00", "Dorian"),
        ("ÉLE\u202eDNAV\u2069", "ÉLEDNAV"),
        ("a\x85b\u2028c", "a b c"),
        ("\u00a0\t\n", ""),
        ("\u037e", ";"),
        ("D’OREILLER Łukasz Œ ½ ¦", "D’OREILLER Łukasz Œ ½ ¦"),
        ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
    ],
)
def test_a_value_is_cleaned(value: str, expected: str) -> None:
    assert clean(value) == expected


def test_is_clean_refuses_a_tab_inside_a_value_and_accepts_a_space() -> None:
    assert not is_clean("Rue\tdes Abeilles")
    assert is_clean("Rue des Abeilles")


def test_without_controls_keeps_tabs_and_lines_and_removes_their_neighbours() -> None:
    assert without_controls("\x08a\tb\nc\x0b") == "a\tb\nc"


def test_no_invisible_or_private_character_stays_in_a_value() -> None:
    """All of Unicode is tried, so that a format character of a later version makes this test fail."""
    kept = [
        f"U+{code:04X}"
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(letter := chr(code)) in {"Cf", "Co", "Cs", "Cc"}
        and (clean(f"A{letter}B") not in {"AB", "A B"} or is_clean(letter))
    ]
    assert kept == []


@pytest.mark.parametrize("fold_one", [clean, fold, fold_value, base_letters, sort_key, is_clean])
@pytest.mark.parametrize("marks", ["\u0301\u0316", "\u0f73"])
def test_many_marks_on_a_letter_take_linear_time(
    fold_one: Callable[[str], object], marks: str
) -> None:
    """Python sorts them in quadratic time: a form of 300 KB stopped the screen for minutes."""
    begun = time.process_time()
    fold_one("e" + marks * 60_000)
    assert time.process_time() - begun < 3


def test_separators_become_what_looks_like_them() -> None:
    assert without_separators('Bât "B" ; escalier 2') == "Bât 'B' , escalier 2"


@given(TEXTS)
@example("a \u0301")
@example("\u0301")
@example("\u2000\u0301")
@example("e\u00ad\u0301")
def test_cleaning_twice_is_cleaning_once(value: str) -> None:
    assert clean(clean(value)) == clean(value)
    assert is_clean(clean(value)) or JOINT in value


@given(TEXTS.filter(lambda value: JOINT not in value))
def test_clean_is_what_cleaning_leaves_alone(value: str) -> None:
    assert is_clean(value) == (clean(value) == value)


@given(TEXTS)
def test_what_is_not_suspect_can_be_written_as_it_is(value: str) -> None:
    if not is_suspect(value):
        assert without_separators(clean(value)) == value


@given(st.lists(TEXTS, min_size=2, max_size=6))
def test_values_joined_are_as_clean_as_each_of_them(values: list[str]) -> None:
    joined = JOINT.join(values)
    if not is_suspect(joined):
        assert not any(is_suspect(value) for value in values)
    if is_clean(joined):
        assert [clean(value) for value in values] == values


@pytest.mark.slow
@given(st.lists(TEXTS, min_size=COLUMNS, max_size=COLUMNS))
def test_a_line_of_29_values_has_28_separators_and_no_quote(values: list[str]) -> None:
    line = ";".join(without_separators(clean(value)) for value in values)
    assert line.count(";") == COLUMNS - 1
    assert '"' not in line
    assert line.splitlines() == [line]
    assert line.encode().decode() == unicodedata.normalize("NFC", line)


@pytest.mark.parametrize("value", NASTY, ids=ascii)
def test_a_nasty_text_is_seen_and_made_harmless(value: str) -> None:
    harmless = without_separators(clean(value))
    assert is_suspect(value)
    assert clean(harmless) == without_separators(harmless) == harmless
    assert harmless.isprintable()
