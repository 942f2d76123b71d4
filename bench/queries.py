"""The SELECT of a file, and the same rows as plain columns."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Connection, Select, text

from common.calendrier import jour_a_paris
from schemas.vocabulary import Liste
from worker.db.engine import build_engine, snapshot
from worker.demo.libreville import LIBREVILLE
from worker.registre.communes import read_commune
from worker.writers.columns import COLUMNS, Column, ListeSpec, select_electeurs

_PLANNER = "SELECT name, setting FROM pg_settings WHERE source = 'session' AND category LIKE 'Query Tuning%'"


def read_spec(connection: Connection) -> ListeSpec:
    """Return the spec of LIBREVILLE's principal list, as for a file of today."""
    commune = read_commune(connection, LIBREVILLE.code)
    if commune is None:
        raise LookupError("the register was not imported")
    return ListeSpec(
        code_commune=commune.code,
        nom_commune=commune.nom,
        code_departement=commune.code_departement,
        liste=Liste.PRINCIPALE,
        version=commune.versions[Liste.PRINCIPALE],
        type_liste="G",
        info_liste="L",
        jour=jour_a_paris(datetime.now(UTC)),
    )


class Statement(NamedTuple):
    """One SELECT with its values, and the planner settings of a snapshot."""

    query: str
    planner: Mapping[str, str]


class Statements(NamedTuple):
    """The SELECT of the file, the same rows as plain columns, and the planner settings of a snapshot."""

    file: str
    plain: str
    planner: Mapping[str, str]


def read_statements(url: str) -> Statements:
    """Return the statements with their values, as our driver sends the first to PostgreSQL."""
    engine = build_engine(url)
    with snapshot(engine) as connection:
        spec = read_spec(connection)
        file, plain = (
            as_text(connection, select_electeurs(spec, columns)) for columns in (COLUMNS, tuple(map(_plain, COLUMNS)))
        )
        planner = read_planner(connection)
    engine.dispose()
    return Statements(file, plain, planner)


def _plain(column: Column) -> Column:
    source = column.source
    return column if source is None else replace(column, expression=lambda _spec: source)


def read_planner(connection: Connection) -> Mapping[str, str]:
    """Return the planner settings of the open snapshot."""
    return {row.name: row.setting for row in connection.execute(text(_PLANNER))}


def as_text(connection: Connection, query: Select[Any]) -> str:
    """Return the statement on one line, with its values as our driver writes them."""
    compiled = query.compile(connection, compile_kwargs={"render_postcompile": True})
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("psycopg's connection is expected")
    return psycopg.ClientCursor(driver).mogrify(str(compiled), compiled.params).replace("\n", " ")
