"""The PDF files that the bench compares with ours say the same."""

from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from bench.baselines_pdf import (
    FPDF,
    Values,
    draw_fpdf,
    draw_fpdf_wrapped,
    draw_long_table,
    draw_ours,
    make_font,
    rows,
)
from tests.parts.packages import require

COUNT = 90


def drawn(path: Path) -> list[str]:
    return [page.extract_text() for page in PdfReader(BytesIO(path.read_bytes())).pages]


def holds(pages: list[str], lines: list[Values]) -> bool:
    """Whether each value is there, in order, however it is wrapped."""
    text, position = "".join("".join(pages).split()), 0
    for value in ("".join(value.split()) for values in lines for value in values):
        position = text.find(value, position)
        if position < 0:
            return False
    return True


def test_ours_and_reportlab_s_hold_the_same_lines(tmp_path: Path) -> None:
    lines = list(rows(COUNT))
    for draw in (draw_ours, draw_long_table):
        path = tmp_path / draw.__name__
        draw(lines, path)()
        pages = drawn(path)
        assert len(pages) > 1
        assert holds(pages, lines)


def test_fpdf_s_too(tmp_path: Path) -> None:
    for part in FPDF:
        require(part)
    lines = list(rows(COUNT))
    draw_fpdf(lines, tmp_path / "fpdf")
    assert holds(drawn(tmp_path / "fpdf"), lines)
    make_font(tmp_path)
    draw_fpdf_wrapped(lines, tmp_path / "wrapped")
    assert holds(drawn(tmp_path / "wrapped"), lines)


@pytest.mark.parametrize("count", [99, 100])
def test_one_name_in_a_hundred_is_outside_latin_1(count: int) -> None:
    strange = [values for values in rows(count) if values[1] == "Šťastný"]
    assert len(strange) == count // 100
