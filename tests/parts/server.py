"""The base class of the tests' private servers: a process that a test may stop, kill and start again."""

import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from tests.parts.process import Process


class Server(ABC):
    """A server with a folder of its own. Ports and data outlive `stop` and `kill`; `close` removes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: Process | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def start(self) -> None:
        """Start the server and wait until it answers; no effect when it runs already."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the server as an operator does, and wait for its end."""

    @property
    def process(self) -> Process:
        """The running server."""
        assert self._server is not None
        return self._server

    @property
    def alive(self) -> bool:
        """Whether the server's process runs."""
        return self._server is not None and self._server.alive

    def kill(self) -> None:
        """SIGKILL to the server and all its processes; returns once they have ended."""
        if self._server is not None:
            self._server.kill()

    def restart(self) -> None:
        """Stop, then start; also after a kill."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End the server and remove its files."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def log(self) -> str:
        """The output of the server so far."""
        return (self._folder / "log.txt").read_text(errors="replace")
