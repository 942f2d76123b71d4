"""The text of each case, page by page, and the findings of other validators."""

from pathlib import Path

import pytest

from tests.golden.expected import check_files
from tests.golden.pdf.cases import EXPECTED, FOLDERS, TAGS, draw, extract, read_tags
from tests.parts.pdf import check_accessible, check_archive

_CASES = pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])


@_CASES
def test_the_pages_say_this(folder: Path) -> None:
    check_files({EXPECTED: extract(folder).encode()}, {EXPECTED: folder / EXPECTED}, folder)


def test_who_hears_a_tableau_is_told_this() -> None:
    (heard,) = [folder for folder in FOLDERS if (folder / TAGS).exists()]
    check_files({TAGS: read_tags(heard).encode()}, {TAGS: heard / TAGS}, heard)


def test_every_file_is_a_pdfa_1b(tmp_path: Path) -> None:
    assert not check_archive(*(draw(folder, tmp_path / f"{folder.name}.pdf") for folder in FOLDERS))


@_CASES
def test_every_file_is_a_pdfua_1_as_far_as_that_is_checked(folder: Path, tmp_path: Path) -> None:
    assert check_accessible(draw(folder, tmp_path / "tableau.pdf")) == []
