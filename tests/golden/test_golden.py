"""The files of each case, byte for byte, from the import of its register to the exports volume, on both databases."""

from pathlib import Path

import pytest

from tests.golden.cases import Case, produce, read_cases
from tests.golden.expected import check_files
from tests.golden.tableaux import FOLDER, make_tableaux
from tests.parts.town import MIGRATED_TEMPLATE

CASES = read_cases()


@pytest.mark.database(MIGRATED_TEMPLATE)
@pytest.mark.parametrize("case", CASES, ids=[case.folder.name for case in CASES])
def test_the_files_are_these_bytes(case: Case, database_url: str, tmp_path: Path) -> None:
    check_files(produce(case, database_url, tmp_path), case.expected(), case.folder)


@pytest.mark.database(MIGRATED_TEMPLATE)
def test_rows_and_pages_of_the_six_tableaux_say_this(database_url: str, tmp_path: Path) -> None:
    made = {name: said.encode() for name, said in make_tableaux(database_url, tmp_path)}
    check_files(made, {path.name: path for path in FOLDER.iterdir()}, FOLDER)
