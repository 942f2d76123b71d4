"""The six tableaux of a sample register in their three presentations: their rows and their pages.

`tableaux/TYPE.PRESENTATION.txt` was compared with an independent reading of the same register before its commit.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

from pypdf import PdfReader

from schemas.tableaux import Presentation, TypeTableau
from tests.integration.tableau_desk import Made, TableauDesk
from tests.integration.tableau_register import (
    EUROPEENNES,
    FEVRIER,
    JANVIER,
    MOUVEMENTS,
    MUNICIPALES,
    REUNION,
    REUNION_PRECEDENTE,
    SCRUTIN,
    add_scrutin,
    write_register,
)

FOLDER = Path(__file__).parent / "tableaux"
_BEFORE = {"created_at": datetime(2014, 2, 12, 11, 26, 7, tzinfo=UTC)}
_ASKED: dict[TypeTableau, dict[str, Any]] = {
    TypeTableau.PREMIER_RECTIFICATIF: _BEFORE | {"date_tableau": JANVIER},
    TypeTableau.SECOND_RECTIFICATIF: _BEFORE | {"date_tableau": FEVRIER},
    TypeTableau.ADDITIONS: _BEFORE | {"scrutin": EUROPEENNES},
    TypeTableau.CINQ_JOURS: _BEFORE | {"scrutin": MUNICIPALES},
    TypeTableau.VINGT_JOURS: {"scrutin": SCRUTIN},
    TypeTableau.CINQ_JOURS_REU: {"scrutin": SCRUTIN},
}
_SAID = ("label", "file_name", "electeurs", "pages", "bloquantes", "remarques", "a_completer", "provisoire_until")


def make_tableaux(url: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Make the tableaux of a migrated database; by name of the file of `tableaux/`: its content."""
    with TableauDesk.open(url, folder) as desk:
        write_register(desk.engine, MOUVEMENTS)
        add_scrutin(desk.engine, SCRUTIN, REUNION_PRECEDENTE, REUNION)
        for type_, presentation in product(TypeTableau, Presentation):
            made = desk.make(type_, presentations=[presentation], **_ASKED[type_])
            yield f"{type_}.{presentation}.txt", _describe(made)


def _describe(made: Made) -> str:
    """The row, then the lines of each page."""
    lines = [f"{name}: {made.row[name]}" for name in _SAID]
    for number, page in enumerate(PdfReader(made.path).pages, 1):
        lines += ["", f"=== page {number}", *(line.rstrip() for line in page.extract_text().splitlines())]
    return "\n".join(lines) + "\n"
