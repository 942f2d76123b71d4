"""Everything in one process. The road is the same as with a broker: a row first, then a doorbell, then a file."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from dramatiq import Worker, set_encoder
from dramatiq.brokers.stub import StubBroker
from filelock import FileLock, Timeout
from sqlalchemy import Engine

from schemas.envelope import CloudEvent
from worker.actors import declare_actors
from worker.compose import build_notifier, build_services
from worker.db.engine import snapshot
from worker.db.migrate import migrate
from worker.errors import ConfigurationError, RefusedError
from worker.exports.records import count_unfinished, resume
from worker.handlers.ingest_request import ingest_request
from worker.messaging.doorbell import DoorbellQueues
from worker.messaging.encoder import PrefectureEncoder
from worker.messaging.middleware import build_middleware
from worker.registre.checks.facts import look_again
from worker.registre.communes import load_reference
from worker.settings import Settings

THREADS = 2
_WORKER_TIMEOUT_MS = 100
_POLL_SECONDS = 0.05


@contextmanager
def usable(home: Path) -> Iterator[None]:
    """Make the directory; what the system refuses there is said.

    Raises:
        ConfigurationError: it cannot be made, or not be written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ConfigurationError(f"Dossier de données {home} inutilisable ({os.strerror(error.errno or 0)}).") from None


@contextmanager
def exclusive(home: Path) -> Iterator[None]:
    """Hold the directory for this process; the system lets go when the process ends, however it ends.

    Raises:
        RefusedError: another process holds it.
        ConfigurationError: the directory cannot be written.
    """
    with usable(home):
        lock = FileLock(home / "solo.lock", timeout=0, mode=0o600, fallback_to_soft=False)
        try:
            lock.acquire()
        except Timeout:
            raise RefusedError(f"Un autre processus utilise déjà {home} : arrêtez-le, ou attendez sa fin.") from None
    try:
        yield
    finally:
        lock.release()


def prepare_database(engine: Engine) -> None:
    """Bring an embedded database to the newest form, with the communes of France; a second time does nothing."""
    migrate(engine)
    with engine.begin() as connection:
        load_reference(connection)
    look_again(engine)


class Solo:
    """The running process.

    Leaving the block finishes the files that are asked for and notifies whoever waits; without `finish`, those under
    way only, and the next start does the rest.
    """

    def __init__(self, settings: Settings, *, finish: bool = True) -> None:
        self._finish = finish
        set_encoder(PrefectureEncoder())
        self._broker = StubBroker(middleware=list(build_middleware()))
        self._doorbells = DoorbellQueues(self._broker)
        self.services = build_services(settings, self._doorbells.enqueue)
        declare_actors(self._broker, self.services)
        self._worker = Worker(self._broker, worker_threads=THREADS, worker_timeout=_WORKER_TIMEOUT_MS)
        self._notifier = build_notifier(
            settings,
            self.services.engine,
            enqueue=self._doorbells.enqueue,
            enqueue_parked=self._doorbells.enqueue_parked,
            publish=None,
        )
        self._stop = threading.Event()
        self._notifying = threading.Thread(target=self._notifier.run, args=(self._stop,), name="notifier", daemon=True)

    def __enter__(self) -> Self:
        prepare_database(self.services.engine)
        self._worker.start()
        self._resume()
        self._notifying.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        is_last = kind is None and self._finish
        if is_last:
            self._finish_files()
        self._stop.set()
        self._notifying.join()
        self._worker.stop()
        if is_last:
            self._notifier.work(threading.Event())
        self.services.engine.dispose()

    def publish(self, event: CloudEvent) -> None:
        """Record a request at once: nothing waits in memory only."""
        ingest_request(event, self.services)

    def _resume(self) -> None:
        """Enqueue for every row that an earlier process left; nobody else can be at work on them."""
        with self.services.engine.begin() as connection:
            left = resume(connection)
        self.services.storage.sweep_temporaries(older_than=0)
        self._doorbells.enqueue(left)

    def _finish_files(self) -> None:
        """Wait for the rows that are being worked on; those that wait for a better time stay for the next start."""
        while self._count_unfinished():
            time.sleep(_POLL_SECONDS)

    def _count_unfinished(self) -> int:
        with snapshot(self.services.engine) as connection:
            return count_unfinished(connection)
