"""Writes list files as CSV and reads them back."""

import csv
import io
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import IO, Any

import psycopg
from sqlalchemy import Connection, Select
from sqlalchemy.exc import OperationalError

from schemas.vocabulary import Liste
from worker.db.engine import STREAM
from worker.errors import ExportError
from worker.writers import Progress, Sink
from worker.writers.columns import COLUMNS, ENTETE, AnyListe, ListeSpec, NotOurFileError, Values, select_electeurs

HEADER = (";".join(column.name for column in COLUMNS) + "\n").encode()
_BLOCK = 500
_SHIFTED = "Une valeur contient un séparateur : l'export s'arrête avant de décaler une colonne."


def write_csv(connection: Connection, spec: ListeSpec, sink: Sink, progress: Progress, *, cleaning: bool) -> int:
    """Write the header and one line per elector of age, and return the number of electors; see `WriteListe`.

    Cleaning can produce a `;` (from the Greek question mark), so a separator is replaced after it.

    Raises:
        ExportError: a value cannot be written without a quote.
    """
    sink.write(HEADER)
    query = _select(spec.liste, cleaning=cleaning)
    if connection.dialect.name == "postgresql":
        return _copy(connection, query, spec, sink, progress)
    rows = connection.execute(query, spec.parameters, execution_options=STREAM)
    return _write_rows(rows, sink, progress)


@cache
def _select(liste: Liste, *, cleaning: bool) -> Select[Any]:
    return select_electeurs(AnyListe(liste), COLUMNS, cleaning=cleaning, replace_separators=cleaning)


def _copy(connection: Connection, query: Select[Any], spec: ListeSpec, sink: Sink, progress: Progress) -> int:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 — the dialect guarantees it; for mypy
    compiled = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    statement = f"COPY ({compiled}) TO STDOUT WITH (FORMAT csv, DELIMITER ';')"
    parameters = {**compiled.params, **spec.parameters}
    written = 0
    try:
        with driver.cursor() as cursor, cursor.copy(statement, parameters) as copy:
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


def read_csv(stream: IO[bytes]) -> Iterator[Values]:
    """Yield the values of each elector, in the order of the file.

    Raises:
        NotOurFileError: a line differs from what `write_csv` writes.
    """
    if stream.readline() != HEADER:
        raise NotOurFileError("the first line is not ours")
    for line in stream:
        try:
            values = line.decode().removesuffix("\n").split(";")
        except UnicodeDecodeError:
            raise NotOurFileError("not UTF-8") from None
        if len(values) != len(COLUMNS):
            raise NotOurFileError("a line has not 29 values")
        yield values[len(ENTETE) :]
