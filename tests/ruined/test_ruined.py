"""The clerk is told the fault of each damaged file and what to do; a refused file changes nothing."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import Engine, text

from common.cli import ExitCode
from tests.integration.import_desk import COMMUNE
from tests.parts.databases import ON_SQLITE, Template
from tests.ruined.catalogue import CATALOGUE, ELECTEURS, Ruined
from tests.unit.reu_sample import VOIE, electeurs, write_reu
from worker.cli.main import main
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
    ruined: Ruined,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    engine = build_engine(database_url)
    before = _read_register(engine)
    code, said = _give(ruined, database_url, tmp_path, monkeypatch, capsys)
    after = _read_register(engine)
    shown = _count_shown(engine)
    engine.dispose()
    assert [words for words in ruined.said if words not in said] == [], said
    if ruined.electeurs is None:
        assert code == ExitCode.FAILED, said
        assert after == before
    else:
        assert code == ExitCode.DONE, said
        assert after != before
        assert shown == ruined.electeurs
    assert not any(name in said for name in ("LANTERNE", "AUBIGNE", "Zoé", "TILLEUL"))


@pytest.mark.slow
def test_on_both_databases_nothing_of_them_is_left(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = build_engine(database_url)
    before = _read_register(engine)
    refused = [it for it in CATALOGUE if it.electeurs is None]
    codes = Counter(_give(it, database_url, tmp_path, monkeypatch, capsys)[0] for it in refused)
    assert codes == {ExitCode.FAILED: len(refused)}
    assert _read_register(engine) == before
    engine.dispose()


@ON_SQLITE
def test_numbers_and_dates_of_a_workbook_are_written_as_an_export_has_them(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (ruined,) = (it for it in CATALOGUE if it.name == "classeur-de-nombres.xlsx")
    _give(ruined, database_url, tmp_path, monkeypatch, capsys)
    engine = build_engine(database_url)
    query = "SELECT DISTINCT code_commune, date_naissance, numero_ordre, code_postal FROM electeur NATURAL JOIN liste"
    with engine.connect() as connection:
        read = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    assert read == [("13055", "1962-03-14", 7, "1400")]


def _give(
    ruined: Ruined, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """The exit code and the output of the command."""
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", url)
    monkeypatch.setenv("COLUMNS", "200")
    path = folder / ruined.name
    path.write_bytes(ruined.content)
    code = main([ruined.command, str(path), *ruined.options])
    return code, "".join(capsys.readouterr())


def _read_register(engine: Engine) -> Mapping[str, list[tuple[Any, ...]]]:
    """Every row of the register, and the finished imports."""
    queries = {table: f"SELECT * FROM {table}" for table in _TABLES}  # noqa: S608 — names of ours
    queries["import"] = "SELECT id, file_name FROM import WHERE finished_at IS NOT NULL"
    with engine.connect() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(text(query))), key=str)
            for name, query in queries.items()
        }


def _count_shown(engine: Engine) -> int:
    """The number of electors of all lists, in the versions that they show."""
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM electeur NATURAL JOIN liste")).scalar_one())
