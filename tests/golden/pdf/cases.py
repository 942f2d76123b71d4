"""A case is a folder: a tableau as the preview reads it, the text that must be on each page; of one, what is heard."""

import tempfile
from io import BytesIO
from pathlib import Path

from pypdf import PdfReader

from tests.parts.pdf import read_aloud
from worker.pdf.__main__ import read_tableau
from worker.pdf.render import render_tableau

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("*/tableau.json"))
EXPECTED = "texte.txt"
HEARD = "lecture.txt"


def draw(folder: Path, file: Path) -> Path:
    """Draw a case there."""
    with file.open("wb") as sink:
        render_tableau(read_tableau((folder / "tableau.json").read_bytes()), sink)
    return file


def hear(folder: Path) -> str:
    """The tags of a case in their order, with their text."""
    with tempfile.TemporaryDirectory() as place:
        return read_aloud(draw(folder, Path(place) / "tableau.pdf"))


def extract(folder: Path) -> str:
    """The text of each page, under its number; only the ends of lines are trimmed."""
    sink = BytesIO()
    render_tableau(read_tableau((folder / "tableau.json").read_bytes()), sink)
    pages = []
    for number, page in enumerate(PdfReader(sink).pages, start=1):
        lines = [line.rstrip() for line in page.extract_text().splitlines()]
        pages.append("\n".join((f"=== page {number}", *lines)))
    return "\n\n".join(pages) + "\n"
