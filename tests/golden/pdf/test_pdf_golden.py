"""The text of each case, page by page."""

from pathlib import Path

import pytest

from tests.golden.pdf.cases import EXPECTED, FOLDERS, extract


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_the_pages_say_this(folder: Path) -> None:
    assert extract(folder).split("\n") == (folder / EXPECTED).read_text("utf-8").split("\n")


def test_there_are_cases() -> None:
    assert len(FOLDERS) > 5
