"""A disk spool of events that the broker has not confirmed yet; it survives a restart.

One file per event, written atomically. The event keeps its id, so that an event sent twice counts once.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import structlog

from producers.errors import PublishError
from schemas.envelope import CloudEvent, InvalidEventError

log = structlog.get_logger("producers.web")

MOST = 10_000
"""Maximum number of spooled events. A commune may have as many as are still free: alone half, two a third each.

An event beyond that is sent at once; if that fails, `send` returns False, and the log has a line.
"""

_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0
_IN_ORDER = "-suite"
_UNREADABLE, _UNREADABLE_SECONDS = ".illisible", 90 * 86_400


class Spool:
    """A directory of events, and the thread that publishes them."""

    def __init__(
        self,
        directory: Path,
        publish: Callable[[CloudEvent], None],
        *,
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        self._directory = directory
        self._publish = publish
        self._first_pause = first_pause
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def send(self, *events: CloudEvent) -> bool:
        """Store events and publish them in the background; returns at once and never raises.

        Return False if an event could be neither stored nor published.
        """
        return all(self.keep(event) or self._publish_now(event) for event in events)

    def keeps(self, commune: str) -> bool:
        """Whether an event of the commune is spooled: later events of the commune must wait behind it."""
        with suppress(OSError):
            return any(self._directory.glob(f"[0-9]*-{commune}{_IN_ORDER}.json"))
        return False

    def start(self) -> None:
        """Start the thread, which also publishes events of an earlier process; delete old unreadable files."""
        with suppress(OSError):
            for path in self._directory.glob(f"*{_UNREADABLE}"):
                if path.stat().st_mtime < time.time() - _UNREADABLE_SECONDS:
                    path.unlink()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the current event and stop; the other events wait for the next start."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def waiting(self) -> list[Path]:
        return sorted(self._directory.glob("[0-9]*.json"))

    def holds(self, event_id: str) -> bool:
        """Whether this event is spooled, by file name: a page calls this for each of its lines."""
        with suppress(OSError):
            return any(self._directory.glob(f"[0-9]*-{_digest(event_id)}*.json"))
        return False

    def drain(self) -> bool:
        """Publish the spooled events; return whether none is left. A disk error is retried later."""
        try:
            for path in self.waiting():
                if self._stopping or ((event := _read(path)) and not self._publish_now(event)):
                    return False
                path.unlink(missing_ok=True)
        except OSError as error:
            log.error("spool_unavailable", error=error.strerror)  # noqa: TRY400 — no traceback
            return False
        return True

    def _run(self) -> None:
        pause = self._first_pause
        while not self._stopping:
            is_empty = self.drain()
            pause = self._first_pause if is_empty else min(2 * pause, _LONGEST_PAUSE)
            self._wake.wait(None if is_empty else pause)
            self._wake.clear()

    def _publish_now(self, event: CloudEvent) -> bool:
        try:
            self._publish(event)
        except Exception as error:  # noqa: BLE001 — an error of the broker, or of the database in embedded mode
            said = str(error) if isinstance(error, PublishError) else type(error).__name__
            log.warning("declaration_not_published", event_id=event.id, error=said)
            return False
        return True

    def keep(self, event: CloudEvent, *, in_order: bool = False) -> bool:
        """Store an event; return whether it is on the disk. `in_order`: later events of its commune wait behind it."""
        commune = event.data["commune"]
        try:
            waiting = self.waiting()
            if sum(path.stem.split("-")[2:3] == [commune] for path in waiting) >= MOST - len(
                waiting
            ):
                log.error(
                    "spool_unavailable",
                    event_id=event.id,
                    error=f"the share of {commune} in {MOST} is full",
                )
                return False
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            ending = f"{_IN_ORDER if in_order else ''}.json"
            path = self._directory / f"{time.time_ns():020}-{_digest(event.id)}-{commune}{ending}"
            write_whole(path, [event.to_bytes()])
            self._wake.set()
        except OSError as error:
            log.error("spool_unavailable", event_id=event.id, error=error.strerror)  # noqa: TRY400 — no traceback
            return False
        return True


def write_whole(path: Path, pieces: Iterable[bytes], mode: int = 0o600) -> None:
    """Write a file whole or not at all, also after a power cut. Raises `OSError`: no room or no permission."""
    part = path.with_name(f".{uuid4().hex}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123 — its mode
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _digest(event_id: str) -> str:
    return hashlib.sha256(event_id.encode()).hexdigest()[:32]


def _read(path: Path) -> CloudEvent | None:
    """Read the event of a file; rename an unreadable file, for an engineer to examine."""
    try:
        return CloudEvent.from_bytes(path.read_bytes())
    except FileNotFoundError:
        return None  # another process of the screen has published it
    except InvalidEventError as error:
        log.error("declaration_unreadable", file=path.name, error=type(error).__name__)  # noqa: TRY400 — no body
        with suppress(FileNotFoundError):
            path.rename(path.with_name(path.name + _UNREADABLE))
        return None
