"""The list as CSV: `;`, UTF-8, LF, no quoting at all.

Source: arrêté du 12 novembre 2013 (NOR INTA1326795A), art. 2. It defines no quote character, so values are made free
of separators before they are written, and a value that is not stops the export rather than shift a column.
"""

import csv
import io
from collections.abc import Iterable
from itertools import islice
from typing import Any

import psycopg
from sqlalchemy import Connection, Select
from sqlalchemy.exc import OperationalError

from worker.db.engine import STREAM
from worker.errors import ExportError
from worker.writers.columns import COLUMNS, select_electeurs
from worker.writers.liste import ListeSpec
from worker.writers.sink import Progress, Sink

HEADER = (";".join(column.name for column in COLUMNS) + "\n").encode()
_BLOCK = 500
_SHIFTED = "Une valeur contient un séparateur : l'export s'arrête avant de décaler une colonne."


def write_csv(
    connection: Connection, spec: ListeSpec, sink: Sink, progress: Progress, *, tidy: bool, separators: bool
) -> int:
    """Write the header and one line per elector of age.

    `tidy`: some values must be cleaned on the way, which may make a `;` (the Greek question mark); `separators`: some
    hold `;` or `"`. Both are found beforehand, so that a clean register pays for neither.

    Returns:
        The number of data lines.

    Raises:
        ExportError: a value cannot be written without a quote.
    """
    sink.write(HEADER)
    query = select_electeurs(spec, COLUMNS, tidy=tidy, replace_separators=separators or tidy)
    if connection.dialect.name == "postgresql":
        return _copy(connection, query, sink, progress)
    return _write_rows(connection.execute(query, execution_options=STREAM), sink, progress)


def _copy(connection: Connection, query: Select[Any], sink: Sink, progress: Progress) -> int:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 — the dialect says so; tells mypy
    compiled = query.compile(connection, compile_kwargs={"render_postcompile": True})
    statement = f"COPY ({compiled}) TO STDOUT WITH (FORMAT csv, DELIMITER ';')"
    written = 0
    try:
        with driver.cursor() as cursor, cursor.copy(statement, compiled.params) as copy:
            rows = iter(copy.read, b"")
            while block := b"".join(islice(rows, _BLOCK)):
                if b'"' in block:
                    raise ExportError(_SHIFTED)
                written += block.count(b"\n")
                sink.write(block)
                progress(written)
    except psycopg.OperationalError as error:
        raise OperationalError("COPY", None, error) from error
    return written


def _write_rows(rows: Iterable[Any], sink: Sink, progress: Progress) -> int:
    written = 0
    iterator = iter(rows)
    while block := list(islice(iterator, _BLOCK)):
        text = io.StringIO(newline="")
        try:
            csv.writer(text, delimiter=";", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n").writerows(
                block
            )
        except csv.Error:
            raise ExportError(_SHIFTED) from None
        written += len(block)
        sink.write(text.getvalue().encode())
        progress(written)
    return written
