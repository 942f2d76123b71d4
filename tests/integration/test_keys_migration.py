"""Migrations 0010 and 0012: what waits, and the account as a part of a request's key; files keep their requests."""

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, MetaData, text
from sqlalchemy.exc import IntegrityError

from tests.parts.databases import Template
from worker.db.engine import build_engine
from worker.db.migrate import downgrade, migrate
from worker.db.types import Base
from worker.exports.models import KEY_REUSED

TABLES, REFERRED = ("depot", "parked", "request"), ("export",)

_REQUEST = """INSERT INTO request (source, event_id, event_type, correlation_id, code_commune, requested_by, created_at,
                                   outcome, reason, sender) VALUES
              ('/test', :id, 'liste_export', 'c', '13900', 'mairie', '2026-09-10 08:00:00.000', 'accepted', '', :sender)
"""
_EXPORT = """INSERT INTO export (request_id, part, code_commune, liste, format, file_name, label, status, parameters,
                                 anomalies)
             SELECT id, 'P.csv', '13900', 'P', 'csv', event_id || sender, 'Liste P', 'ready', '{}', '[]' FROM request"""


def _prepare(url: str) -> None:
    engine = build_engine(url)
    migrate(engine, "0009")
    with engine.begin() as connection:
        for event_id in ("1", "2"):
            connection.execute(text(_REQUEST), {"id": event_id, "sender": "mairie"})
        connection.execute(text(_EXPORT))
    engine.dispose()


pytestmark = [pytest.mark.integration, pytest.mark.database(Template("before-the-keys", _prepare)), pytest.mark.slow]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = build_engine(database_url)
    yield engine
    engine.dispose()


def _files(engine: Engine) -> list[tuple[str, str]]:
    query = "SELECT r.event_id, e.file_name FROM export e JOIN request r ON r.id = e.request_id ORDER BY e.id"
    with engine.connect() as connection:
        return [(row.event_id, row.file_name) for row in connection.execute(text(query))]


def _add(engine: Engine, event_id: str, sender: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(_REQUEST), {"id": event_id, "sender": sender})


def test_two_accounts_may_use_one_id_and_no_file_loses_its_request(engine: Engine) -> None:
    migrate(engine)
    assert _files(engine) == [("1", "1mairie"), ("2", "2mairie")]
    _add(engine, "1", "ecran")
    with pytest.raises(IntegrityError):
        _add(engine, "1", "ecran")
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE request SET code = '{KEY_REUSED}', payload_hash = 'x' WHERE sender = 'ecran'"))  # noqa: S608 — ours
    _add(engine, "1", "ecran")
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text("DELETE FROM request WHERE event_id = '2'"))


def test_back_and_forth_nothing_is_lost(engine: Engine) -> None:
    migrate(engine)
    _add(engine, "1", "ecran")
    downgrade(engine, "0009")
    with pytest.raises(IntegrityError):
        _add(engine, "1", "another")
    migrate(engine)
    _add(engine, "1", "another")
    assert _files(engine) == [("1", "1mairie"), ("2", "2mairie")]
    with engine.connect() as connection:
        ids = list(connection.scalars(text("SELECT event_id FROM request ORDER BY id")))
    assert ids == ["1", "2", "1#3", "1"]


def test_the_tables_are_those_that_the_code_expects(engine: Engine) -> None:
    migrate(engine)
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)
    for name in (*TABLES, *REFERRED):
        Base.metadata.tables[name].to_metadata(metadata)

    def is_wanted(_item: object, name: str | None, kind: str, reflected: bool, _other: object) -> bool:
        return name in TABLES if kind == "table" else not (kind == "index" and reflected)

    with engine.connect() as connection:
        options = {"compare_type": True, "include_object": is_wanted}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
