"""A reader of the exports volume: records every content that it has seen under a visible name."""

import hashlib
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

_REST_SECONDS = 0.002
_REST_LOOKS = 100
"""A pause lasts as long as this many reads at least, so that other processes get the processor."""


class Watcher:
    """Reads `root` every few milliseconds until it is closed, as the screen does."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.seen: defaultdict[str, set[str]] = defaultdict(set)
        """Name → SHA-256 of each of its contents; any but the recorded one is of a partial file."""
        self._known: dict[str, tuple[int, ...]] = {}
        self._closing = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Read a last time, and stop."""
        self._closing.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        rest = _REST_SECONDS
        while not self._closing.wait(rest):
            began = time.thread_time()
            self._look()
            rest = max(_REST_SECONDS, _REST_LOOKS * (time.thread_time() - began))

    def _look(self) -> None:
        for entry in _visible(self._root):
            with suppress(FileNotFoundError):
                status = entry.stat()
                version = (status.st_ino, status.st_size, status.st_mtime_ns)
                if self._known.get(entry.name) != version:
                    self._known[entry.name] = version
                    self.seen[entry.name].add(digest(Path(entry.path)))


def _visible(root: Path) -> Iterator[os.DirEntry[str]]:
    with suppress(FileNotFoundError, NotADirectoryError):  # removed meanwhile
        for folder in os.scandir(root):
            if folder.is_dir():
                with suppress(FileNotFoundError):
                    yield from (it for it in os.scandir(folder) if not it.name.startswith("."))


def hidden_files(root: Path) -> list[str]:
    """The names of the temporary files."""
    return sorted(path.name for path in root.glob("*/.*"))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
