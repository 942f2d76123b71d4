"""Types and expressions with one meaning on PostgreSQL and SQLite."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Dialect,
    Integer,
    MetaData,
    SQLColumnExpression,
    Text,
    TypeDecorator,
    literal,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TIMESTAMP, Float, TypeEngine

from common import texte

Texte = Text().with_variant(Text(collation="C"), "postgresql")
"""Text compared by its bytes: the order of lines is the same on both databases."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. `timestamptz` on PostgreSQL; on SQLite the text `YYYY-MM-DD HH:MM:SS.mmm` in UTC, which sorts."""

    impl = TIMESTAMP(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else TIMESTAMP(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ANN401 — per dialect
        """Send an aware datetime."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", timespec="milliseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ANN401 — per dialect
        """Give an aware datetime back, in UTC."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        return value.astimezone(UTC)  # type: ignore[no-any-return]


class seconds_between(FunctionElement[float]):  # noqa: N801 — reads like an SQL function
    """Seconds from the first instant to the second, with their fraction."""

    type = Float()
    inherit_cache = True


@compiles(seconds_between, "postgresql")
def _seconds_on_postgresql(element: seconds_between, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    begin, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"CAST(EXTRACT(EPOCH FROM {end} - {begin}) AS DOUBLE PRECISION)"


@compiles(seconds_between, "sqlite")
def _seconds_on_sqlite(element: seconds_between, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    begin, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"((julianday({end}) - julianday({begin})) * 86400)"


class utc_now(FunctionElement[datetime]):  # noqa: N801 — reads like an SQL function
    """The database's clock, `offset` seconds from now; leases never compare the clocks of two hosts.

    It stands still within a statement, so that an index can be asked for what is older or newer.
    """

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, offset: float | ColumnElement[float] = 0) -> None:
        is_given = isinstance(offset, ColumnElement)
        super().__init__(*([offset] if is_given else [literal(float(offset), Float)] if offset else []))


@compiles(utc_now, "postgresql")
def _on_postgresql(element: utc_now, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    offsets = [f" + {compiler.process(it, **options)} * interval '1 second'" for it in element.clauses]
    return f"(statement_timestamp(){''.join(offsets)})"


@compiles(utc_now, "sqlite")
def _on_sqlite(element: utc_now, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    offsets = [f", {compiler.process(it, **options)} || ' seconds'" for it in element.clauses]
    return f"strftime('%Y-%m-%d %H:%M:%f', 'now'{''.join(offsets)})"


class nulls_first(FunctionElement[Any]):  # noqa: N801 — reads like an SQL function
    """A column of an index in which NULL precedes all values. SQLite has no other order, and no words for it."""

    inherit_cache = True

    def __init__(self, column: SQLColumnExpression[Any]) -> None:
        super().__init__(column)


@compiles(nulls_first, "postgresql")
def _nulls_on_postgresql(element: nulls_first, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"{compiler.process(element.clauses, **options)} NULLS FIRST"


@compiles(nulls_first, "sqlite")
def _nulls_on_sqlite(element: nulls_first, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return compiler.process(element.clauses, **options)


# What `common.texte` means, inside the database.


class _TextTest(FunctionElement[bool]):
    """A test of a text, or of several joined by JOINT: a function of `common.texte` by name, and its pattern."""

    type = Boolean()
    function: str
    pattern: str

    def __init__(self, text: SQLColumnExpression[str]) -> None:
        super().__init__(text)


class is_suspect(_TextTest):  # noqa: N801 — reads like an SQL function
    """A cheap first look: where it is false, the text is clean, whole and without separators."""

    inherit_cache = True
    function, pattern = "is_suspect", texte.SUSPECT


class is_garbled(_TextTest):  # noqa: N801 — reads like an SQL function
    """A letter was lost by an encoding."""

    inherit_cache = True
    function, pattern = "is_garbled", texte.GARBLED


class is_altered(_TextTest):  # noqa: N801 — reads like an SQL function
    """A value is what a spreadsheet or a program wrote in its place."""

    inherit_cache = True
    function, pattern = "is_altered", texte.ALTERED


class has_odd_sign(_TextTest):  # noqa: N801 — reads like an SQL function
    """A digit, or a sign that no name has."""

    inherit_cache = True
    pattern = f"[{texte.NOT_IN_NAMES}]"


class needs_cleaning(FunctionElement[bool]):  # noqa: N801 — reads like an SQL function
    """The text, or one of several joined by JOINT, must be cleaned before it is written."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, text: ColumnElement[str]) -> None:
        super().__init__(text)


class without_case(FunctionElement[str]):  # noqa: N801 — reads like an SQL function
    """The text in capitals, accents kept."""

    type = Text()
    inherit_cache = True

    def __init__(self, text: SQLColumnExpression[str]) -> None:
        super().__init__(text)


class cleaned(FunctionElement[str]):  # noqa: N801 — reads like an SQL function
    """The text as it may be written."""

    type = Text()
    inherit_cache = True

    def __init__(self, text: ColumnElement[str]) -> None:
        super().__init__(text)


class size_of(FunctionElement[int]):  # noqa: N801 — reads like an SQL function
    """At least the number of characters of a text, known without reading it where the database can."""

    type = Integer()
    inherit_cache = True

    def __init__(self, text: SQLColumnExpression[str]) -> None:
        super().__init__(text)


@compiles(size_of, "postgresql")
def _size_on_postgresql(element: size_of, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"octet_length({compiler.process(element.clauses, **options)})"


@compiles(size_of, "sqlite")
def _size_on_sqlite(element: size_of, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"length({compiler.process(element.clauses, **options)})"


def _pattern(pattern: str) -> str:
    return "'" + pattern.encode("ascii", "backslashreplace").decode("ascii").replace("'", "''") + "'"


@compiles(_TextTest, "postgresql")
def _test_on_postgresql(element: _TextTest, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"(({compiler.process(element.clauses, **options)}) ~ {_pattern(element.pattern)})"


@compiles(_TextTest, "sqlite")
def _test_on_sqlite(element: _TextTest, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"{element.function}({compiler.process(element.clauses, **options)})"


@compiles(has_odd_sign, "sqlite")
def _sign_on_sqlite(element: has_odd_sign, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"({compiler.process(element.clauses, **options)} GLOB '*{element.pattern}*')"


@compiles(needs_cleaning, "postgresql")
def _unclean_on_postgresql(element: needs_cleaning, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    text = compiler.process(element.clauses, **options)
    return f"(({text}) ~ {_pattern(texte.UNCLEAN)} OR NOT (({text}) IS NFC NORMALIZED))"


@compiles(needs_cleaning, "sqlite")
def _unclean_on_sqlite(element: needs_cleaning, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"(NOT is_clean({compiler.process(element.clauses, **options)}))"


@compiles(without_case, "postgresql")
def _capitals_on_postgresql(element: without_case, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"translate({compiler.process(element.clauses, **options)}, '{texte.SMALL}', '{texte.CAPITALS}')"


@compiles(without_case, "sqlite")
def _capitals_on_sqlite(element: without_case, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"without_case({compiler.process(element.clauses, **options)})"


@compiles(cleaned, "postgresql")
def _cleaned_on_postgresql(element: cleaned, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    text = compiler.process(element.clauses, **options)
    kept = f"normalize(regexp_replace({text}, {_pattern(f'[{texte.NOT_ALLOWED}]')}, '', 'g'), NFC)"
    spaced = f"regexp_replace({kept}, {_pattern(f'[ {texte.SPACES}]+')}, ' ', 'g')"
    return f"(CASE WHEN {text} ~ {_pattern(texte.SUSPECT)} THEN normalize(btrim({spaced}), NFC) ELSE {text} END)"


@compiles(cleaned, "sqlite")
def _cleaned_on_sqlite(element: cleaned, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    text = compiler.process(element.clauses, **options)
    return f"(CASE WHEN {text} IS NOT NULL THEN clean({text}) END)"


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
