"""One installation that faults break: two workers and a notifier that are always started again, and its judgement."""

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256
from itertools import cycle, islice
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self, TypeVar
from urllib.parse import quote

import pika
from pika.exceptions import AMQPError
from psycopg.errors import DeadlockDetected
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, selectinload

from producers.publisher import Publisher
from schemas.envelope import CloudEvent, Data
from schemas.requests import ListeExportRequested, TableauxRenderRequested
from schemas.tableaux import Presentation, TypeTableau
from schemas.topology import (
    EVENT_EXPORT_STATUS,
    QUEUE_LISTES,
    QUEUE_PROGRAMS,
    QUEUE_REQUESTS,
    QUEUE_TABLEAUX,
)
from schemas.vocabulary import PIECES, ExportStatus, Format, Liste
from tests.faults.database_link import DatabaseLink
from tests.parts.databases import Template
from tests.parts.mail import Mailbox
from tests.parts.postgres import PostgresServer
from tests.parts.process import Process
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import AGENT, ROOT, TODAY, Town, prepare_libreville
from tests.parts.wait import wait_until
from worker.db.engine import build_engine
from worker.demo.libreville import (
    LIBREVILLE,
    demo_calendrier,
    set_demo_calendrier,
    write_mouvements,
)
from worker.exports.models import Export, Request, piece_name
from worker.health import EXHAUSTED
from worker.notifier.models import Notification
from worker.registre.mouvements.importer import import_mouvements

ELECTEURS = 10_000
"""Large enough to interrupt a file in the middle."""
_WORKERS = 2
_QUEUES = (QUEUE_REQUESTS, QUEUE_PROGRAMS, QUEUE_LISTES, QUEUE_TABLEAUX)
_LISTENER = "listener"
_TRIES = 3
_BLOCKED_SECONDS = 3
"""How long a publisher waits for a broker that is short of memory; the default is 30 s."""

_WAITS = """
UPDATE work SET due_at = due_at - {0} WHERE state = 'due' OR kind NOT IN ('preview', 'liste', 'tableau')
"""
"""A held file may be a long job: its lease stays."""

_CLOCK = """
CREATE SCHEMA clock;
CREATE TABLE clock.ahead (by interval NOT NULL);
INSERT INTO clock.ahead VALUES ('0');
CREATE FUNCTION clock.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
  AS 'SELECT pg_catalog.statement_timestamp() + by FROM clock.ahead';
"""
"""The clock of the database, which a test may set: this function is found before PostgreSQL's own."""

T = TypeVar("T")


def _prepare(url: str) -> None:
    prepare_libreville(url, ELECTEURS)
    engine = build_engine(url)
    with engine.begin() as connection:
        set_demo_calendrier(connection, TODAY)
        connection.exec_driver_sql(_CLOCK)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "libreville-mouvements.csv"
        write_mouvements(path, TODAY)
        import_mouvements(engine, path, imported_by="test")
    engine.dispose()


FAULTS_TEMPLATE = Template("faults", _prepare)


class Supervised:
    """A process that is started again when it ends, as `restart: unless-stopped` does in docker-compose.yml."""

    def __init__(self, start: Callable[[], Process]) -> None:
        self._start = start
        self.process = start()
        self.exits: list[int] = []
        """The exit codes of the ended processes; negative: by a signal."""
        self._closing = Event()
        self._thread = Thread(target=self._look, daemon=True)
        self._thread.start()

    @property
    def has_failed(self) -> bool:
        """Whether it does not start; that a fault killed it, or took its descriptors, does not count."""
        return sum(0 < code != EXHAUSTED for code in self.exits) >= _TRIES

    def close(self) -> None:
        """End the process for good."""
        self._closing.set()
        self._thread.join()
        self.process.kill()

    def _look(self) -> None:
        while not self._closing.wait(0.05):
            if (code := self.process.exit_code) is not None:
                self.process.kill()  # no process of a container outlives its first process
                self.process = self._start()
                self.exits.append(code)


class Stage:
    """One installation, with a virtual host, a database, a folder and processes of its own.

    Args:
        broker, database: shared by consecutive stages; each finds them running.
        folder: empty; for the exports volume and the logs.
    """

    notifier: Supervised

    patience = 90.0
    """Timeout of every wait, in seconds."""

    def __init__(self, broker: RabbitNode, database: PostgresServer, folder: Path) -> None:
        self.broker, self.database, self.folder = broker, database, folder
        self.broker.start()
        self.database.start()
        self.mailbox = Mailbox()
        self.mailbox.start()
        self.vhost = self.broker.create_vhost()
        self._database_url = self.database.create_database(FAULTS_TEMPLATE)
        self.town = Town(self._database_url, self.broker.url(self.vhost), folder, self.mailbox.port)
        name = self.town.engine.url.database
        self.execute(f'ALTER DATABASE "{name}" SET search_path = clock, public, pg_catalog')
        self.town.engine.dispose()
        self.link = DatabaseLink(self.town.engine.url)
        self.town.exports.mkdir()
        self.asked: list[CloudEvent] = []
        self.declared: list[CloudEvent] = []
        """Other events: cancellations, deposits, exports of the REU."""
        self.unwanted: set[str] = set()
        """The ids of requests that an agent cancelled, in time or too late."""
        self.workers: list[Supervised] = []
        self._crew: list[Supervised] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes and remove the data; the folder stays."""
        self._end()
        self.mailbox.stop()
        self.link.close()
        self.town.engine.dispose()
        self.broker.delete_vhost(self.vhost)
        self.database.drop(self._database_url)

    def start(self) -> None:
        """Start workers of one thread and the notifier; return once the queues have consumers and events are kept."""
        for number in range(1, _WORKERS + 1):
            run = partial(self._run, f"worker-{number}", "worker.main", "-p", "1", "-t", "1")
            self.workers.append(Supervised(run))
        self.notifier = Supervised(partial(self._run, "notifier", "worker", "notifier"))
        self._crew = [*self.workers, self.notifier]
        self.expect_readers()
        self.town.listen(_LISTENER, EVENT_EXPORT_STATUS)

    def ask(self, count: int) -> Sequence[CloudEvent]:
        """Send this many requests for one file each, every one twice: lists as CSV and XML, tableaux as PDF."""
        common: dict[str, Any] = {
            "commune": LIBREVILLE.code,
            "listes": [Liste.PRINCIPALE],
            "requested_by": AGENT,
        }
        of_poll: dict[str, Any] = {
            "types": [TypeTableau.VINGT_JOURS],
            "scrutin": demo_calendrier(TODAY).scrutin,
        }
        wanted: tuple[ListeExportRequested | TableauxRenderRequested, ...] = (
            ListeExportRequested(**common, formats=[Format.CSV]),
            TableauxRenderRequested(**common, **of_poll, presentations=[Presentation.PAR_BUREAU]),
            ListeExportRequested(**common, formats=[Format.XML]),
            TableauxRenderRequested(**common, **of_poll, presentations=[Presentation.COMMUNE]),
        )
        asked = [CloudEvent.wrap(it, source="/test/faults") for it in islice(cycle(wanted), count)]
        self.asked += asked
        self._publish(asked)
        return asked

    def declare(self, data: Data) -> None:
        """Send a declaration twice."""
        self.declared.append(CloudEvent.wrap(data, source="/test/faults"))
        self._publish(self.declared[-1:])

    def check(self, mails_again: int = 0) -> None:
        """Wait for the end of all work, and judge it.

        Args:
            mails_again: how many mails may arrive twice, since SMTP has no transactions.
        """
        self.expect(self._is_over, "the end of all work")
        self._end()
        wrong = list(self._find_wrong(mails_again))
        assert not wrong, f"{wrong}; logs in {self.folder}"

    def expect(self, condition: Callable[[], T], what: str) -> T:
        """Wait for a condition; AssertionError after the timeout."""
        return wait_until(condition, timeout=self.patience, message=what)

    def expect_readers(self) -> None:
        """Wait until every worker reads the queues."""
        self.expect(self._are_read, "workers that read the queues")

    def expect_log(self, *words: str) -> None:
        """Wait until a worker or the notifier has logged one of these words."""
        self.expect(
            lambda: any(word in self.log() for word in words),
            f"« {' », « '.join(words)} » in a log",
        )

    def count(self, query: str, **parameters: object) -> int:
        """The number that the query returns."""
        with self.town.engine.connect() as connection:
            return int(connection.scalar(text(query), parameters) or 0)

    def execute(self, statement: str) -> int:
        """Run a statement directly on the database; return the number of changed rows."""
        with self.town.engine.begin() as connection:
            return connection.exec_driver_sql(statement).rowcount

    def let_time_pass(self, seconds: int) -> None:
        """Move the dates of waiting rows back, which has the effect of a later database clock."""
        self._insist(_WAITS.format(f"interval '{seconds} s'"))

    def set_clock(self, seconds: int) -> None:
        """Set the clock of the database so many seconds ahead."""
        with self.town.engine.begin() as connection:
            ahead = text("UPDATE clock.ahead SET by = make_interval(secs => :seconds)")
            connection.execute(ahead, {"seconds": seconds})
        shown = "SELECT round(extract(epoch FROM statement_timestamp() - clock_timestamp()))"
        assert self.count(shown) == seconds

    def log(self) -> str:
        """The output of the workers and the notifier."""
        return "".join(
            path.read_text("utf-8", "replace") for path in sorted(self.folder.glob("*.log"))
        )

    def _publish(self, events: Sequence[CloudEvent]) -> None:
        patience = self.patience
        with Publisher(
            self.town.amqp_url, attempts=10, patience=patience, confirm_seconds=patience
        ) as publisher:
            for event in events:
                publisher.publish(event)
                publisher.publish(event)

    def _end(self) -> None:
        """Kill the processes, so that the state no longer changes, and start the servers, so that it can be read."""
        for process in self._crew:
            process.close()
        self.broker.start()
        self.database.start()

    def _is_over(self) -> bool:
        """Whether every request is notified, no message is left in the queues, and no file is being written."""
        untold = "SELECT count(*) FROM request WHERE notified_at IS NULL"
        if self.count("SELECT count(*) FROM request") < len(self.asked) or self.count(untold):
            return False
        return not self._left() and not self._hidden()

    def _find_wrong(self, mails_again: int) -> Iterator[str]:
        """What is lost, doubled or half-written, once all processes have ended."""
        with Session(self.town.engine) as session:
            exports = list(session.scalars(select(Export).options(selectinload(Export.pieces))))
            requests = list(session.scalars(select(Request)))
            notifications = list(session.scalars(select(Notification)))
        cancelled = {it.id for it in requests if it.event_id in self.unwanted}
        made = [
            it
            for it in exports
            if it.status != ExportStatus.CANCELLED or it.request_id not in cancelled
        ]
        mails = Counter(mail.message["Message-ID"] for mail in self.mailbox.mails)
        mailed = {str(mail.message["X-Correlation-ID"]) for mail in self.mailbox.mails}
        named: dict[int | None, str] = {it.id: it.correlation_id for it in requests}
        untold = {
            it.request_id
            for it in notifications
            if not it.refusal and named[it.request_id] not in mailed
        }
        told = {it.request_id for it in notifications} - untold
        events = {CloudEvent.from_bytes(body).id for _, body in self.town.queue(_LISTENER)}
        for name, number in (
            ("rows", len(exports)),
            ("requests told", len({it.request_id for it in exports} & told)),
            ("events", len(events)),
        ):
            if number != len(self.asked):
                yield f"{number} {name}, {len(self.asked)} were asked for"
        for name, left in (
            ("not ready", [it.file_name for it in made if it.status != ExportStatus.READY]),
            ("not whole", [it.file_name for it in made if not self._is_whole(it)]),
            ("temporary files", self._hidden()),
            (
                "mails of no row",
                mailed - {named[it.request_id] for it in notifications if it.sent_at},
            ),
            ("messages", self._left()),
        ):
            if left:
                yield f"{name}: {left}"
        if mails.total() - len(mails) > mails_again:
            yield f"{mails.total() - len(mails)} mails came twice"

    def _is_whole(self, export: Export) -> bool:
        recorded = {export.file_name: export.sha256} | {
            it.file_name: it.sha256 for it in export.pieces.values()
        }
        paths = [self.town.exports / export.code_commune / name for name in recorded]
        return all(
            it.is_file() and sha256(it.read_bytes()).hexdigest() == recorded[it.name]
            for it in paths
        )

    def _hidden(self) -> list[str]:
        """The temporary files, except those of cancelled rows, which are deleted an hour later."""
        with self.town.engine.connect() as connection:
            cancelled = connection.scalars(
                text("SELECT file_name FROM export WHERE status = 'cancelled'")
            ).all()
        left = tuple(
            f".{name}."
            for it in cancelled
            for name in (it, *(piece_name(it, kind) for kind in PIECES))
        )
        return sorted(
            it.name for it in self.town.exports.glob("*/.*") if not it.name.startswith(left)
        )

    def _left(self) -> dict[str, int]:
        """Queue → messages that are ready, unacknowledged or dead; only queues that have some."""
        path = f"/queues/{quote(self.vhost, safe='')}?disable_stats=true&enable_queue_totals=true"
        queues = self.broker.management.request("GET", path)
        return {
            it["name"]: it["messages"]
            for it in queues
            if it.get("messages") and it["name"] != _LISTENER
        }

    def _are_read(self) -> bool:
        """Whether each work queue has as many consumers as there are workers; False while the broker is away."""
        if any(process.has_failed for process in self._crew):
            raise AssertionError(f"a process does not start: {self.log()[-1000:]}")
        with suppress(AMQPError, OSError):
            with pika.BlockingConnection(pika.URLParameters(self.town.amqp_url)) as connection:
                channel = connection.channel()
                declared = [channel.queue_declare(queue, passive=True).method for queue in _QUEUES]
            return [it.consumer_count for it in declared] == [_WORKERS] * len(_QUEUES)
        return False

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

    def _run(self, name: str, module: str, *arguments: str) -> Process:
        amqp = f"{self.town.amqp_url}?blocked_connection_timeout={_BLOCKED_SECONDS}"
        return Process(
            [*_without_overrides(), sys.executable, "-m", "bench.limited", module, *arguments],
            env=self.town.environment
            | {"PREFECTURE_AMQP_URL": amqp, "PREFECTURE_DATABASE_URL": self.link.url},
            folder=ROOT,
            log=self.folder / f"{name}.log",
        )


def _without_overrides() -> list[str]:
    """The prefix of a command that respects file modes even as root, as in docker-compose.yml."""
    if os.geteuid() != 0:
        return []
    return [
        shutil.which("setpriv") or "setpriv",
        "--bounding-set=-dac_override",
        "--inh-caps=-dac_override",
        "--",
    ]
