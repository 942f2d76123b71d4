"""How the process that finishes a row wakes the one that tells people: NOTIFY on PostgreSQL, a short poll on SQLite."""

import time
from threading import Event
from typing import Any

from sqlalchemy import Connection, Engine, text

CHANNEL = "prefecture_ready"

POLL_SECONDS = {"postgresql": 2.0, "sqlite": 0.5}
"""How long a wait lasts when nobody calls; on PostgreSQL a fallback, since a call may be lost with its connection."""

_SLICE_SECONDS = 0.25
"""How long a stop may go unseen."""


def notify_ready(connection: Connection) -> None:
    """Wake the notifiers when this transaction commits."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"NOTIFY {CHANNEL}"))


class ReadySignal:
    """Hears `notify_ready`, on a connection of its own that no pool takes back."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._poll_seconds = POLL_SECONDS[engine.dialect.name]
        self._psycopg: Any = None

    def listen(self) -> None:
        """Hear every call from now on; raises the driver's error when the database is away."""
        if self._psycopg is None and self._engine.dialect.name == "postgresql":
            connection = self._engine.raw_connection()
            connection.detach()
            self._psycopg = connection.dbapi_connection
            self._psycopg.autocommit = True
            self._psycopg.execute(f"LISTEN {CHANNEL}")

    def wait(self, stop: Event) -> None:
        """Return when somebody called, when it is time to look anyway, or soon after `stop` is set."""
        deadline = time.monotonic() + self._poll_seconds
        while not stop.is_set() and (left := deadline - time.monotonic()) > 0:
            if self._psycopg is None:
                stop.wait(left)
            elif self._was_called(min(left, _SLICE_SECONDS)):
                return

    def close(self) -> None:
        """Stop hearing; `listen` begins again."""
        if self._psycopg is not None:
            self._psycopg.close()
            self._psycopg = None

    def _was_called(self, seconds: float) -> bool:
        try:
            return any(True for _ in self._psycopg.notifies(timeout=seconds, stop_after=1))
        except self._engine.dialect.loaded_dbapi.Error:
            self.close()
            return False
