"""Databases that are prepared once, then copied for each test."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import text

from worker.db.engine import build_engine

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For a test where the database does not matter; other tests show that both databases give the same."""


class Template(NamedTuple):
    """How to prepare a database; `prepare` gets its URL, works on both dialects and leaves no connection open."""

    name: str
    prepare: Callable[[str], None]


def read_rows(url: str, query: str) -> list[tuple[Any, ...]]:
    engine = build_engine(url)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return rows


class SqliteFiles:
    """SQLite databases, copied from templates that are kept in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._templates: dict[str, Path] = {}

    def create(self, path: Path, template: Template | None = None) -> str:
        """The URL of a new database at `path`; without a template, the file appears at the first connection."""
        if template is not None:
            with (
                closing(sqlite3.connect(self._prepared(template))) as source,
                closing(sqlite3.connect(path)) as copy,
            ):
                source.backup(copy)
        return f"sqlite:///{path}"

    def _prepared(self, template: Template) -> Path:
        if template.name not in self._templates:
            path = self._folder / f"{template.name}.sqlite3"
            template.prepare(f"sqlite:///{path}")
            self._templates[template.name] = path
        return self._templates[template.name]
