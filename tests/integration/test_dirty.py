"""Dirty, suspect and cleaned mean the same in PostgreSQL, in SQLite and in Python."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Boolean, ColumnElement, Engine, Text, and_, literal, or_, select

from common import texte
from tests.parts.databases import SqliteFiles
from tests.parts.postgres import PostgresServer
from tests.unit.nasty import NASTY, nasty_texts
from worker.db.engine import build_engine
from worker.db.types import cleaned, is_suspect, needs_cleaning

pytestmark = pytest.mark.integration

ORDINARY = ("", "LANTERNE", "Ursule Zélie", "Œ", "Łukasz", "12 BIS", "a¦b", "¦", "L'Étang", "%s %(x)s :y ? \\", "🏛")
JOINED = ("a ¦b", "a¦ b", "a¦b ", "e¦\u0301", "a¦ ¦b", "¦¦", "a;b¦c")
Verdicts = list[tuple[str, bool, bool, str]]


@pytest.fixture(scope="module")
def engines(
    postgres_server: PostgresServer, sqlite_files: SqliteFiles, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Engine]]:
    """One database of each kind, without any table."""
    postgres_server.start()
    postgres_url = postgres_server.create_database()
    sqlite_url = sqlite_files.create(tmp_path_factory.mktemp("dirty") / "dirty.sqlite3")
    engines = {"postgresql": build_engine(postgres_url), "sqlite": build_engine(sqlite_url)}
    yield engines
    for engine in engines.values():
        engine.dispose()
    postgres_server.drop(postgres_url)


def _ask(engine: Engine, texts: list[str]) -> Verdicts:
    values = [literal(text, Text) for text in texts]
    with engine.connect() as connection:
        query = select(*(function(value) for function in (needs_cleaning, is_suspect, cleaned) for value in values))
        row: list[Any] = list(connection.execute(query).one())
    dirty, suspect, clean = (row[start : start + len(texts)] for start in range(0, len(row), len(texts)))
    return list(zip(texts, dirty, suspect, clean, strict=True))


def _expect(texts: list[str]) -> Verdicts:
    return [(text, not texte.is_clean(text), texte.is_suspect(text), texte.clean(text)) for text in texts]


def test_the_databases_agree_with_python_on_nasty_texts(engines: dict[str, Engine]) -> None:
    texts = [*NASTY, *ORDINARY, *JOINED, *(f"a{chr(code)}b" for code in range(1, 0x300))]
    expected = _expect(texts)
    assert any(dirty for _, dirty, *_ in expected)
    assert [text for text, dirty, suspect, _ in expected if dirty and not suspect] == []
    for engine in engines.values():
        for start in range(0, len(texts), 100):
            assert _ask(engine, texts[start : start + 100]) == expected[start : start + 100], engine.dialect.name


@settings(max_examples=40)
@given(texts=st.lists(nasty_texts(nul=False), min_size=8, max_size=8))
def test_the_databases_agree_with_python_on_any_text(engines: dict[str, Engine], texts: list[str]) -> None:
    expected = _expect(texts)
    assert {name: _ask(engine, texts) for name, engine in engines.items()} == dict.fromkeys(engines, expected)


@pytest.mark.parametrize("function", [needs_cleaning, is_suspect])
def test_they_combine_with_other_conditions(
    engines: dict[str, Engine], function: Callable[[ColumnElement[str]], ColumnElement[bool]]
) -> None:
    dirty, plain = function(literal("a\u00a0b", Text)), function(literal("LANTERNE", Text))
    false = literal(value=False, type_=Boolean)
    for engine in engines.values():
        with engine.connect() as connection:
            row = connection.execute(select(and_(dirty, ~plain), or_(false, plain), ~or_(dirty, false))).one()
        assert [bool(value) for value in row] == [True, False, False]
