"""Values of a REU export: parsed, kept unchanged, or unreadable."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.registre.imports.lines import parse_bureau, parse_date, parse_numero
from worker.registre.reu.lines import parse_canton, parse_circonscription, parse_nationalite


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14/03/1962", "1962-03-14"),
        ("4/3/1962", "1962-03-04"),
        ("00/00/1953", "1953-00-00"),
        ("00/08/1955", "1955-08-00"),
        ("1961", "1961-00-00"),
        ("/1961", "1961-00-00"),
        ("//1961", "1961-00-00"),
        ("/ /1961", "1961-00-00"),
        ("08/1955", "1955-08-00"),
        ("/08/1955", "1955-08-00"),
        ("31/02/1960", "1960-02-31"),
        ("29/02/1900", "1900-02-29"),
        ("1962-03-14", "1962-03-14"),
        ("00/00/0000", ""),
        ("0000", ""),
        ("", ""),
    ],
)
def test_a_date_is_kept_as_it_is_written(text: str, expected: str) -> None:
    assert parse_date(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "14/13/1962",
        "32/01/1962",
        "12/31/1962",
        "14-03-1962",
        "14/03/62",
        "mars 1962",
        "14/03/1962 00:00",
        "١٩٦١",
        "/",
        "22706",
    ],
)
def test_a_date_that_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        parse_date(text)


@given(st.dates(min_value=date(1000, 1, 1)))
def test_a_whole_date_means_the_same_day(day: date) -> None:
    assert parse_date(f"{day:%d/%m/%Y}") == day.isoformat()


@pytest.mark.parametrize(
    ("text", "expected"), [("1", 1), ("0012", 12), ("0", 0), ("", None), ("2147483647", 2147483647)]
)
def test_an_order_number_is_a_number(text: str, expected: int | None) -> None:
    assert parse_numero(text) == expected


@pytest.mark.parametrize("text", ["12 BIS", "-1", "1.0", "²", "٣", "2147483648"])
def test_an_order_number_that_is_none_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        parse_numero(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", "0001"), ("0001", "0001"), ("00001", "0001"), ("12345", "12345"), ("0", "0000"), ("A1", "A1"), ("", "")],
)
def test_the_code_of_a_bureau_has_four_digits(text: str, expected: str) -> None:
    assert parse_bureau(text) == expected


@pytest.mark.parametrize(
    ("text", "departement", "expected"),
    [
        ("13-16", "13", "16"),
        ("1316", "13", "16"),
        ("13 - 16", "13", "16"),
        ("16", "13", "16"),
        ("1", "13", "01"),
        ("161", "16", "01"),
        ("2A-01", "2A", "01"),
        ("2b01", "2B", "01"),
        ("971-01", "971", "01"),
        ("97101", "971", "01"),
        ("59-16", "13", "59-16"),
        ("16e circonscription", "13", ""),
        ("", "13", ""),
    ],
)
def test_a_circonscription_is_its_number_in_the_departement(text: str, departement: str, expected: str) -> None:
    assert parse_circonscription(text, departement) == expected


@pytest.mark.parametrize(
    ("text", "departement", "expected"),
    [("1301", "13", "1301"), ("13-01", "13", "1301"), ("1", "13", "1301"), ("97101", "971", "97101"), ("", "13", "")],
)
def test_a_canton_begins_with_its_departement(text: str, departement: str, expected: str) -> None:
    assert parse_canton(text, departement) == expected


@pytest.mark.parametrize(
    ("label", "code", "expected"),
    [
        ("Belge", "", "Belge"),
        ("Belge", "PT", "Belge"),
        ("", "PT", "Portugaise"),
        ("", "fr", "Française"),
        ("BE", "", "Belge"),
        ("", "XK", "XK"),
        ("", "", ""),
    ],
)
def test_a_nationality_is_a_label(label: str, code: str, expected: str) -> None:
    assert parse_nationalite(label, code) == expected
