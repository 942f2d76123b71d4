"""Sessions that block others or hold back VACUUM, on a real PostgreSQL: which are found, and from when."""

import re
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from tests.integration.notifier_desk import TEMPLATE
from tests.parts.databases import ON_SQLITE
from tests.parts.postgres import PostgresServer
from tests.parts.wait import wait_until
from worker.cli.main import main
from worker.db import sessions
from worker.db.engine import build_engine, snapshot
from worker.db.sessions import OLD_SECONDS, find_blockers, find_open_transactions

pytestmark = pytest.mark.database(TEMPLATE)


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    engine = build_engine(postgres_url)
    yield engine
    engine.dispose()


def _session(connection: Connection) -> tuple[int, datetime]:
    """The process of a connection, and when its transaction began."""
    pid, since = connection.execute(text("SELECT pg_backend_pid(), now()")).one()
    return pid, since


@pytest.mark.parametrize(("seconds", "is_old"), [(OLD_SECONDS - 0.1, False), (OLD_SECONDS, True)])
def test_a_snapshot_that_a_session_holds_is_old_after_ten_minutes(
    engine: Engine, seconds: float, *, is_old: bool
) -> None:
    with snapshot(engine) as held:
        pid, since = _session(held)
        with engine.connect() as connection:
            (found,) = find_open_transactions(connection, since + timedelta(seconds=seconds))
    assert (found.pid, found.is_old) == (pid, is_old)
    assert found.seconds == pytest.approx(seconds)


def test_the_report_names_the_session_without_its_statement(engine: Engine) -> None:
    with snapshot(engine) as held:
        held.execute(text("SELECT 'BANJO'"))
        pid, since = _session(held)
        with engine.connect() as connection:
            (found,) = find_open_transactions(connection, since + timedelta(minutes=12))
    assert str(found) == (
        f"la session {pid} (postgres, prefecture, inactive) a une transaction ouverte depuis 12 minutes"
    )
    assert "BANJO" not in repr(found)


def test_the_oldest_of_several_transactions_comes_first(engine: Engine) -> None:
    with snapshot(engine) as first, snapshot(engine) as second, engine.connect() as connection:
        pids = [_session(it)[0] for it in (first, second)]
        assert [it.pid for it in find_open_transactions(connection)] == pids


def test_a_change_that_is_not_committed_is_found_without_a_snapshot(engine: Engine) -> None:
    with engine.begin() as held:
        held.execute(text("UPDATE volume SET marked_at = now()"))
        pid, _ = _session(held)
        with engine.connect() as connection:
            assert [it.pid for it in find_open_transactions(connection)] == [pid]


def test_a_transaction_that_keeps_no_row_is_not_found(engine: Engine) -> None:
    with engine.begin() as idle, engine.connect() as connection:
        idle.execute(text("SELECT count(*) FROM work"))
        assert find_open_transactions(connection) == []


def test_a_transaction_of_another_database_is_not_found(
    engine: Engine, postgres_server: PostgresServer
) -> None:
    url = postgres_server.create_database()
    other = create_engine(url, poolclass=NullPool)
    with snapshot(other) as held, engine.connect() as connection:
        _session(held)
        assert find_open_transactions(connection) == []
    postgres_server.drop(url)


def test_a_forgotten_lock_is_found_with_its_table_even_while_nobody_waits(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine.begin() as held, engine.connect() as connection:
        held.execute(text("LOCK TABLE work"))
        pid, _ = _session(held)
        assert find_blockers(connection) == [], "a lock of a moment is no trouble"
        monkeypatch.setattr(sessions, "LOCK_SECONDS", 0)
        (found,) = find_blockers(connection)
    assert (found.pid, found.tables) == (pid, "work")
    assert re.fullmatch(
        rf"la session {pid} \(postgres, prefecture, inactive\) verrouille work depuis \d secondes?",
        str(found),
    )


def test_the_session_that_others_wait_for_is_named_and_not_one_that_waits_itself(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "LOCK_SECONDS", 0)
    blocks = "UPDATE volume SET marked_at = now()"
    with engine.begin() as held, engine.connect() as waiting, engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        held.execute(text("LOCK TABLE volume IN SHARE MODE"))
        pid, _ = _session(held)
        assert find_blockers(connection) == [], "readers go on, and no writer waits"
        waiter = threading.Thread(target=waiting.execute, args=(text(blocks),))
        waiter.start()
        wait_until(lambda: find_blockers(connection), message="the blocker")
        assert [it.pid for it in find_blockers(connection)] == [pid]
        held.commit()
        waiter.join()


@ON_SQLITE
def test_sqlite_has_no_sessions(database_url: str) -> None:
    engine = build_engine(database_url)
    with engine.connect() as connection:
        assert find_open_transactions(connection) == []
    engine.dispose()


@pytest.mark.parametrize("old_seconds", [0, OLD_SECONDS])
def test_check_fails_while_a_transaction_is_old(
    engine: Engine,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    old_seconds: float,
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", postgres_url)
    monkeypatch.setattr(sessions, "OLD_SECONDS", old_seconds)
    with snapshot(engine) as held:
        pid, _ = _session(held)
        main(["check"])
    said = capsys.readouterr().out
    is_old = old_seconds == 0
    assert (
        f"ÉCHEC  Sessions : la session {pid} (postgres, prefecture, inactive)" in said
    ) is is_old
    assert (f"pg_terminate_backend({pid})" in said) is is_old
    assert (
        "OK     Sessions : aucune n'en bloque une autre, ni n'est ouverte depuis dix minutes"
        in said
    ) is not is_old
