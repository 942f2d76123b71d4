"""The behaviour of `restart: unless-stopped` in docker-compose.yml: a process that ends is started again."""

from collections.abc import Callable
from threading import Event, Thread

from tests.parts.process import Process

_LOOK_SECONDS = 0.05


class Supervised:
    """A process that is always running; `exits` are the exit codes of the ended ones (negative: by a signal)."""

    def __init__(self, start: Callable[[], Process]) -> None:
        self._start = start
        self.process = start()
        self.exits: list[int] = []
        self._closing = Event()
        self._thread = Thread(target=self._look, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the process for good."""
        self._closing.set()
        self._thread.join()
        self.process.kill()

    def _look(self) -> None:
        while not self._closing.wait(_LOOK_SECONDS):
            if (code := self.process.exit_code) is not None:
                self.process.kill()  # no process of a container outlives its first process
                self.process = self._start()
                self.exits.append(code)
