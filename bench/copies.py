r"""The reference of most measures: `psql \copy (SELECT …) TO file`, of the SELECT of our files."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Connection, Select, and_, case, func, literal, null, select, text

from bench.files import read_spec
from bench.measure import Measure
from bench.registers import AT_VERSION, Task
from common.calendrier import jour_a_paris
from schemas.profiles.platform import read_shipped
from schemas.vocabulary import Liste
from tests.parts.packages import POSTGRESQL
from worker.db.engine import build_engine, snapshot
from worker.registre.models import ORDRE, Bureau, Commune, Electeur, ListeCommunale
from worker.writers.columns import COLUMNS, OF_AGE, Column, ListeSpec, select_electeurs

_PLANNER = "SELECT name, setting FROM pg_settings WHERE source = 'session' AND category LIKE 'Query Tuning%'"


class Copy(NamedTuple):
    r"""A SELECT with its values, written to a file by psql's `\copy` with the planner settings of a snapshot."""

    task: Task
    query: str
    planner: Mapping[str, str]
    null: str = ""

    def run(self) -> Measure:
        """Time one copy, from the start of psql to its end."""
        path = self.task.folder / "psql.csv"
        form = f"(format csv, delimiter ';', null '{self.null}')"
        wall = _run_psql(self.task, f"\\copy ({self.query}) to '{path}' with {form}", self.planner)
        size = path.stat().st_size
        path.unlink()
        return Measure(wall, size=size)


def copy_from(task: Task) -> Measure:
    r"""Time one `\copy` of the REU export into a plain table of texts, from the start of psql to its end."""
    with task.reu.open(encoding="utf-8") as file:
        columns = file.readline().count(";") + 1
    table = ", ".join(f"c{number} text" for number in range(columns))
    _run_psql(task, f"DROP TABLE IF EXISTS plain; CREATE TABLE plain ({table})", {})
    return Measure(
        _run_psql(
            task, f"\\copy plain from '{task.reu}' with (format csv, delimiter ';', header)", {}
        )
    )


def read_copy(task: Task, build: Callable[[Connection], Select[Any]], *, null: str = "") -> Copy:
    """Return the copy of a SELECT, with the values as our driver sends them to PostgreSQL."""
    engine = build_engine(task.url)
    with snapshot(engine) as connection:
        compiled = build(connection).compile(connection).construct_expanded_state()
        driver = connection.connection.driver_connection
        if not isinstance(driver, psycopg.Connection):
            raise TypeError("psycopg's connection is expected")
        query = (
            psycopg.ClientCursor(driver)
            .mogrify(compiled.statement, compiled.parameters)
            .replace("\n", " ")
        )
        planner = {row.name: row.setting for row in connection.execute(text(_PLANNER))}
    engine.dispose()
    return Copy(task, query, planner, null)


def select_file(connection: Connection) -> Select[Any]:
    """Return the SELECT of the file of LIBREVILLE's principal list."""
    return select_electeurs(COLUMNS).params(read_spec(connection).parameters)


def select_plain(connection: Connection) -> Select[Any]:
    """Return the same rows as plain columns of the register."""
    return select_electeurs(tuple(map(_plain, COLUMNS))).params(read_spec(connection).parameters)


def _plain(column: Column) -> Column:
    source = column.source
    return column if source is None else replace(column, expression=source)


def select_departement(_connection: Connection) -> Select[Any]:
    """Return all lists in one SELECT: each line as in the file of its list, in the same order.

    Values that differ between lists are read from the register.
    """
    shipped, is_principale = read_shipped(), Electeur.liste == Liste.PRINCIPALE.value
    every = ListeSpec(
        "", "", "", Liste.PRINCIPALE, 0, "", shipped.info_liste, jour_a_paris(datetime.now(UTC))
    )
    own: dict[str, Any] = {
        "type_liste": case(
            {liste.value: code for liste, code in shipped.type_liste.items()}, value=Electeur.liste
        ),
        "date_creation": literal(every.parameters["date_creation"]),
        "code_departement": Commune.code_departement,
        "code_commune": Commune.code,
        "nom_commune": func.upper(Commune.nom),
        "nationalite": case((is_principale, null()), else_=func.nullif(Electeur.nationalite, "")),
    }
    return (
        select(*(own.get(it.value, it.expression).label(it.value) for it in COLUMNS))
        .select_from(Electeur)
        .join(ListeCommunale, AT_VERSION)
        .join(Commune, Commune.code == Electeur.code_commune)
        .outerjoin(
            Bureau,
            and_(Bureau.code_commune == Electeur.code_commune, Bureau.code == Electeur.code_bureau),
        )
        .where(OF_AGE)
        .order_by(Electeur.code_commune, Electeur.liste, *ORDRE)
        .params(every.parameters)
    )


def _run_psql(task: Task, command: str, planner: Mapping[str, str]) -> float:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PGCLIENTENCODING": "UTF8",
        "PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in planner.items()),
    }
    begun = time.perf_counter()
    arguments = ["--no-psqlrc", "--quiet", "--command", command, task.libpq_url]
    subprocess.run([POSTGRESQL.program("psql"), *arguments], env=environment, check=True)  # noqa: S603 — our statement
    return time.perf_counter() - begun
