"""A case is a folder: a tableau as the preview reads it, and the text that must be on each page."""

from io import BytesIO
from pathlib import Path

from pypdf import PdfReader

from worker.pdf.reading import read_tableau
from worker.pdf.render import render_tableau

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("*/tableau.json"))
EXPECTED = "texte.txt"


def extract(folder: Path) -> str:
    """The text of each page, under its number; only the ends of lines are trimmed."""
    sink = BytesIO()
    render_tableau(read_tableau((folder / "tableau.json").read_bytes()), sink)
    pages = []
    for number, page in enumerate(PdfReader(sink).pages, start=1):
        lines = [line.rstrip() for line in page.extract_text().splitlines()]
        pages.append("\n".join((f"=== page {number}", *lines)))
    return "\n\n".join(pages) + "\n"
