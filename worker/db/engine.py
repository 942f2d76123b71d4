"""Engines, the snapshot of an export, the revision of the database, and the signal that wakes the notifiers."""

import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry

from common import texte
from common.database import CONNECT_OPTIONS, add_view_functions, explain_database_tls
from worker.causes import explain_database
from worker.errors import ConfigurationError

BUSY_SECONDS = 15
"""How long a SQLite writer waits for another one."""


_VERSIONS = Path(__file__).parent / "migrations" / "versions"

CHANNEL = "prefecture_ready"

POLL_SECONDS = {"postgresql": 1.0, "sqlite": 0.5}
"""The poll interval; on PostgreSQL a fallback, because a notification is lost with its connection."""

_SLICE_SECONDS = 0.25
"""The longest delay before a stop is noticed."""


def build_engine(
    url: str, *, serves: bool = False, hurries: bool = False, connections: int | None = None
) -> Engine:
    """Return an engine for PostgreSQL (`postgresql+psycopg://`) or SQLite (`sqlite:///path`).

    With `serves`, for workers and notifiers, PostgreSQL ends idle transactions and long waits for a lock, and keeps no
    plan that it made for a table that was empty then. With `hurries`, for questions of an operator, no statement takes
    longer than QUESTION_SECONDS, nor a wait for a lock longer than two. `connections`: how many at most, if there are
    more threads.

    On SQLite the engine begins transactions: IMMEDIATE for writers, DEFERRED for snapshots. Otherwise a reader that
    starts to write would fail at once with « database is locked ».
    """
    try:
        backend = make_url(url).get_backend_name()
    except (ArgumentError, ValueError):
        backend = ""
    if backend not in _SNAPSHOT_OPTIONS:
        raise ConfigurationError(
            "PREFECTURE_DATABASE_URL n'est pas une adresse de base : postgresql+psycopg://compte:…@hôte/base ou "
            "sqlite:///chemin est attendu"
        )
    if backend == "sqlite":
        engine = create_engine(
            url,
            hide_parameters=True,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    options = {**CONNECT_OPTIONS, "application_name": "prefecture"}
    if serves:
        options["options"] = _SERVING
    if hurries:
        options |= {"options": _HURRYING, "connect_timeout": 2}
    limits = {"pool_size": connections, "max_overflow": 0} if connections else {}
    return create_engine(
        url, hide_parameters=True, pool_pre_ping=True, connect_args=options, **limits
    )


_SNAPSHOT_OPTIONS: dict[str, dict[str, Any]] = {
    "sqlite": {"sqlite_begin": "DEFERRED"},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}

_SERVING = "-c idle_in_transaction_session_timeout=60s -c lock_timeout=30s -c plan_cache_mode=force_custom_plan"

QUESTION_SECONDS = 4

_HURRYING = f"-c statement_timeout={QUESTION_SECONDS}s -c lock_timeout=2s"

_WHOLE_LIST = (
    "SELECT set_config('parallel_setup_cost', '0', true), set_config('parallel_tuple_cost', '0', true),"
    " set_config('jit', 'off', true)"
)
"""A list is read whole: PostgreSQL may use parallel processes from the first row. JIT takes longer than it saves."""

STREAM = {"yield_per": 500}
"""Execution options for a large result: constant memory, a server-side cursor on PostgreSQL, planned at each use."""


FROZEN_SECONDS = 10
"""Less than the broker takes to notice a frozen consumer of events: three heartbeats of five seconds."""


def end_if_frozen(connection: Connection) -> None:
    """Let the database end this transaction if it idles for FROZEN_SECONDS.

    A process that freezes in it (SIGSTOP, a lost host) would keep its locks from the process that
    takes its place. SQLite has one writer at a time.
    """
    if connection.dialect.name == "postgresql":
        limit = f"SET LOCAL idle_in_transaction_session_timeout = '{FROZEN_SECONDS}s'"
        connection.exec_driver_sql(limit)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection for a few SELECTs. It commits: after a rollback psycopg prepares all statements again."""
    with (
        engine.connect().execution_options(sqlite_begin="DEFERRED") as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Yield a read-only connection that sees the register at one instant, however long it is read."""
    options = _SNAPSHOT_OPTIONS[engine.dialect.name]
    with engine.connect() as connection, connection.execution_options(**options).begin():
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(_WHOLE_LIST)
        yield connection


def _prepare_sqlite(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None
    tests = texte.is_clean, texte.is_suspect, texte.is_garbled, texte.is_altered
    for function in (*tests, texte.clean, texte.without_case):
        connection.create_function(function.__name__, 1, function, deterministic=True)
    add_view_functions(connection)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        f"busy_timeout={BUSY_SECONDS * 1000}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    mode: Any = connection.get_execution_options().get("sqlite_begin", "IMMEDIATE")
    connection.exec_driver_sql(f"BEGIN {mode}")


def find_lack(engine: Engine) -> str:
    """Return in French why this process can neither claim a work nor record its end; empty when it can.

    The account is refused, the database is away or a read-only standby, or another session locks the table of works.
    """
    try:
        with engine.begin() as connection:
            if engine.dialect.name != "postgresql":
                return ""
            connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
            # A standby would let it lock the table, and refuses this.
            connection.exec_driver_sql("DELETE FROM work WHERE false")
    except SQLAlchemyError as error:
        return explain_database(error).what
    return ""


def require_current(engine: Engine) -> None:
    """Check at the start that the database is migrated and its certificate trusted; a database that is away passes.

    Raises:
        ConfigurationError: it lacks tables or migrations, or its certificate is refused; the message has the remedy.
    """
    try:
        with engine.connect() as connection:
            fits = connection.scalar(text("SELECT version_num FROM alembic_version")) == newest()
    except OperationalError as error:
        if reason := explain_database_tls(str(error.orig)):
            raise ConfigurationError(
                f"la base de données est refusée : {reason} ; corrigez PREFECTURE_DATABASE_URL ou SSL_CERT_FILE"
            ) from None
        if engine.dialect.name != "sqlite" or "no such table" not in str(error.orig):
            return
        fits = False
    except DBAPIError:
        fits = False
    if not fits:
        raise ConfigurationError(
            "la base de données n'est pas prête : lancez « python -m worker migrate »"
        )


def newest() -> str:
    """Return the last revision, from the names of the migration files."""
    return max(path.name[:4] for path in _VERSIONS.glob("[0-9]*.py"))


def has_table(connection: Connection, model: type[DeclarativeBase]) -> bool:
    """Return whether the database has a table of ours; the register of another software has only its own tables."""
    found, name = (
        connection.info.setdefault("tables", set()),
        model.__tablename__,
    )  # of the connection in the pool
    if name not in found and inspect(connection).has_table(name):
        found.add(name)
    return name in found


def notify_ready(connection: Connection, kinds: Iterable[str]) -> None:
    """Tell the notifiers which kinds of work are due when this transaction commits.

    PostgreSQL commits such transactions one after the other.

    When the queue is full, a commit that notifies fails: any reader that listens and idles in a transaction fills it.
    """
    if connection.dialect.name == "postgresql":
        notify = f"SELECT pg_notify('{CHANNEL}', %s) WHERE pg_notification_queue_usage() < 0.5"
        connection.exec_driver_sql(notify, (",".join(sorted(kinds)),))


class ReadySignal:
    """Waits for `notify_ready`, on a connection outside the pool."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._poll_seconds = POLL_SECONDS[engine.dialect.name]
        self._psycopg: Any = None

    def listen(self) -> None:
        """Start receiving notifications; raises the driver's error when the database is away."""
        if self._psycopg is None and self._engine.dialect.name == "postgresql":
            connection = self._engine.raw_connection()
            connection.detach()
            self._psycopg = connection.dbapi_connection
            self._psycopg.autocommit = True
            self._psycopg.execute(f"LISTEN {CHANNEL}")

    def wait(self, stop: Event) -> Collection[str]:
        """Return the kinds of work that are due, as notified; none after the poll interval, or after `stop` is set."""
        deadline = time.monotonic() + self._poll_seconds
        while not stop.is_set() and (left := deadline - time.monotonic()) > 0:
            if self._psycopg is None:
                stop.wait(left)
            elif kinds := self._read_kinds(min(left, _SLICE_SECONDS)):
                return kinds
        return ()

    def close(self) -> None:
        """Stop receiving; `listen` starts again."""
        if self._psycopg is not None:
            self._psycopg.close()
            self._psycopg = None

    def _read_kinds(self, seconds: float) -> Collection[str]:
        try:
            said = [*self._psycopg.notifies(timeout=seconds, stop_after=1)]
        except self._engine.dialect.loaded_dbapi.Error:
            self.close()
            return ()
        return {kind for it in said for kind in it.payload.split(",")}
