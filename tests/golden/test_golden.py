"""The files of each case, byte for byte, from its register to the exports volume; the tableaux of a sample register.

`tableaux/TYPE.PRESENTATION.txt` was compared with an independent reading of the same register before its commit.
"""

from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from schemas.tableaux import Presentation, TypeTableau
from tests.golden.cases import Case, produce, read_cases
from tests.golden.expected import check_files
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
from tests.parts.town import MIGRATED_TEMPLATE

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
_SAID = (
    "label",
    "file_name",
    "electeurs",
    "pages",
    "bloquantes",
    "remarques",
    "a_completer",
    "provisoire_until",
)


def _describe(made: Made) -> str:
    """The row, then the lines of each page."""
    lines = [f"{name}: {made.row[name]}" for name in _SAID]
    for number, page in enumerate(PdfReader(made.path).pages, 1):
        lines += [
            "",
            f"=== page {number}",
            *(line.rstrip() for line in page.extract_text().splitlines()),
        ]
    return "\n".join(lines) + "\n"


CASES = read_cases()


@pytest.mark.database(MIGRATED_TEMPLATE)
@pytest.mark.parametrize("case", CASES, ids=[case.folder.name for case in CASES])
def test_the_files_are_these_bytes(case: Case, database_url: str, tmp_path: Path) -> None:
    check_files(produce(case, database_url, tmp_path), case.expected(), case.folder)


@pytest.mark.database(MIGRATED_TEMPLATE)
def test_rows_and_pages_of_the_six_tableaux_say_this(database_url: str, tmp_path: Path) -> None:
    made = {}
    with TableauDesk.open(database_url, tmp_path) as desk:
        write_register(desk.engine, MOUVEMENTS)
        add_scrutin(desk.engine, SCRUTIN, REUNION_PRECEDENTE, REUNION)
        for type_, presentation in product(TypeTableau, Presentation):
            drawn = desk.make(type_, presentations=[presentation], **_ASKED[type_])
            made[f"{type_}.{presentation}.txt"] = _describe(drawn).encode()
    check_files(made, {path.name: path for path in FOLDER.iterdir()}, FOLDER)
