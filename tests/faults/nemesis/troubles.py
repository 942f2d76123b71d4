"""The troubles of a stage: each begins, lasts for a while, and ends, in parallel with the others."""

import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from random import Random
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import NamedTuple

from tests.faults.stage import Stage

_STORM = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_MAILS_AT_ONCE = 4
"""Loops of a notifier that send mails."""

_FORBIDDEN, _ALLOWED = 0o2550, 0o2750
_LARGEST_FILE = 1 << 20


class Trouble(NamedTuple):
    """A trouble of one part of the installation; each part has one trouble at a time at most."""

    part: str
    harm: Callable[[Stage, Random], AbstractContextManager[None]]
    mails_again: int = 0
    """Number of mails that may arrive twice, with the same Message-ID, because SMTP has no transactions."""

    @property
    def name(self) -> str:
        return self.harm.__name__.replace("_", "-")


@contextmanager
def worker_killed(stage: Stage, chance: Random) -> Iterator[None]:
    """Kill its working process, as the kernel does when memory is short."""
    for pid in chance.choice(stage.workers).process.family[-1:]:
        with suppress(ProcessLookupError):
            os.kill(pid, SIGKILL)
    yield


@contextmanager
def worker_frozen(stage: Stage, chance: Random) -> Iterator[None]:
    """Freeze it, sometimes for longer than its lease."""
    family = chance.choice(stage.workers).process.family
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, SIGSTOP)
    yield
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, SIGCONT)


@contextmanager
def descriptors_short(stage: Stage, chance: Random) -> Iterator[None]:
    """One worker cannot open any more files: it exits, and another worker starts."""
    for pid in chance.choice(stage.workers).process.family:
        with suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    yield


@contextmanager
def files_short(stage: Stage, _chance: Random) -> Iterator[None]:
    """The files of the running workers cannot grow past a limit, as on a full disk."""
    pids = [pid for worker in stage.workers for pid in worker.process.family]
    _limit(pids, _LARGEST_FILE)
    yield
    _limit(pids, resource.RLIM_INFINITY)


def _limit(pids: list[int], size: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            soft = size if hard == resource.RLIM_INFINITY else min(size, hard)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def notifier_killed(stage: Stage, _chance: Random) -> Iterator[None]:
    """Kill it, sometimes between a mail and its record."""
    stage.notifier.process.kill()
    yield


@contextmanager
def broker_restarted(stage: Stage, chance: Random) -> Iterator[None]:
    """Kill it, or stop it cleanly."""
    if chance.random() < 0.5:
        stage.broker.kill()
    else:
        stage.broker.stop()
    yield
    stage.broker.start()


@contextmanager
def database_restarted(stage: Stage, chance: Random) -> Iterator[None]:
    """Restart it after a crash, or cleanly."""
    stage.database.stop(chance.choice(["immediate", "fast"]))
    yield
    stage.database.start()


@contextmanager
def connections_cut(stage: Stage, _chance: Random) -> Iterator[None]:
    """Cut all connections at the beginning and at the end."""
    stage.execute(_STORM)
    yield
    stage.execute(_STORM)


@contextmanager
def database_read_only(stage: Stage, _chance: Random) -> Iterator[None]:
    """Set it read-only, as a standby is after a failover."""
    name = stage.town.engine.url.database
    stage.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    stage.execute(_STORM)
    yield
    stage.execute(f"SET TRANSACTION READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only")
    stage.execute(_STORM)


@contextmanager
def volume_read_only(stage: Stage, _chance: Random) -> Iterator[None]:
    """Make each existing directory of a commune read-only: no file can be renamed or removed."""
    directories = [path for path in stage.town.exports.iterdir() if path.is_dir()]
    for path in directories:
        path.chmod(_FORBIDDEN)
    yield
    for path in directories:
        path.chmod(_ALLOWED)


@contextmanager
def volume_away(stage: Stage, _chance: Random) -> Iterator[None]:
    """Replace the volume by an empty directory, as after an unmount; nothing may be written there."""
    exports = stage.town.exports
    aside = exports.with_name("aside")
    exports.rename(aside)
    exports.mkdir()
    yield
    written = [path.name for path in exports.rglob("*")]
    exports.rename(exports.with_name(f"mount-{len(list(exports.parent.glob('mount-*')))}"))
    aside.rename(exports)
    assert not written, f"written beside the volume: {written}"


@contextmanager
def mail_away(stage: Stage, _chance: Random) -> Iterator[None]:
    """No server listens."""
    stage.mailbox.stop()
    yield
    stage.mailbox.start()


@contextmanager
def mail_slow(stage: Stage, _chance: Random) -> Iterator[None]:
    """Each mail is answered when the trouble ends."""
    over = threading.Event()
    stage.mailbox.before_answer = lambda: over.wait(stage.patience)
    yield
    stage.mailbox.before_answer = lambda: None
    over.set()


TROUBLES = (
    *(Trouble("worker", it) for it in (worker_killed, worker_frozen, descriptors_short)),
    *(Trouble("volume", it) for it in (files_short, volume_read_only, volume_away)),
    *(Trouble("database", it) for it in (database_restarted, connections_cut, database_read_only)),
    Trouble("broker", broker_restarted),
    Trouble("notifier", notifier_killed, mails_again=_MAILS_AT_ONCE),
    *(Trouble("mail", it) for it in (mail_away, mail_slow)),
)
BY_NAME = {it.name: it for it in TROUBLES}
