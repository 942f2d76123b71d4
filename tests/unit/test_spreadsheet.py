"""What a clerk opens in a spreadsheet holds texts and numbers, never a formula."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.files import SheetWriter, disarm, rearm

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@pytest.mark.parametrize("start", STARTS)
def test_no_cell_becomes_a_formula(start: str) -> None:
    text = io.StringIO(newline="")
    SheetWriter(text).write([f"{start}1+1", "Lys-Haut", f"Lys{start}Haut"])
    (cells,) = csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter=";")
    assert cells == [f"'{start}1+1", "Lys-Haut", f"Lys{start}Haut"]


def test_a_number_is_a_number() -> None:
    text = io.StringIO(newline="")
    SheetWriter(text).write([-3, "-3", None])
    assert text.getvalue() == "-3;'-3;\r\n"


@given(st.text(st.sampled_from(["'", *STARTS, "a", " "]), max_size=5))
def test_a_value_is_harmless_and_can_be_read_back(value: str) -> None:
    assert not disarm(value).startswith(STARTS)
    assert rearm(disarm(value)) == value
