"""What `worker.domain.texte` means, inside the database: the same on PostgreSQL and SQLite."""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Integer, SQLColumnExpression, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from worker.domain import texte


class is_suspect(FunctionElement[bool]):  # noqa: N801 — reads like an SQL function
    """A cheap first look at a text, or several joined by JOINT: where it is false, clean and without separators."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, text: ColumnElement[str]) -> None:
        super().__init__(text)


class needs_cleaning(FunctionElement[bool]):  # noqa: N801 — reads like an SQL function
    """The text, or one of several joined by JOINT, must be cleaned before it is written."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, text: ColumnElement[str]) -> None:
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


@compiles(is_suspect, "postgresql")
def _suspect_on_postgresql(element: is_suspect, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"(({compiler.process(element.clauses, **options)}) ~ {_pattern(texte.SUSPECT)})"


@compiles(is_suspect, "sqlite")
def _suspect_on_sqlite(element: is_suspect, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"is_suspect({compiler.process(element.clauses, **options)})"


@compiles(needs_cleaning, "postgresql")
def _unclean_on_postgresql(element: needs_cleaning, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    text = compiler.process(element.clauses, **options)
    return f"(({text}) ~ {_pattern(texte.UNCLEAN)} OR NOT (({text}) IS NFC NORMALIZED))"


@compiles(needs_cleaning, "sqlite")
def _unclean_on_sqlite(element: needs_cleaning, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"(NOT is_clean({compiler.process(element.clauses, **options)}))"


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
