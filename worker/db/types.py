"""Types and expressions with one meaning on PostgreSQL and SQLite."""

import re
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Text,
    false,
    literal,
    text,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Float, TypeEngine

from common import texte
from common.instant import UtcDateTime as UtcDateTime  # noqa: PLC0414 — the tables import it from here

Texte = Text().with_variant(Text(collation="C"), "postgresql")
"""Text compared by its bytes: the order of lines is equal on both databases."""

Id = BigInteger().with_variant(Integer, "sqlite")
"""The id of a row; SQLite numbers the rows of an INTEGER key only."""


def empty(doc: str | None = None) -> Mapped[str]:
    """Return a column of text that is empty by default."""
    return mapped_column(Texte, default="", server_default="", doc=doc)


def zero(doc: str | None = None) -> Mapped[int]:
    """Return a column of a number that is 0 by default."""
    return mapped_column(Integer, default=0, server_default="0", doc=doc)


def flag(doc: str | None = None, *, default: bool = False) -> Mapped[bool]:
    """Return a column of a truth value."""
    return mapped_column(
        Boolean, default=default, server_default=true() if default else false(), doc=doc
    )


def rows_where(condition: str) -> dict[str, Any]:
    """Return the options of an index of some rows only."""
    return {"postgresql_where": text(condition), "sqlite_where": text(condition)}


def insert_into(connection: Connection, table: type[DeclarativeBase]) -> Any:  # noqa: ANN401 — of either dialect
    """Return an INSERT that can ignore or update existing rows (`ON CONFLICT`)."""
    return {"postgresql": postgresql.insert, "sqlite": sqlite.insert}[connection.dialect.name](
        table
    )


class _OfDialect(FunctionElement[Any]):
    """An expression with a text for each database, in which its arguments replace `{0}` and `{1}`."""

    on_postgresql: str
    on_sqlite: str


def _function(
    name: str, on_postgresql: str, on_sqlite: str, type_: TypeEngine[Any] | None = None
) -> type[_OfDialect]:
    known: dict[str, Any] = {
        "on_postgresql": on_postgresql,
        "on_sqlite": on_sqlite,
        "inherit_cache": True,
    }
    return type(name, (_OfDialect,), known | ({"type": type_} if type_ else {}))


@compiles(_OfDialect)
def _compile(element: _OfDialect, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    clauses = [compiler.process(it, **options) for it in element.clauses]
    expression = element.on_sqlite if compiler.dialect.name == "sqlite" else element.on_postgresql
    return re.sub(r"\{(\d)\}", lambda place: clauses[int(place[1])], expression)


seconds_between = _function(
    "seconds_between",
    "CAST(EXTRACT(EPOCH FROM {1} - {0}) AS DOUBLE PRECISION)",
    "((julianday({1}) - julianday({0})) * 86400)",
    Float(),
)
"""Seconds from the first instant to the second, with their fraction."""

_later = _function(
    "later",
    "(statement_timestamp() + ({0}) * interval '1 second')",
    "strftime('%Y-%m-%d %H:%M:%f', 'now', ({0}) || ' seconds')",
    UtcDateTime(),
)
"""The database's clock, plus a number of seconds."""

_now = _function(
    "now", "(statement_timestamp())", "strftime('%Y-%m-%d %H:%M:%f', 'now')", UtcDateTime()
)


def utc_now(offset: float | ColumnElement[float] = 0) -> ColumnElement[datetime]:
    """Return the database's clock, `offset` seconds from now; leases never compare the clocks of two hosts.

    It is constant within a statement, so that a condition on it can use an index.
    """
    if isinstance(offset, ColumnElement):
        return _later(offset)
    return _later(literal(float(offset), Float)) if offset else _now()


nulls_first = _function("nulls_first", "{0} NULLS FIRST", "{0}")
"""A column of an index in which NULL precedes all values. SQLite has no other order, and no syntax for it."""

size_of = _function("size_of", "octet_length({0})", "length({0})", Integer())
"""At least the number of characters of a text, computed without reading the text if the database can."""


# The tests and changes of `common.texte` inside the database. A text may be several values joined by JOINT.


def _quote(pattern: str) -> str:
    return (
        "'" + pattern.encode("ascii", "backslashreplace").decode("ascii").replace("'", "''") + "'"
    )


is_suspect = _function(
    "is_suspect", f"(({{0}}) ~ {_quote(texte.SUSPECT)})", "is_suspect({0})", Boolean()
)
"""A cheap first test: if it is false, the text is clean, whole and without separators."""

is_garbled = _function(
    "is_garbled", f"(({{0}}) ~ {_quote(texte.GARBLED)})", "is_garbled({0})", Boolean()
)
"""Whether an encoding has lost a letter."""

is_altered = _function(
    "is_altered", f"(({{0}}) ~ {_quote(texte.ALTERED)})", "is_altered({0})", Boolean()
)
"""Whether a spreadsheet or a program has replaced a value."""

_ODD = f"[{texte.NOT_IN_NAMES}]"
has_odd_sign = _function(
    "has_odd_sign", f"(({{0}}) ~ '{_ODD}')", f"({{0}} GLOB '*{_ODD}*')", Boolean()
)
"""Whether a name has a digit or a sign that no name has."""

needs_cleaning = _function(
    "needs_cleaning",
    f"(({{0}}) ~ {_quote(texte.UNCLEAN)} OR NOT (({{0}}) IS NFC NORMALIZED))",
    "(NOT is_clean({0}))",
    Boolean(),
)
"""Whether the text must be cleaned before it is written."""

without_case = _function(
    "without_case",
    f"translate({{0}}, '{texte.SMALL}', '{texte.CAPITALS}')",
    "without_case({0})",
    Text(),
)
"""The text in capitals, accents kept."""

_ALLOWED = f"normalize(regexp_replace({{0}}, {_quote(f'[{texte.NOT_ALLOWED}]')}, '', 'g'), NFC)"
_SPACED = f"regexp_replace({_ALLOWED}, {_quote(f'[ {texte.SPACES}]+')}, ' ', 'g')"


cleaned = _function(
    "cleaned",
    f"(CASE WHEN {{0}} ~ {_quote(texte.SUSPECT)} THEN normalize(btrim({_SPACED}), NFC) ELSE {{0}} END)",
    "(CASE WHEN {0} IS NOT NULL THEN clean({0}) END)",
    Text(),
)
"""The text, cleaned as `common.texte.clean` cleans it."""


class Base(DeclarativeBase):
    """Tables share one metadata and predictable constraint names (Alembic needs them on both databases)."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
