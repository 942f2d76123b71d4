"""The text of each case, page by page, and the findings of other validators.

A case is a folder: a tableau in the preview's JSON, the expected text of each page; for one case, the tags too.
"""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydantic import ConfigDict, TypeAdapter
from pypdf import PdfReader

from tests.golden.expected import check_files
from tests.parts.pdf import check_archive, read_aloud
from worker.domain.tableau.model import Tableau
from worker.pdf.render import render_tableau

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("*/tableau.json"))
EXPECTED = "texte.txt"
TAGS = "lecture.txt"
_TABLEAUX = TypeAdapter(list[Tableau], config=ConfigDict(extra="forbid", strict=True))


def read_tableau(folder: Path) -> Tableau:
    """The tableau of a case; its lines are a list where pydantic validates them lazily, for one reading only."""
    (tableau,) = _TABLEAUX.validate_json(b"[" + (folder / "tableau.json").read_bytes() + b"]")
    sections = [
        replace(
            section, parties=tuple(replace(it, lignes=tuple(it.lignes)) for it in section.parties)
        )
        for section in tableau.sections
    ]
    return replace(tableau, sections=tuple(sections))


def draw(folder: Path, file: Path) -> Path:
    with file.open("wb") as sink:
        render_tableau(read_tableau(folder), sink)
    return file


def extract(folder: Path) -> str:
    """The text of each page, under its number; only the ends of lines are trimmed."""
    sink = BytesIO()
    render_tableau(read_tableau(folder), sink)
    pages = []
    for number, page in enumerate(PdfReader(sink).pages, start=1):
        lines = [line.rstrip() for line in page.extract_text().splitlines()]
        pages.append("\n".join((f"=== page {number}", *lines)))
    return "\n\n".join(pages) + "\n"


_CASES = pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])


@_CASES
def test_the_pages_say_this(folder: Path) -> None:
    check_files({EXPECTED: extract(folder).encode()}, {EXPECTED: folder / EXPECTED}, folder)


def test_who_hears_a_tableau_is_told_this(tmp_path: Path) -> None:
    (heard,) = [folder for folder in FOLDERS if (folder / TAGS).exists()]
    said = read_aloud(draw(heard, tmp_path / "tableau.pdf"))
    check_files({TAGS: said.encode()}, {TAGS: heard / TAGS}, heard)


def test_every_file_is_a_pdfa_1b(tmp_path: Path) -> None:
    assert not check_archive(*(draw(folder, tmp_path / f"{folder.name}.pdf") for folder in FOLDERS))
