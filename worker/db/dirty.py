"""Looking for what `worker.domain.texte` would change, inside the database: one meaning on PostgreSQL and SQLite.

Each takes one text, or several joined by `worker.domain.texte.JOINT`.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from worker.domain import texte


class is_suspect(FunctionElement[bool]):  # noqa: N801 — reads like an SQL function
    """A cheap first look; where it is false the text is clean and without separators."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, text: ColumnElement[str]) -> None:
        super().__init__(text)


class is_dirty(FunctionElement[bool]):  # noqa: N801 — reads like an SQL function
    """The text must be cleaned before it is written."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, text: ColumnElement[str]) -> None:
        super().__init__(text)


def _pattern(pattern: str) -> str:
    return "'" + pattern.encode("ascii", "backslashreplace").decode("ascii").replace("'", "''") + "'"


@compiles(is_suspect, "postgresql")
def _suspect_on_postgresql(element: is_suspect, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"(({compiler.process(element.clauses, **options)}) ~ {_pattern(texte.SUSPECT)})"


@compiles(is_suspect, "sqlite")
def _suspect_on_sqlite(element: is_suspect, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"is_suspect({compiler.process(element.clauses, **options)})"


@compiles(is_dirty, "postgresql")
def _dirty_on_postgresql(element: is_dirty, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    text = compiler.process(element.clauses, **options)
    return f"(({text}) ~ {_pattern(texte.DIRTY)} OR NOT (({text}) IS NFC NORMALIZED))"


@compiles(is_dirty, "sqlite")
def _dirty_on_sqlite(element: is_dirty, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"(NOT is_clean({compiler.process(element.clauses, **options)}))"
