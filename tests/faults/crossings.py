"""Every crossing of one request, from its publication to its notification: each call that leaves the process.

Each SQL statement and commit, each file operation, each publication, each acknowledgment, each step of SMTP is a
crossing. A run without faults counts them. Then there is one run per crossing, with one fault at that crossing:
killed before it; connection cut before the other side has the call; cut after, so that the answer is lost; frozen
until other processes have done all the work, then resumed. Other processes take over each time, and the final state
is judged.

One process runs all the steps in order, so that the n-th crossing is the same one each time. Its broker, database,
volume and mail server are real; its consumer is a simple one (the other faults use Dramatiq's own).
"""

import json
import logging
import multiprocessing
import os
import shutil
import smtplib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from enum import StrEnum
from hashlib import sha256
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from signal import SIGKILL
from typing import Any, NamedTuple, NoReturn, Self, TypeVar
from unittest.mock import patch

import pika
import psycopg
import structlog
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import StreamLostError
from pydantic import SecretStr
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session, selectinload

from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import EVENT_EXPORT_STATUS, EXCHANGE, QUEUE_LISTES, QUEUE_REQUESTS, account_queue
from schemas.vocabulary import ExportStatus, Format, Liste
from tests.parts.mail import Mailbox
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE, account_of, queue_messages
from worker import services
from worker.compose import build_notifier, build_services
from worker.db.engine import build_engine
from worker.db.types import utc_now
from worker.demo.libreville import LIBREVILLE
from worker.exports.models import Export, Request
from worker.exports.storage import Volume
from worker.handlers.making.make_export import make_export
from worker.handlers.requests.ingest_request import ingest_request
from worker.messaging.broker import build_broker
from worker.messaging.events import EventPublisher
from worker.messaging.queues import DoorbellQueues, add_account_queues
from worker.notifier.notify import Notifier
from worker.settings import Settings
from worker.work.models import Work

T = TypeVar("T")

_PATIENCE = 60.0
_LATER_SECONDS = 1400
"""Longer than any wait: a mail in progress, a lease, a row."""
_LISTENER = "listener"
_connect = pika.BlockingConnection
"""The original, before the tracer patches it."""


class Mishap(StrEnum):
    """The fault at a crossing."""

    KILL = "kill"
    RESET = "reset"
    LOST = "answer lost"
    SILENCE = "silence"


class Place(NamedTuple):
    """The addresses and folders of an installation."""

    database_url: str
    amqp_url: str
    exports: Path
    smtp_port: int

    @property
    def queue(self) -> str:
        return account_queue(account_of(self.amqp_url))

    def settings(self) -> Settings:
        """The default settings, with these addresses and folders."""
        return Settings(
            database_url=SecretStr(self.database_url),
            amqp_url=SecretStr(self.amqp_url),
            home=self.exports.parent,
            exports_dir=self.exports,
            smtp_server=SecretStr(f"smtp://127.0.0.1:{self.smtp_port}"),
        )


class Road:
    """The steps of one request, in one process."""

    def __init__(self, place: Place, cross: Callable[[str], object] = lambda _: None) -> None:
        settings = place.settings()
        self.place, self._cross = place, cross
        self._broker = build_broker(place.amqp_url)
        doorbells = DoorbellQueues(self._broker)
        self.services = replace(build_services(settings, doorbells.enqueue), is_embedded=True)
        publisher = EventPublisher(self._broker)
        with patch.object(services, "SWEEP_SECONDS", 0.001):
            self.notifier: Notifier = build_notifier(
                settings,
                self.services.engine,
                enqueue=doorbells.enqueue,
                publish=publisher.publish,
            )
        self._stop = threading.Event()

    def prepare(self) -> None:
        """Declare the queues, as a worker does at its start."""
        for queue in (QUEUE_REQUESTS, QUEUE_LISTES):
            self._broker.declare_queue(queue, ensure=True)
        add_account_queues(self.place.amqp_url, account_of(self.place.amqp_url))

    def publish(self, event: CloudEvent) -> None:
        with Publisher(self.place.amqp_url) as publisher:
            publisher.publish(event)

    def serve_requests(self) -> None:
        """Record the request, as a worker does."""
        self._serve(self.place.queue, lambda body: ingest_request(CloudEvent.from_bytes(body), self.services))

    def serve_doorbells(self) -> None:
        """Make the files, as a worker does."""
        self._serve(QUEUE_LISTES, lambda body: make_export(json.loads(body)["args"][0], self.services))

    def notify(self) -> None:
        """Do the notifier's due work."""
        self.notifier.work(self._stop)

    def close(self) -> None:
        self._broker.close()
        self.services.engine.dispose()

    def _serve(self, queue: str, work: Callable[[bytes], None]) -> None:
        with closing(_connect(pika.URLParameters(self.place.amqp_url))) as connection:
            channel = connection.channel()
            while True:
                method, _, body = channel.basic_get(queue)
                if method is None or body is None:
                    return
                work(body)
                self._cross(f"AMQP ack {queue}")
                channel.basic_ack(method.delivery_tag or 0)


class Tracer:
    """Counts the crossings of this process, and injects a fault at one of them."""

    def __init__(self, at: int, mishap: Mishap, pipe: Pipe, root: Path) -> None:
        self._at, self._mishap, self._pipe, self._root = at, mishap, pipe, str(root)
        self._lock = threading.Lock()
        self.names: list[str] = []

    def cross(self, name: str, act: Callable[[], T], cut: Callable[[], NoReturn]) -> T:
        """Make the call `act`; `cut` raises the error that this process sees when the connection breaks."""
        with self._lock:
            self.names.append(name)
            is_here = len(self.names) == self._at
        if not is_here:
            return act()
        self._pipe.send(("here", [*self.names]))
        if self._mishap is Mishap.KILL:
            os.kill(os.getpid(), SIGKILL)
        if self._mishap is Mishap.SILENCE:
            self._pipe.send("silent")
            self._pipe.recv()
            return act()
        if self._mishap is Mishap.LOST:
            act()
        return cut()

    def watch(self) -> None:
        """Patch every outgoing call of this process, for good."""
        self._watch_database()
        self._watch_volume()
        self._watch_broker()
        self._watch_mail()

    def _watch_database(self) -> None:
        def lose(connection: Any) -> NoReturn:  # noqa: ANN401 — psycopg's
            connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

        def refuse() -> NoReturn:
            raise psycopg.OperationalError("connection refused")

        statements = (psycopg.Cursor, "execute"), (psycopg.ServerCursor, "execute")
        for kind, name in (*statements, (psycopg.Cursor, "executemany"), (psycopg.Cursor, "copy")):
            self._wrap(kind, name, lambda said, *_: f"SQL {_first_words(said)}", lambda it: lose(it.connection))
        self._wrap(psycopg.Connection, "commit", lambda: "SQL COMMIT", lose)
        connect = psycopg.connect
        psycopg.connect = lambda *a, **k: self.cross("SQL connect", lambda: connect(*a, **k), refuse)

    def _watch_volume(self) -> None:
        def fail() -> NoReturn:
            raise OSError(5, "Input/output error")  # EIO

        def watch(name: str) -> None:
            real = getattr(os, name)

            def call(target: Any, *rest: Any, **options: Any) -> Any:  # noqa: ANN401 — of many functions
                path = f"/proc/self/fd/{target}" if isinstance(target, int) else target
                where = Path(path).readlink() if isinstance(target, int) else os.fspath(path)
                if not str(where).startswith(self._root):
                    return real(target, *rest, **options)
                return self.cross(f"file {name}", lambda: real(target, *rest, **options), fail)

            setattr(os, name, call)

        for name in ("open", "rename", "fsync", "unlink", "mkdir", "chmod", "fchmod"):
            watch(name)

    def _watch_broker(self) -> None:
        def lose(connection: Any) -> NoReturn:  # noqa: ANN401 — pika's
            with suppress(Exception):
                connection.close()
            raise StreamLostError("Stream connection lost")

        from producers import publisher

        link: Any = publisher._Link  # noqa: SLF001 — where an event goes over

        def lose_link(it: Any) -> NoReturn:  # noqa: ANN401 — the same
            raise StreamLostError("Stream connection lost")

        self._wrap(link, "publish", lambda *_: "AMQP request", lose_link)
        self._wrap(
            BlockingChannel,
            "basic_publish",
            lambda *said: "AMQP event" if said and said[0] else "AMQP doorbell",
            lambda it: lose(it.connection),
        )

    def _watch_mail(self) -> None:
        def lose(server: Any) -> NoReturn:  # noqa: ANN401 — smtplib's
            with suppress(OSError, AttributeError):
                server.sock.shutdown(socket.SHUT_RDWR)
            server.close()
            raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")

        def refuse(_: Any) -> NoReturn:  # noqa: ANN401 — likewise
            raise ConnectionRefusedError(111, "Connection refused")

        self._wrap(smtplib.SMTP, "_get_socket", lambda *_: "SMTP connect", refuse)
        self._wrap(smtplib.SMTP, "send", lambda said: f"SMTP {_command(said)}", lose)
        self._wrap(smtplib.SMTP, "getreply", lambda: "SMTP answer", lose)

    def _wrap(self, kind: Any, name: str, say: Callable[..., str], cut: Callable[[Any], NoReturn]) -> None:  # noqa: ANN401
        real = getattr(kind, name)

        def call(it: Any, *said: Any, **options: Any) -> Any:  # noqa: ANN401 — of many methods
            return self.cross(say(*said), lambda: real(it, *said, **options), lambda: cut(it))

        setattr(kind, name, call)


def _first_words(statement: Any) -> str:  # noqa: ANN401 — what psycopg takes
    said = statement.decode() if isinstance(statement, bytes) else str(statement)
    return " ".join(said.split()[:3])[:40]


def _command(said: bytes | str) -> str:
    line = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return "message" if len(line.splitlines()) > 1 else line.split(" ")[0].strip()


def go(place: Place, event: CloudEvent, at: int, mishap: Mishap, pipe: Pipe) -> None:
    """Run the steps twice in a process of its own, even after errors; send the names of its crossings by the pipe."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    tracer = Tracer(at, mishap, pipe, place.exports)
    tracer.watch()

    def acknowledge(name: str) -> None:
        def cut() -> NoReturn:
            raise StreamLostError("Stream connection lost")

        tracer.cross(name, lambda: None, cut)

    road = Road(place, acknowledge)
    road.notifier._background = None  # noqa: SLF001 — the chores are no step of this road
    steps: Sequence[Callable[[], None]] = (
        lambda: road.publish(event), road.serve_requests, road.serve_doorbells, road.notify
    )  # fmt: skip
    for step in steps:
        with suppress(Exception):
            step()
    pipe.send(tracer.names)
    os._exit(0)


class Crossed(NamedTuple):
    """The result of a request with a fault at a crossing."""

    at: int
    name: str
    mishap: Mishap
    copies: int
    """Mails beyond the first, with the same Message-ID."""
    wrong: str
    """Why the result is wrong; empty when it is right."""
    is_mailed: bool = False
    """Whether the mail had been handed over by then, so that another process cannot know and sends it again."""


class Crossings:
    """An installation on which the steps are run again and again."""

    def __init__(self, broker: RabbitNode, database: PostgresServer, folder: Path) -> None:
        self._broker, self._database = broker, database
        self._vhost = broker.create_vhost()
        self._mailbox = Mailbox()
        self._mailbox.start()
        url = database.create_database(LIBREVILLE_TEMPLATE)
        exports = folder / "exports"
        exports.mkdir(parents=True)
        self.place = Place(url, broker.url(self._vhost), exports, self._mailbox.port)
        self._others = Road(self.place)
        self._others.prepare()
        self.engine: Engine = build_engine(url)
        with closing(_connect(pika.URLParameters(self.place.amqp_url))) as connection:
            channel = connection.channel()
            channel.queue_declare(_LISTENER, durable=True)
            channel.queue_bind(_LISTENER, EXCHANGE, EVENT_EXPORT_STATUS)
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["tests.faults.crossings"])
        self.names: list[str] = []

    def __enter__(self) -> Self:
        """Count the crossings, in a run without faults."""
        undisturbed = self.play(0, Mishap.KILL)
        assert not undisturbed.wrong, undisturbed.wrong
        return self

    def __exit__(self, *_: object) -> None:
        self._others.close()
        self.engine.dispose()
        self._mailbox.stop()
        self._database.drop(self.place.database_url)
        self._broker.delete_vhost(self._vhost)

    def play(self, at: int, mishap: Mishap) -> Crossed:
        """Run the steps with a fault at this crossing, let other processes take over, and judge; 0: no fault."""
        asked = ListeExportRequested(
            commune=LIBREVILLE.code, listes=[Liste.PRINCIPALE], formats=[Format.CSV], requested_by=AGENT
        )
        event = CloudEvent.wrap(asked, source="/test/crossings")
        self._clear()
        names, before = self._go(event, at, mishap)
        if not at:
            self.names = names
        self._take_over(event)
        name, is_mailed = before[-1] if before else "", "SMTP message" in before
        copies, wrong = self._judge(event)
        return Crossed(at, name, mishap, copies, wrong, is_mailed)

    def _go(self, event: CloudEvent, at: int, mishap: Mishap) -> tuple[list[str], list[str]]:
        """The crossings of the process, if it lived to report them, and those before the fault: two runs may differ."""
        ours, theirs = self._processes.Pipe()
        process = self._processes.Process(target=go, args=(self.place, event, at, mishap, theirs))
        process.start()
        theirs.close()
        names: list[str] = []
        before: list[str] = []
        with ours, suppress(EOFError):
            while ours.poll(_PATIENCE):
                said = ours.recv()
                if isinstance(said, tuple):
                    _, before = said
                    continue
                if said != "silent":
                    names = said
                    break
                self._end_open_transactions()
                self._take_over(event)
                ours.send("awake")
        process.join(_PATIENCE)
        assert process.exitcode is not None, f"crossing {at}, {mishap}: the process does not end"
        return names, before

    def _end_open_transactions(self) -> None:
        """Do what the database does after a minute: end the sessions that are idle in a transaction."""
        with self.engine.begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
                )
            )

    def _take_over(self, event: CloudEvent) -> None:
        """The sender publishes the event again; leases expire; other workers, a sweep and a notifier do the work."""
        self._others.publish(event)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:  # after a sweep that took long, on a busy machine, the next one is delayed
            self._others.serve_requests()
            self._let_time_pass()
            self._others.notify()
            self._others.serve_doorbells()
            self._others.notify()
            with self.engine.connect() as connection:
                if connection.scalar(select(func.count()).where(Request.notified_at.is_not(None))):
                    return

    def _let_time_pass(self) -> None:
        with self.engine.begin() as connection:
            for column in (Work.enqueued_at, Work.due_at, Work.lease_until):
                connection.execute(update(Work).where(column.is_not(None)).values({column: utc_now(-_LATER_SECONDS)}))

    def _clear(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("TRUNCATE request, export, notification, deferred_event, work CASCADE"))
            connection.execute(update(Volume).values(marked_at=None))
        for queue in (self.place.queue, QUEUE_LISTES, _LISTENER):
            queue_messages(self.place.amqp_url, queue)
        shutil.rmtree(self.place.exports)
        self.place.exports.mkdir()
        self._mailbox.mails.clear()

    def _judge(self, event: CloudEvent) -> tuple[int, str]:
        with Session(self.engine) as session:
            requests = list(session.scalars(select(Request)))
            exports = list(session.scalars(select(Export).options(selectinload(Export.pieces))))
        mails = Counter(str(mail.message["Message-ID"]) for mail in self._mailbox.mails)
        said = {CloudEvent.from_bytes(body).id for _, body in queue_messages(self.place.amqp_url, _LISTENER)}
        return mails.total() - len(mails), "; ".join(self._find_wrong(event, requests, exports, mails, said))

    def _find_wrong(
        self,
        event: CloudEvent,
        requests: Sequence[Request],
        exports: Sequence[Export],
        mails: Counter[str],
        said: set[str],
    ) -> Iterator[str]:
        if [it.event_id for it in requests] != [event.id] or len(exports) != 1:
            yield f"{len(requests)} requests, {len(exports)} rows"
        with self.engine.connect() as connection:
            works = connection.execute(select(Work.kind, Work.part, Work.error)).all()
        if works or any(it.notified_at is None for it in requests):
            yield f"not notified: {works}"
        if any(it.status != ExportStatus.READY for it in exports):
            yield f"status {[f'{it.status} {it.error_code}' for it in exports]}"
        expected = {it.file_name: it.sha256 for it in exports}
        expected |= {it.file_name: it.sha256 for export in exports for it in export.pieces.values()}
        there = {path.name: sha256(path.read_bytes()).hexdigest() for path in self.place.exports.glob("*/*")}
        if there != expected:
            yield f"files {sorted(there)} and not {sorted(expected)}"
        if len(mails) != 1:
            yield f"{len(mails)} different mails"
        if mails.total() > 2:  # the process that was cut off after the dot, and the one that takes over
            yield f"the same mail {mails.total()} times"
        if len(said) != 1:
            yield f"{len(said)} different events"
        for queue in (self.place.queue, QUEUE_LISTES, f"{QUEUE_REQUESTS}.XQ", f"{QUEUE_LISTES}.XQ"):
            if left := queue_messages(self.place.amqp_url, queue):
                yield f"{len(left)} messages left in {queue}"
