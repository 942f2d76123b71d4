"""The files of each case, byte for byte, from the import of its register to the exports volume, on both databases."""

from pathlib import Path

import pytest

from tests.golden.cases import Case, produce, read_cases
from tests.golden.tableaux import FOLDER, make_tableaux
from tests.parts.town import MIGRATED_TEMPLATE

CASES = read_cases()


@pytest.mark.integration
@pytest.mark.database(MIGRATED_TEMPLATE)
@pytest.mark.parametrize("case", CASES, ids=[case.folder.name for case in CASES])
def test_the_files_are_these_bytes(case: Case, database_url: str, tmp_path: Path) -> None:
    made = produce(case, database_url, tmp_path)
    expected = case.expected()
    assert sorted(made) == sorted(expected)
    for name in sorted(made):
        assert made[name].decode().split("\n") == expected[name].decode().split("\n"), name


@pytest.mark.integration
@pytest.mark.database(MIGRATED_TEMPLATE)
def test_rows_and_pages_of_the_six_tableaux_say_this(database_url: str, tmp_path: Path) -> None:
    made = dict(make_tableaux(database_url, tmp_path))
    assert sorted(made) == sorted(path.name for path in FOLDER.iterdir())
    for name, said in made.items():
        assert said.split("\n") == (FOLDER / name).read_text("utf-8").split("\n"), name
