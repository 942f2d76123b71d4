"""One look at everything, each time that Prometheus asks; several exporters on one database say the same."""

import threading
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from worker.db.engine import snapshot
from worker.errors import TransientError
from worker.monitoring import facts, metrics
from worker.monitoring.board import Board
from worker.monitoring.count import count_exports, count_pending, count_requests, count_told, count_untold
from worker.monitoring.ledger import Ledger
from worker.monitoring.present import read_pending, read_room, read_untold
from worker.monitoring.queue import Queues

STATEMENT_SECONDS = 60
"""Of a database that is slower than this nothing is shown."""


class Exporter(Collector):
    """Reads the database, the broker (`queues`, which raises TransientError when it is away) and the volume."""

    def __init__(self, engine: Engine, queues: Queues, volume: Path) -> None:
        self._engine = engine
        self._queues = queues
        self._volume = volume
        self._lock = threading.Lock()
        self._requests = Ledger(facts.REQUESTS)
        self._exports = Ledger(facts.EXPORTS)
        self._told = Ledger(facts.TOLD)
        self._notifications = Ledger(facts.NOTIFICATIONS)

    def collect(self) -> Iterator[Family]:
        """The metrics of what answers."""
        with self._lock:
            begun = time.monotonic()
            boards = [Board()]
            for part, read in (("database", self._read_database), ("broker", self._read_broker)):
                try:
                    boards.append(read())
                except (DBAPIError, TransientError):
                    boards[0].set(metrics.UP, 0, part)
                else:
                    boards[0].set(metrics.UP, 1, part)
            for free, size in read_room(self._volume):
                boards[0].set(metrics.FREE, free)
                boards[0].set(metrics.SIZE, size)
            boards[0].set(metrics.MEASURE, time.monotonic() - begun)
        return chain.from_iterable(board.families() for board in boards)

    def _read_database(self) -> Board:
        board = Board()
        with snapshot(self._engine) as connection:
            _bound_time(connection)
            count_requests(board, self._requests.read(connection))
            count_exports(board, self._exports.read(connection))
            count_told(board, self._told.read(connection), self._notifications.read(connection))
            count_pending(board, read_pending(connection))
            count_untold(board, read_untold(connection))
        return board

    def _read_broker(self) -> Board:
        board = Board()
        for state in self._queues():
            board.set(metrics.MESSAGES, state.messages, state.queue)
            board.set(metrics.CONSUMERS, state.consumers, state.queue)
            board.set(metrics.DEAD_LETTERS, state.dead_letters, state.queue)
        return board


def _bound_time(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
