"""The clerk is told the fault of each damaged file and what to do; a refused file changes nothing."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from common.cli import ExitCode
from tests.integration.files_desk import Run
from tests.integration.import_desk import COMMUNE
from tests.parts.databases import ON_SQLITE, Template, read_rows
from tests.ruined.catalogue import CATALOGUE, ELECTEURS, Ruined
from tests.unit.reu_sample import VOIE, electeurs, write_reu
from worker.db.engine import build_engine
from worker.db.migrate import migrate
from worker.registre.communes import add_commune
from worker.registre.reu.importer import import_file

_TABLES = ("electeur", "liste", "bureau", "mouvement", "import_liste")


def _prepare(url: str) -> None:
    """A register with a list: a refused file must not change it."""
    engine = build_engine(url)
    migrate(engine)
    with engine.begin() as connection:
        add_commune(connection, COMMUNE, "Marseille")
    with TemporaryDirectory() as folder:
        path = write_reu(Path(folder) / "reu.csv", electeurs(ELECTEURS, {VOIE: "Rue Neuve"}))
        import_file(engine, path, imported_by="test")
    engine.dispose()


pytestmark = pytest.mark.database(Template("ruined", _prepare))


@ON_SQLITE
@pytest.mark.parametrize("ruined", CATALOGUE, ids=[it.name for it in CATALOGUE])
def test_what_it_is_and_what_to_do_is_said(
    ruined: Ruined, run: Run, database_url: str, tmp_path: Path
) -> None:
    before = _read_register(database_url)
    code, said = _give(ruined, run, tmp_path)
    after = _read_register(database_url)
    assert [words for words in ruined.said if words not in said] == [], said
    if ruined.electeurs is None:
        assert code == ExitCode.FAILED, said
        assert after == before
    else:
        assert code == ExitCode.DONE, said
        assert after != before
        shown = read_rows(database_url, "SELECT count(*) FROM electeur NATURAL JOIN liste")
        assert shown == [(ruined.electeurs,)], "in the versions that the lists show"
    assert not any(name in said for name in ("LANTERNE", "AUBIGNE", "Zoé", "TILLEUL"))


@pytest.mark.slow
def test_on_both_databases_nothing_of_them_is_left(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    before = _read_register(database_url)
    refused = [it for it in CATALOGUE if it.electeurs is None]
    codes = Counter(_give(it, run, tmp_path)[0] for it in refused)
    assert codes == {ExitCode.FAILED: len(refused)}
    assert _read_register(database_url) == before


@ON_SQLITE
def test_numbers_and_dates_of_a_workbook_are_written_as_an_export_has_them(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    (ruined,) = (it for it in CATALOGUE if it.name == "classeur-de-nombres.xlsx")
    _give(ruined, run, tmp_path)
    query = "SELECT DISTINCT code_commune, date_naissance, numero_ordre, code_postal FROM electeur NATURAL JOIN liste"
    assert read_rows(database_url, query) == [("13055", "1962-03-14", 7, "1400")]


def _give(ruined: Ruined, run: Run, folder: Path) -> tuple[int, str]:
    """The exit code and the output of the command."""
    path = folder / ruined.name
    path.write_bytes(ruined.content)
    ran = run(ruined.command, path, *ruined.options)
    return ran.code, ran.out + ran.err


def _read_register(url: str) -> Mapping[str, list[tuple[Any, ...]]]:
    """Every row of the register, and the finished imports."""
    queries = {table: f"SELECT * FROM {table}" for table in _TABLES}  # noqa: S608 — names of ours
    queries["import"] = "SELECT id, file_name FROM import WHERE finished_at IS NOT NULL"
    return {name: sorted(read_rows(url, query), key=str) for name, query in queries.items()}
