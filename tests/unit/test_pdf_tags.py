"""The tags of a tableau for a screen reader: complete, in order, with the titles of columns and rows."""

import re
from dataclasses import astuple
from pathlib import Path

import pytest

from tests.parts.pdf import check_accessible, read_aloud
from tests.unit.pdf_samples import LONG, commune, draw_to, lignes, tableau
from tests.unit.test_pdf_archive import CASES


@pytest.mark.parametrize("subject", CASES.values(), ids=CASES)
def test_nothing_is_found_wrong(subject: object, tmp_path: Path) -> None:
    assert check_accessible(draw_to(tmp_path, subject)) == []  # type: ignore[arg-type]


@pytest.mark.slow
def test_every_value_is_heard_whole_in_order_and_no_title_twice(tmp_path: Path) -> None:
    lines = (*lignes(30), LONG)
    heard = read_aloud(draw_to(tmp_path, tableau(commune(lines), has_nationalite=True)))
    said = re.findall(r'^ +"(.*)"$', heard, re.MULTILINE)
    expected = [
        value for ligne in lines for value in (*astuple(ligne)[:6], ligne.nationalite, ligne.bureau, ligne.motif)
    ]
    start = said.index("Motif") + 1
    assert said[start : start + len(expected)] == expected
    assert said.count("Nom de naissance") == 1
    assert said.count("Tableau des vingt jours") == 1
    assert not [text for text in said if "suite" in text or text.startswith("page ")]
    assert heard.count("/Scope /Row") == len(lines)
