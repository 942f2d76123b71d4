"""The parts that faults break: broker, database, two workers and a notifier under a supervisor, a mailbox, a volume."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from psycopg.errors import DeadlockDetected
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from producers.publisher import Publisher
from schemas.envelope import CloudEvent, Data
from schemas.vocabulary import PIECES
from tests.faults.queues import Queues
from tests.faults.register import FAULTS_TEMPLATE, SOURCE, make_requests
from tests.faults.supervisor import Supervised
from tests.faults.watcher import Watcher, hidden_files
from tests.parts.mail import Mailbox
from tests.parts.postgres import PostgresServer
from tests.parts.process import Process
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import ROOT, Town
from tests.parts.wait import wait_until
from worker.exports.naming import piece_name

_WORKERS = 2
_TRIES = 3
_BLOCKED_SECONDS = 3
"""How long a publisher waits for a broker that is short of memory; the default is 30 s."""

_WAITS = (
    "UPDATE work SET enqueued_at = enqueued_at - {0}, due_at = due_at - {0}",
    "UPDATE work SET lease_until = lease_until - {0} WHERE kind NOT IN ('preview', 'liste', 'tableau')",  # a long job
)

T = TypeVar("T")


@dataclass(frozen=True)
class Servers:
    """The servers that a fault may kill."""

    broker: RabbitNode
    database: PostgresServer


class Stage:
    """One installation, with a virtual host, a database, a folder and processes of its own.

    Args:
        servers: shared by consecutive stages; each finds them running.
        folder: empty; for the exports volume and the logs.
    """

    notifier: Supervised

    patience = 90.0
    """Timeout of every wait, in seconds."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self.broker, self.database, self.folder = servers.broker, servers.database, folder
        self.broker.start()
        self.database.start()
        self.mailbox = Mailbox()
        self.mailbox.start()
        self.vhost = self.broker.create_vhost()
        self._database_url = self.database.create_database(FAULTS_TEMPLATE)
        self.town = Town(self._database_url, self.broker.url(self.vhost), folder, self.mailbox.port)
        self.town.exports.mkdir()
        self.queues = Queues(self.broker, self.vhost)
        self.asked: list[CloudEvent] = []
        self.declared: list[CloudEvent] = []
        """What was said besides: cancellations, deposits, exports of the REU."""
        self.unwanted: set[str] = set()
        """The ids of requests that somebody cancelled, in time or too late."""
        self.workers: list[Supervised] = []
        self._crew: list[Supervised] = []
        self.note = ""
        self.watcher = Watcher(self.town.exports)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes and remove the data; the folder stays."""
        self.end()
        self.mailbox.stop()
        self.town.engine.dispose()
        self.broker.delete_vhost(self.vhost)
        self.database.drop(self._database_url)

    def start(self) -> None:
        """Start workers of one thread and the notifier; return once the queues have consumers and events are kept."""
        for _ in range(_WORKERS):
            name = f"worker-{len(self.workers) + 1}"
            run = partial(self._run, name, "worker.main", "-p", "1", "-t", "1")
            self.workers.append(Supervised(run))
        self.notifier = Supervised(partial(self._run, "notifier", "worker", "notifier"))
        self._crew = [*self.workers, self.notifier]
        self.expect(self._is_staffed, "workers that read the queues")
        self.queues.listen()

    def ask(self, count: int) -> Sequence[CloudEvent]:
        """Send this many requests, each twice; return them."""
        asked = make_requests(count)
        self.asked += asked
        self._publish(asked)
        return asked

    def declare(self, data: Data) -> None:
        """Send a declaration twice."""
        self.declared.append(CloudEvent.wrap(data, source=SOURCE))
        self._publish(self.declared[-1:])

    def _publish(self, events: Sequence[CloudEvent]) -> None:
        patience = self.patience
        with Publisher(self.town.amqp_url, attempts=10, patience=patience, confirm_seconds=patience) as publisher:
            for event in events:
                publisher.publish(event)
                publisher.publish(event)

    def end(self) -> None:
        """Kill the processes, so that the state no longer changes, and start the servers, so that it can be read."""
        for process in self._crew:
            process.close()
        self.watcher.close()
        self.broker.start()
        self.database.start()

    def expect(self, condition: Callable[[], T], what: str) -> T:
        """Wait for a condition; AssertionError after the timeout."""
        return wait_until(condition, timeout=self.patience, message=what)

    def count(self, query: str, **parameters: object) -> int:
        """The number that the query returns."""
        with self.town.engine.connect() as connection:
            return int(connection.scalar(text(query), parameters) or 0)

    def execute(self, statement: str) -> int:
        """Run a statement directly on the database; return the number of changed rows."""
        with self.town.engine.begin() as connection:
            return connection.exec_driver_sql(statement).rowcount

    def hidden(self) -> list[str]:
        """The temporary files, except those of cancelled rows, which are deleted an hour later."""
        with self.town.engine.connect() as connection:
            cancelled = connection.scalars(text("SELECT file_name FROM export WHERE status = 'cancelled'")).all()
        left = tuple(f".{name}." for it in cancelled for name in (it, *(piece_name(it, kind) for kind in PIECES)))
        return [name for name in hidden_files(self.town.exports) if not name.startswith(left)]

    def let_time_pass(self, seconds: int) -> None:
        """Move the dates of waiting rows back, which has the effect of a later database clock."""
        for waits in _WAITS:
            self._insist(waits.format(f"interval '{seconds} s'"))

    def _insist(self, statement: str) -> None:
        """Change many rows that others change at the same time in another order; try again after a deadlock."""
        while True:
            try:
                self.execute(statement)
            except OperationalError as error:
                if not isinstance(error.orig, DeadlockDetected):
                    raise
            else:
                return

    def expect_log(self, *words: str) -> None:
        """Wait until a worker or the notifier has logged one of these words."""
        self.expect(lambda: any(word in self.log() for word in words), f"« {' », « '.join(words)} » in a log")

    def log(self) -> str:
        """The output of the workers and the notifier."""
        return "".join(path.read_text("utf-8", "replace") for path in sorted(self.folder.glob("*.log")))

    def _is_staffed(self) -> bool:
        if any(len(process.exits) >= _TRIES for process in self._crew):
            raise AssertionError(f"a process does not start: {self.log()[-1000:]}")
        return self.queues.are_read_by(_WORKERS)

    def _run(self, name: str, module: str, *arguments: str) -> Process:
        amqp = f"{self.town.amqp_url}?blocked_connection_timeout={_BLOCKED_SECONDS}"
        return Process(
            [*_without_overrides(), sys.executable, "-m", "bench.limited", module, *arguments],
            env=self.town.environment | {"PREFECTURE_AMQP_URL": amqp},
            folder=ROOT,
            log=self.folder / f"{name}.log",
        )


def _without_overrides() -> list[str]:
    """The prefix of a command that respects file modes even as root, as in docker-compose.yml."""
    if os.geteuid() != 0:
        return []
    return [shutil.which("setpriv") or "setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override", "--"]
