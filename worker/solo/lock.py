"""One embedded process on one database: a second one is refused."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from worker.errors import ConfigurationError, RefusedError


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
        ConfigurationError: another process holds it, or the directory cannot be written.
    """
    lock = FileLock(home / "solo.lock", timeout=0, mode=0o600, fallback_to_soft=False)
    with usable(home):
        try:
            lock.acquire()
        except Timeout:
            raise RefusedError(f"Un autre processus utilise déjà {home} : arrêtez-le, ou attendez sa fin.") from None
    try:
        yield
    finally:
        lock.release()
