"""Runs everything in one process: a request becomes a row, then a message, then a file, as with a broker."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Self

from dramatiq import Worker
from dramatiq.brokers.stub import StubBroker
from filelock import FileLock, Timeout
from sqlalchemy import Engine, make_url

from common.calendrier import now
from schemas.envelope import CloudEvent
from worker.actors import declare_actors
from worker.compose import build_notifier, build_services
from worker.db.engine import snapshot
from worker.db.migrate import current_revision, migrate
from worker.errors import ConfigurationError, RefusedError
from worker.exports.records import count_unfinished
from worker.handlers.requests.ingest_request import ingest_request
from worker.housekeeping.housekeeping import sweep
from worker.messaging.middleware import build_middleware
from worker.messaging.queues import TokenQueues
from worker.registre.communes import load_reference
from worker.settings import Settings
from worker.work.queue import free_all

THREADS = 2
STARTS_TIMES = 10
"""The factor of the starts of a file, compared with a broker: each closed window or computer counts as a start."""

_POLL_SECONDS = 0.05


@contextmanager
def usable(home: Path) -> Iterator[None]:
    """Create the directory, and translate errors of the system in the block.

    Raises:
        ConfigurationError: the directory cannot be created or written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ConfigurationError(
            f"Dossier de données {home} inutilisable ({os.strerror(error.errno or 0)})."
        ) from None


@contextmanager
def exclusive(home: Path) -> Iterator[None]:
    """Lock the directory for this process; the system releases the lock when the process ends.

    Raises:
        RefusedError: another process has locked it.
        ConfigurationError: the directory cannot be written.
    """
    with usable(home):
        lock = FileLock(home / "solo.lock", timeout=0, mode=0o600, fallback_to_soft=False)
        try:
            lock.acquire()
        except Timeout:
            raise RefusedError(
                f"Un autre processus utilise déjà {home} : arrêtez-le, ou attendez sa fin."
            ) from None
    try:
        yield
    finally:
        lock.release()


RESTORING = ".restauration"
"""The folder of a checked backup until it has replaced the current data."""

_DATABASE, _EXPORTS, _FORMER = "prefecture.db", "exports", "avant"
_SAVING = ".sauvegarde-"


@contextmanager
def backup_folder(home: Path) -> Iterator[Path]:
    """Yield a folder for one backup; if this process is killed, the next backup or start deletes the folder."""
    with usable(home), _backup_lock(home, timeout=-1):
        _delete_folders(home, _SAVING)
        with TemporaryDirectory(prefix=_SAVING, dir=home) as made:
            yield Path(made)


def _backup_lock(home: Path, *, timeout: float) -> FileLock:
    return FileLock(home / "sauvegarde.lock", timeout=timeout, mode=0o600, fallback_to_soft=False)


def delete_killed_backups(home: Path) -> None:
    """Delete the folders of killed backups, unless another process makes a backup now."""
    with suppress(Timeout), _backup_lock(home, timeout=0):
        _delete_folders(home, _SAVING)


def _delete_folders(home: Path, prefix: str) -> None:
    for stale in home.glob(f"{prefix}*"):
        rmtree(stale, ignore_errors=True)


def finish_restore(settings: Settings) -> Path | None:
    """Replace the current data by the contents of `RESTORING`, or continue where a killed process stopped.

    Each step is one rename, so that any number of kills leads to the same result. The caller holds the directory
    (`exclusive`), and no process has the database open.

    Returns:
        The folder of the former data; None when there was nothing to restore.

    Raises:
        ConfigurationError: the system refuses; the next start continues.
    """
    home, restoring = settings.home, settings.home / RESTORING
    _delete_folders(home, f"{RESTORING}-")
    delete_killed_backups(home)
    if not restoring.exists():
        return None
    kept = None
    with usable(home):
        former = restoring / _FORMER
        former.mkdir(mode=0o750, exist_ok=True)
        if (restoring / _EXPORTS).exists():
            if settings.exports_dir.exists():
                settings.exports_dir.rename(former / _EXPORTS)
            (restoring / _EXPORTS).rename(settings.exports_dir)
        if (restoring / _DATABASE).exists():
            database = database_of(settings)
            if database.exists():
                write_back(database)
                database.rename(former / _DATABASE)
            for suffix in ("-wal", "-shm"):
                database.with_name(database.name + suffix).unlink(missing_ok=True)
            (restoring / _DATABASE).rename(database)
        if any(former.iterdir()):
            kept = home / f"avant-restauration-{now():%Y%m%d-%H%M%S}"
            former.rename(kept)
        rmtree(restoring)
    return kept


def write_back(database: Path) -> None:
    """Write SQLite's journal back into the database file."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def database_of(settings: Settings) -> Path:
    """Return the file of the embedded database."""
    return Path(make_url(settings.database_url.get_secret_value()).database or "")


def prepare_database(engine: Engine) -> None:
    """Migrate an embedded database, after a copy beside it, and add the communes of France."""
    revision, newest = current_revision(engine)
    if revision not in {None, newest}:
        database = Path(str(engine.url.database))
        for former in database.parent.glob(f"{database.name}.avant-*"):
            former.unlink()
        copy_database(database, database.with_name(f"{database.name}.avant-{revision}"))
    migrate(engine)
    with engine.begin() as connection:
        load_reference(connection)


def copy_database(database: Path, copy: Path) -> None:
    """Copy a database at one instant, while other connections may write."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))


class Solo:
    """Runs the worker and the notifier of the embedded mode in this process, during a block.

    At the end of the block all requested files and notifications are finished; without `finish`, only running files.
    """

    def __init__(self, settings: Settings, *, finish: bool = True) -> None:
        self._finish = finish
        self._broker = StubBroker(middleware=list(build_middleware()))
        self._tokens = TokenQueues(self._broker)
        services = build_services(settings, self._tokens.send)
        starts = services.most_starts * STARTS_TIMES
        self.services = replace(services, is_embedded=True, most_starts=starts)
        declare_actors(self._broker, self.services)
        self._worker = Worker(self._broker, worker_threads=THREADS, worker_timeout=100)
        self._notifier = build_notifier(
            settings, self.services.engine, tokens=self._tokens, publish=None
        )
        self._stop = threading.Event()
        self._notifying = threading.Thread(
            target=self._notifier.run, args=(self._stop,), name="notifier", daemon=True
        )

    def __enter__(self) -> Self:
        prepare_database(self.services.engine)
        self._worker.start()
        with self.services.engine.begin() as connection:
            free_all(connection)
        self.services.storage.sweep_temporaries(older_than=0)
        sweep(self.services.engine, self._tokens.send, self._tokens.count)
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

    def publish(self, *events: CloudEvent, token: str = "") -> None:
        """Record requests at once."""
        for event in events:
            ingest_request(event, self.services, sender=token)

    def _finish_files(self) -> None:
        while True:
            with snapshot(self.services.engine) as connection:
                if not count_unfinished(connection):
                    return
            time.sleep(_POLL_SECONDS)
