"""The clerk's screen in its own process, accessed over HTTP as by a browser."""

import os
import re
import sys
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from signal import SIGTERM
from tempfile import TemporaryDirectory
from typing import Self

from bench.registers import Task
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.town import AGENT
from tests.parts.wait import wait_until
from worker.demo.libreville import LIBREVILLE

_ROOT = Path(__file__).parents[1]
_START_SECONDS, _STOP_SECONDS, _PAGE_SECONDS = 60, 10, 30
_SHOWN = 2000
"""Characters of the screen's log in an error."""
_OK, _MS = 200, 1000
_OPENING = re.compile(r"(/ouvrir\?cle=\S+)")


class Screen:
    """`python -m producers web` on a database, with the default settings, for LIBREVILLE's agent alone.

    There is no broker: the screen needs it only when a form is sent.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._port = free_port()
        self._ends = ExitStack()
        self._cookie: dict[str, str] = {}

    def __enter__(self) -> Self:
        with ExitStack() as ends:
            folder = Path(ends.enter_context(TemporaryDirectory(prefix="screen-", dir=self._task.folder)))
            self._log = folder / "screen.log"
            environment = {
                "PATH": os.environ.get("PATH", os.defpath),
                "PREFECTURE_STATE_URL": self._task.url,
                "PREFECTURE_EXPORTS_DIR": str(folder / "exports"),
                "PREFECTURE_HOME": str(folder),
                "PREFECTURE_WEB_PORT": str(self._port),
                "PREFECTURE_WEB_AGENT": AGENT,
            }
            command = [sys.executable, "-m", "producers", "web"]
            process = Process(command, env=environment, folder=_ROOT, log=self._log)
            ends.callback(process.end, SIGTERM, timeout=_STOP_SECONDS)
            wait_until(
                lambda: not process.alive or self._answers(), timeout=_START_SECONDS, message="a screen that answers"
            )
            if not process.alive:
                raise self._failure("the screen did not start")
            self._come_in()
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def time_page(self, path: str) -> float:
        """Return the milliseconds from before the request of a page until its last byte arrives.

        Raises:
            RuntimeError: the answer is not the page.
        """
        begun = time.perf_counter()
        connection = HTTPConnection(LOOPBACK, self._port, timeout=_PAGE_SECONDS)
        try:
            connection.request("GET", f"/communes/{LIBREVILLE.code}{path}", headers=self._cookie)
            answer = connection.getresponse()
            content = answer.read()
            milliseconds = (time.perf_counter() - begun) * _MS
        finally:
            connection.close()
        if answer.status != _OK or not content:
            raise self._failure(f"{path} was answered with {answer.status}")
        return milliseconds

    def _answers(self) -> bool:
        return _OPENING.search(self._log.read_text(errors="replace")) is not None

    def _come_in(self) -> None:
        """Open the address that the screen printed, and store the session cookie."""
        (address,) = _OPENING.findall(self._log.read_text(errors="replace"))
        connection = HTTPConnection(LOOPBACK, self._port, timeout=_PAGE_SECONDS)
        connection.request("GET", address)
        session = connection.getresponse().headers["Set-Cookie"]
        connection.close()
        self._cookie = {"Cookie": session.partition(";")[0]}

    def _failure(self, what: str) -> RuntimeError:
        return RuntimeError(f"{what}; the screen's last lines:\n{self._log.read_text(errors='replace')[-_SHOWN:]}")
