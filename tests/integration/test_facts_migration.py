"""Migration 0015: nobody has looked at what was there before; what is written afterwards says so itself."""

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, MetaData, text

from common.calendrier import jour_a_paris, now
from schemas.vocabulary import Liste
from tests.parts.databases import Template
from worker.db.engine import build_engine
from worker.db.migrate import downgrade, migrate
from worker.db.types import Base
from worker.registre.checks.facts import look_again
from worker.registre.checks.suspects import Fact, Scope, read_look
from worker.registre.communes import add_commune

_IMPORT = """INSERT INTO import (id, file_name, sha256, imported_by, started_at, finished_at, lines_read, lines_kept,
             lines_rejected, values_cleaned, bureaux_before, taken_on)
             VALUES (1, 'reu.csv', 'x', 'mairie', '2026-09-10 08:00:00.000', '2026-09-10 08:00:00.000', 2, 2, 0, 0,
             '[]', '2026-09-10')"""
_ELECTEUR = """INSERT INTO electeur (code_commune, liste, version, code_bureau, numero_ordre, sexe, nom_naissance,
    prenoms, date_naissance, commune_naissance, departement_naissance, libelle_voie, code_postal, ville)
    VALUES ('13900', 'P', :version, '0001', :numero, :sexe, :nom, 'Zélie', '1962-03-14', 'ARLES', '13', 'SAUGE',
    '13900', 'LIBREVILLE')"""


def _write(engine: Engine, nom: str, sexe: str, numero: int, version: int = 1) -> None:
    values = {"nom": nom, "sexe": sexe, "numero": numero, "version": version}
    with engine.begin() as connection:
        connection.execute(text(_ELECTEUR), values)


def _prepare(url: str) -> None:
    engine = build_engine(url)
    migrate(engine, "0014")
    with engine.begin() as connection:
        add_commune(connection, "13900", "Libreville")
        connection.execute(text(_IMPORT))
        connection.execute(text("INSERT INTO import_liste (import_id, code_commune, liste, electeurs)"
                                " VALUES (1, '13900', 'P', 2)"))  # fmt: skip
        connection.execute(text("INSERT INTO liste VALUES ('13900', 'P', 1)"))
    _write(engine, "LANTERNE", "F", 1)
    _write(engine, "POIRIER", "", 2)
    engine.dispose()


pytestmark = [pytest.mark.integration, pytest.mark.database(Template("before-the-facts", _prepare))]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = build_engine(database_url)
    migrate(engine)
    yield engine
    engine.dispose()


def _facts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT nom_naissance, facts FROM electeur"))
        return {row.nom_naissance: row.facts for row in rows}


def _scope(engine: Engine) -> Scope:
    with engine.connect() as connection:
        return read_look(connection, "13900", Liste.PRINCIPALE, 1, jour_a_paris(now())).scope


@pytest.mark.slow
def test_what_was_imported_before_is_looked_at_by_the_next_migrate(engine: Engine) -> None:
    assert (_facts(engine), _scope(engine)) == ({"LANTERNE": 0, "POIRIER": 0}, Scope.WHOLE)
    assert look_again(engine) == 1
    assert (_facts(engine), _scope(engine)) == ({"LANTERNE": 0, "POIRIER": Fact.SUSPECT}, Scope.FACTS)


def test_who_is_written_by_sql_is_unchecked(engine: Engine) -> None:
    look_again(engine)
    _write(engine, "TILLEUL", "F", 3)
    assert (_facts(engine)["TILLEUL"], _scope(engine)) == (Fact.UNCHECKED, Scope.CHANGED)


def test_the_tables_are_those_that_the_code_expects(engine: Engine) -> None:
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)
    for name in ("electeur", "import", "import_liste"):
        Base.metadata.tables[name].to_metadata(metadata)

    def is_wanted(_item: object, name: str | None, kind: str, reflected: bool, _other: object) -> bool:
        return name in metadata.tables if kind == "table" else not (kind == "index" and reflected)

    with engine.connect() as connection:
        options = {"compare_type": True, "include_object": is_wanted}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


@pytest.mark.slow
def test_the_former_release_finds_its_tables(engine: Engine) -> None:
    look_again(engine)
    downgrade(engine, "0014")
    _write(engine, "TILLEUL", "F", 3)
    with engine.begin() as connection:
        connection.execute(text("UPDATE electeur SET sexe = 'M'"))
    migrate(engine)
    assert set(_facts(engine).values()) == {0}
