"""A prepared database of LIBREVILLE, and a town hall's whole system around it: broker, workers, notifier, mailbox."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pika
from pika.exceptions import ChannelClosedByBroker
from sqlalchemy import Engine, RowMapping, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from bench.people import write_town
from schemas.envelope import CloudEvent, Data
from schemas.requests import ListeExportRequested, TableauxRenderRequested
from schemas.topology import EXCHANGE, PROGRAMS, QUEUE_LISTES, QUEUE_TABLEAUX, REQUEST_QUEUES
from tests.parts.databases import Template
from tests.parts.process import Process
from tests.parts.wait import wait_until
from worker.access.models import Agent, Sender
from worker.db.engine import build_engine
from worker.db.migrate import migrate
from worker.demo.libreville import LIBREVILLE, load_libreville, read_electeurs, write_electeurs
from worker.errors import RefusedError, TransientError
from worker.messaging.broker import build_broker
from worker.registre.communes import add_commune, load_reference
from worker.registre.reu.importer import import_file

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 25)
QUEUES_OF_FILES = [*REQUEST_QUEUES, QUEUE_LISTES, QUEUE_TABLEAUX]
"""The queues of all workers but those that may write to the register."""
AGENT = "mairie-libreville"
EMAIL = "elections@libreville.example"
LEASE_SECONDS = 2
_BY_AGENT = {"commune": LIBREVILLE.code, "requested_by": AGENT}


def prepare_migrated(url: str) -> None:
    engine = build_engine(url)
    migrate(engine)
    engine.dispose()


def prepare_libreville(url: str, size: int | None = None) -> None:
    """Migrate the database at `url` and import LIBREVILLE; with `size`, this many ordinary electors instead."""
    with _installation(url) as (engine, folder):
        with engine.begin() as connection:
            add_commune(connection, LIBREVILLE.code, LIBREVILLE.label)
        reu = folder / "libreville-reu.csv"
        write_town(reu, size, today=TODAY) if size else write_electeurs(reu, read_electeurs(TODAY))
        import_file(engine, reu, imported_by="test")


def count_of_age(day: date) -> int:
    """LIBREVILLE's number of principal electors of age that day; a partial date counts as the earliest possible."""
    births = (
        [max(int(part), 1) for part in reversed(row["date de naissance"].split("/"))]
        for row in read_electeurs(TODAY)
        if row["libellé du type de liste"].casefold() == "liste principale"
    )
    return sum(
        (year + 18, *(rest or (1, 1))) <= (day.year, day.month, day.day) for year, *rest in births
    )


def prepare_mouvements(url: str, today: date = TODAY) -> None:
    """Migrate the database at `url` and load LIBREVILLE as the demonstration does: mouvements and calendar too."""
    with _installation(url) as (engine, folder):
        for _ in load_libreville(engine, folder, today):
            pass


@contextmanager
def _installation(url: str) -> Iterator[tuple[Engine, Path]]:
    """A migrated database with the communes of France and LIBREVILLE's agent, and a temporary folder for imports."""
    engine = build_engine(url)
    migrate(engine)
    with engine.begin() as connection:
        load_reference(connection)
    with Session(engine) as session, session.begin():
        # Else reminders would depend on the day on which the tests run.
        session.add(
            Agent(name=AGENT, code_commune=LIBREVILLE.code, email=EMAIL, kinds="pret,echec")
        )
    with tempfile.TemporaryDirectory() as folder:
        yield engine, Path(folder)
    engine.dispose()


def queue_messages(amqp_url: str, name: str) -> list[tuple[dict[str, Any], bytes]]:
    """Take all messages of a queue: headers and body."""
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        messages: list[tuple[dict[str, Any], bytes]] = []
        while True:
            method, properties, body = channel.basic_get(name, auto_ack=True)
            if method is None or properties is None or body is None:
                return messages
            messages.append((dict(properties.headers or {}), body))


def declare_queues(amqp_url: str) -> None:
    """Declare the queues of requests, as a worker does at its start."""
    broker = build_broker(amqp_url)
    for queue in REQUEST_QUEUES:
        broker.declare_queue(queue, ensure=True)
    broker.close()


MIGRATED_TEMPLATE = Template("migrated", prepare_migrated)
LIBREVILLE_TEMPLATE = Template("libreville", prepare_libreville)
MOUVEMENTS_TEMPLATE = Template("libreville-mouvements", prepare_mouvements)
CITY_SIZE = 60_000
CITY_TEMPLATE = Template("city", lambda url: prepare_libreville(url, CITY_SIZE))
"""Large enough to interrupt a file in the middle."""


def account_of(amqp_url: str) -> str:
    return unquote(urlsplit(amqp_url).username or "")


class Town:
    """The processes of one installation, with the queries that tests need."""

    def __init__(
        self, database_url: str, amqp_url: str, folder: Path, smtp_port: int | None = None
    ) -> None:
        self.database_url, self.amqp_url, self.folder = database_url, amqp_url, folder
        self.exports = folder / "exports"
        self.arrivals = folder / "arrivals"
        self.engine: Engine = build_engine(database_url)
        self.environment = {
            "PATH": os.environ["PATH"],
            "PREFECTURE_DATABASE_URL": database_url,
            "PREFECTURE_AMQP_URL": amqp_url,
            "PREFECTURE_EXPORTS_DIR": str(self.exports),
            "PREFECTURE_HOME": str(folder),
            "ANY_ACCOUNT": "1",
            "LIMIT_LEASE_SECONDS": str(LEASE_SECONDS),
            "LIMIT_SWEEP_SECONDS": "0.2",
        } | ({"PREFECTURE_SMTP_SERVER": f"smtp://127.0.0.1:{smtp_port}"} if smtp_port else {})
        self.processes: list[Process] = []
        self.account = account_of(amqp_url)
        with suppress(
            OperationalError, ProgrammingError, RefusedError, TransientError
        ):  # it is not ready
            self.allow(self.account)

    def allow(self, account: str) -> None:
        """Add an account, and declare the queues; its communes are those that every account may request."""
        with Session(self.engine) as session, session.begin():
            session.merge(Sender(name=account, code_commune="00000"))
        declare_queues(self.amqp_url)

    def start_worker(self, *arguments: str, **environment: str) -> Process:
        """One worker process with one thread, for every queue but `registre`; returns once it consumes the first."""
        if "-Q" not in arguments:
            arguments = (*arguments, "-Q", *QUEUES_OF_FILES)
        worker = self._start(
            "worker",
            "-m",
            "bench.limited",
            "worker.main",
            "-p",
            "1",
            "-t",
            "1",
            *arguments,
            **environment,
        )
        queue = arguments[arguments.index("-Q") + 1] if "-Q" in arguments else REQUEST_QUEUES[0]
        wait_until(
            lambda: self._has_consumer(queue) or not worker.alive, message=f"a consumer of {queue}"
        )
        assert worker.alive, self.log("worker")
        return worker

    def start_notifier(self, **environment: str) -> Process:
        return self._start("notifier", "-m", "bench.limited", "worker", "notifier", **environment)

    def publish(self, body: bytes, routing_key: str, exchange: str = EXCHANGE) -> None:
        """Publish bytes, confirmed: to our account's queue by the exchange, or to a queue by the default one."""
        key = f"{PROGRAMS}.{self.account}.{routing_key}" if exchange else routing_key
        with pika.BlockingConnection(pika.URLParameters(self.amqp_url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish(
                exchange, key, body, pika.BasicProperties(delivery_mode=2), mandatory=True
            )

    def listen(self, queue: str, *keys: str) -> None:
        """Declare a queue that receives the events of these keys."""
        with pika.BlockingConnection(pika.URLParameters(self.amqp_url)) as connection:
            channel = connection.channel()
            channel.queue_declare(queue, durable=True)
            for key in keys:
                channel.queue_bind(queue, EXCHANGE, key)

    def ask(self, *, times: int = 1, **fields: object) -> CloudEvent:
        """Publish a request for LIBREVILLE's list files, the same event `times` times."""
        return self._send(ListeExportRequested.model_validate(_BY_AGENT | fields), times)

    def ask_tableaux(self, *, times: int = 1, **fields: object) -> CloudEvent:
        """Publish a request for tableaux of LIBREVILLE's principal list, the same event `times` times."""
        return self._send(
            TableauxRenderRequested.model_validate(_BY_AGENT | {"listes": ["P"]} | fields), times
        )

    def _send(self, asked: Data, times: int) -> CloudEvent:
        event = CloudEvent.wrap(asked, source="/test")
        for _ in range(times):
            self.publish(event.to_bytes(), event.type)
        return event

    def rows(self, query: str, **parameters: object) -> Sequence[RowMapping]:
        with self.engine.connect() as connection:
            return connection.execute(text(query), parameters).mappings().all()

    def exports_of(self, event: CloudEvent) -> Sequence[RowMapping]:
        return self.rows(
            "SELECT * FROM derniers_exports WHERE event_id = :id ORDER BY export_id", id=event.id
        )

    def wait_for(
        self, event: CloudEvent, *, status: str = "ready", timeout: float = 60
    ) -> Sequence[RowMapping]:
        """The files of a request, once all have `status`."""

        def settled() -> Sequence[RowMapping] | None:
            exports = self.exports_of(event)
            return (
                exports
                if exports and all(export["status"] == status for export in exports)
                else None
            )

        return (
            wait_until(
                settled,
                timeout=timeout,
                message=f"{status} files; worker: {self.log('worker')[-3000:]}",
            )
            or []
        )

    def files(self) -> list[str]:
        """The names in the exports volume, hidden ones included."""
        return sorted(path.name for path in self.exports.rglob("*/*") if path.is_file())

    def queue(self, name: str) -> list[tuple[dict[str, Any], bytes]]:
        """Take all messages of a queue: headers and body."""
        return queue_messages(self.amqp_url, name)

    def collect(self, queue: str, count: int) -> list[tuple[dict[str, Any], bytes]]:
        """Take messages of a queue until there are `count` of them."""
        taken: list[tuple[dict[str, Any], bytes]] = []

        def take() -> bool:
            taken.extend(self.queue(queue))
            return len(taken) >= count

        wait_until(take, message=f"{count} messages in {queue}")
        return taken

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def json_log(self, name: str) -> list[dict[str, Any]]:
        """The structured lines of a process's log."""
        return [json.loads(line) for line in self.log(name).splitlines() if line.startswith("{")]

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        self.engine.dispose()

    def _has_consumer(self, queue: str) -> bool:
        with pika.BlockingConnection(pika.URLParameters(self.amqp_url)) as connection:
            try:
                return (
                    connection.channel().queue_declare(queue, passive=True).method.consumer_count
                    > 0
                )
            except ChannelClosedByBroker:
                return False

    def _start(self, name: str, *arguments: str, **environment: str) -> Process:
        process = Process(
            [sys.executable, *arguments],
            env=self.environment | environment,
            folder=ROOT,
            log=self.folder / f"{name}.log",
        )
        self.processes.append(process)
        return process
