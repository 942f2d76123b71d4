"""A case is a folder: a tableau in the preview's JSON, the expected text of each page; for one case, the tags too."""

import tempfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pypdf import PdfReader

from tests.parts.pdf import read_aloud
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
        replace(section, parties=tuple(replace(it, lignes=tuple(it.lignes)) for it in section.parties))
        for section in tableau.sections
    ]
    return replace(tableau, sections=tuple(sections))


def draw(folder: Path, file: Path) -> Path:
    with file.open("wb") as sink:
        render_tableau(read_tableau(folder), sink)
    return file


def read_tags(folder: Path) -> str:
    """The tags of a case in reading order, with their text."""
    with tempfile.TemporaryDirectory() as place:
        return read_aloud(draw(folder, Path(place) / "tableau.pdf"))


def extract(folder: Path) -> str:
    """The text of each page, under its number; only the ends of lines are trimmed."""
    sink = BytesIO()
    render_tableau(read_tableau(folder), sink)
    pages = []
    for number, page in enumerate(PdfReader(sink).pages, start=1):
        lines = [line.rstrip() for line in page.extract_text().splitlines()]
        pages.append("\n".join((f"=== page {number}", *lines)))
    return "\n\n".join(pages) + "\n"
