"""The text of each case, page by page, and the findings of other validators."""

from pathlib import Path

import pytest

from tests.golden.pdf.cases import EXPECTED, FOLDERS, TAGS, draw, extract, read_tags
from tests.parts.pdf import check_accessible, check_archive

_CASES = pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])


@_CASES
def test_the_pages_say_this(folder: Path) -> None:
    assert extract(folder).split("\n") == (folder / EXPECTED).read_text("utf-8").split("\n")


def test_who_hears_a_tableau_is_told_this() -> None:
    (heard,) = [folder for folder in FOLDERS if (folder / TAGS).exists()]
    assert read_tags(heard).split("\n") == (heard / TAGS).read_text("utf-8").split("\n")


def test_every_file_is_a_pdfa_1b(tmp_path: Path) -> None:
    assert not check_archive(*(draw(folder, tmp_path / f"{folder.name}.pdf") for folder in FOLDERS))


@_CASES
def test_every_file_is_a_pdfua_1_as_far_as_that_is_checked(folder: Path, tmp_path: Path) -> None:
    assert check_accessible(draw(folder, tmp_path / "tableau.pdf")) == []
