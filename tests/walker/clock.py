"""The clock of a history: the product's own clocks in this process, and the clock of its database, show its instant."""

import importlib
import pkgutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from unittest.mock import patch

from sqlalchemy import Engine, event

import common
import producers
import schemas
import worker

_PACKAGES = common, producers, schemas, worker

POSTGRESQL = (
    "CREATE TABLE IF NOT EXISTS walker_clock (at timestamptz NOT NULL)",
    "INSERT INTO walker_clock SELECT pg_catalog.now() WHERE NOT EXISTS (SELECT FROM walker_clock)",
    *(
        f"CREATE OR REPLACE FUNCTION public.{name}() RETURNS timestamptz LANGUAGE sql STABLE AS"  # noqa: S608 — ours
        " 'SELECT at FROM public.walker_clock'"
        for name in ("now", "statement_timestamp")
    ),
)
"""A clock of the database that a table holds; a connection finds it before the one of PostgreSQL."""


class Clock:
    """The instant of the history. It moves when the history says so, and a second at each look of a clerk."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant
        self._asked = sqlite3.connect(":memory:", check_same_thread=False)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self.instant.astimezone(UTC)

    def tick(self, seconds: float = 1) -> None:
        self.instant += timedelta(seconds=seconds)

    def on_sqlite(self, name: str) -> Callable[..., Any]:
        """Return SQLite's function of this name, for which « now » is the instant of the history."""

        def answer(*given: Any) -> Any:  # noqa: ANN401 — values of SQLite
            now = self.now().replace(tzinfo=None).isoformat(" ", timespec="milliseconds")
            asked = [now if it == "now" else it for it in given]
            query = f"SELECT {name}({', '.join('?' * len(asked))})"
            with self._lock:
                return self._asked.execute(query, asked).fetchone()[0]

        return answer


@contextmanager
def shown_by(clock: Clock) -> Iterator[None]:
    """Show the clock to the product in this process, and to each new connection to a database, during the block."""

    class Every(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class Shown(datetime, metaclass=Every):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]  # noqa: ANN401 — as its base
            return clock.now().astimezone(tz)

    def prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 — of either driver
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=OFF")  # these rows need not survive a power cut
            for name in ("strftime", "julianday"):
                connection.create_function(name, -1, clock.on_sqlite(name), deterministic=False)
        else:
            connection.execute("SET search_path TO public, pg_catalog")
            connection.commit()

    with ExitStack() as stack:
        for module in _modules():
            if getattr(module, "datetime", None) is datetime:
                stack.enter_context(patch.object(module, "datetime", Shown))
        event.listen(Engine, "connect", prepare)
        stack.callback(event.remove, Engine, "connect", prepare)
        yield


def _modules() -> Iterator[ModuleType]:
    """Yield all modules of the product, so that none reads another clock than the others."""
    for package in _PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("main"):  # importing one of these starts a process
                yield importlib.import_module(found.name)
