"""A reader of the exports volume: remembers every content that it has seen under a visible name."""

import hashlib
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

_LOOK_SECONDS = 0.002


class Watcher:
    """Looks at `root` every few milliseconds until it is closed, as the screen and its clerk might."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.seen: defaultdict[str, set[str]] = defaultdict(set)
        """Name → SHA-256 of each of its contents; any but the recorded one is of a partial file."""
        self._known: dict[str, tuple[int, ...]] = {}
        self._closing = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look a last time, and stop."""
        self._closing.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._closing.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        for path in self._root.glob("*/[!.]*"):
            with suppress(FileNotFoundError):
                status = path.stat()
                version = (status.st_ino, status.st_size, status.st_mtime_ns)
                if self._known.get(path.name) != version:
                    self._known[path.name] = version
                    self.seen[path.name].add(digest(path))


def hidden_files(root: Path) -> list[str]:
    """The names of the temporary files that are there."""
    return sorted(path.name for path in root.glob("*/.*"))


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
