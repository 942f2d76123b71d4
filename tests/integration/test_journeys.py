"""A request passes through few product files; they are traced during real requests.

A journey enters a `.py` file of schemas/, common/, producers/ or worker/ when a function of the file first runs, in any
thread. Code that an import runs, the start of the process and its periodic work (sweep, purge, reminders) do not count.
"""

import os
import re
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from traceback import walk_stack
from types import FrameType
from typing import Any
from unittest.mock import patch

import pytest
from starlette.testclient import TestClient

from producers.web.app import create_app
from producers.web.settings import load_web_settings
from tests.parts.town import AGENT, MOUVEMENTS_TEMPLATE, ROOT
from tests.parts.wait import wait_until
from tests.weight import read_table
from worker.settings import load_settings
from worker.solo.__main__ import main, set_defaults
from worker.solo.process import Solo

PRODUCT = ("schemas", "common", "producers", "worker")
JOURNEYS = {
    "liste": ["export-liste", "--format", "csv"],
    "ecran": [],
    "tableau": ["render-tableaux", "--type", "vingt_jours", "--scrutin", "11/04/2027"],
}
"""Arguments of a command; without any, the screen's button up to the downloaded bytes."""
_COMMUNE = "13900"
_ANOMALIES = 5
"""The exit code of files with blocking anomalies, which LIBREVILLE's have."""
_CHORES = "worker/housekeeping/housekeeping.py"


class Tracer:
    """Product files in order of first entry."""

    def __init__(self) -> None:
        self._entered: dict[int, dict[str, None]] = {}
        self._imports: Counter[int] = Counter()
        self._is_paused = False

    @property
    def files(self) -> list[str]:
        """Paths from the repository's root, in order of first entry, thread after thread."""
        return list(dict.fromkeys(chain.from_iterable(self._entered.values())))

    @contextmanager
    def trace(self) -> Iterator[None]:
        """Trace this thread, and those that start meanwhile."""
        threading.setprofile(self._notice)
        sys.setprofile(self._notice)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Count nothing inside the block; threads that start in it are traced afterwards."""
        was_paused, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = was_paused

    def _notice(self, frame: FrameType, event: str, _: Any) -> None:  # noqa: ANN401 — as sys.setprofile wants it
        thread = threading.get_ident()
        if frame.f_code.co_name == "<module>":
            self._imports[thread] += {"call": 1, "return": -1}.get(event, 0)
        elif self._is_paused or event != "call" or self._imports[thread]:
            return
        elif (
            (file := _file_of(frame))
            and _CHORES not in {_file_of(it) for it, _ in walk_stack(frame)}
            and threading.current_thread().name != "background"
        ):
            self._entered.setdefault(thread, {}).setdefault(file)


def _file_of(frame: FrameType) -> str:
    """The product file of a function; empty for the functions of libraries."""
    inside = frame.f_code.co_filename.removeprefix(f"{ROOT}/")
    return inside if inside.startswith(PRODUCT) and inside.endswith(".py") else ""


def _walk(name: str, home: Path) -> list[str]:
    """The files of a journey; in a new process, so that nothing has run before."""
    os.environ |= {"PREFECTURE_HOME": str(home), "PREFECTURE_WEB_AGENT": AGENT}
    tracer = Tracer()
    if arguments := JOURNEYS[name]:
        with tracer.trace(), _start_uncounted(tracer):
            code = main(
                [*arguments, "--commune", _COMMUNE, "--liste", "P", "--requested-by", AGENT]
            )
        assert code in {0, _ANOMALIES}, code
    else:
        _press_the_button(tracer)
    return tracer.files


@contextmanager
def _start_uncounted(tracer: Tracer) -> Iterator[None]:
    """The start of a process (composing its parts, migrating) belongs to no request."""

    def init(solo: Solo, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 — passed on
        with tracer.pause():
            really_init(solo, *arguments, **options)

    def enter(solo: Solo) -> Solo:
        with tracer.pause():
            return really_enter(solo)

    really_init, really_enter = Solo.__init__, Solo.__enter__
    with patch.object(Solo, "__init__", init), patch.object(Solo, "__enter__", enter):
        yield


def _press_the_button(tracer: Tracer) -> None:
    set_defaults()
    settings, web = load_settings(), load_web_settings()
    page = f"/communes/{_COMMUNE}/listes"
    with ExitStack() as running:
        running.enter_context(tracer.trace())
        with tracer.pause():
            solo = running.enter_context(Solo(settings))
            app = create_app(web, solo.publish)
            browser = running.enter_context(TestClient(app, "http://127.0.0.1"))
            form = dict(
                re.findall(r'name="(jeton|formulaire)" value="([^"]+)"', browser.get(page).text)
            )

        def links() -> list[str]:
            return re.findall(rf"/communes/{_COMMUNE}/exports/\d+/fichier", browser.get(page).text)

        browser.post(page, data=form | {"listes": ["P"], "format": "csv"}).raise_for_status()
        link, *_ = wait_until(links, timeout=120, message="the link to the file")
        wait_until(lambda: list(settings.mail_dir.glob("*.eml")), timeout=120, message="the mail")
        content = browser.get(link).raise_for_status().content
        noted = "SELECT 1 FROM export WHERE downloaded_at IS NOT NULL"
        with closing(sqlite3.connect(settings.home / "prefecture.db")) as record:
            wait_until(
                lambda: record.execute(noted).fetchall(),
                timeout=120,
                message="the download in the record",
            )
    assert content == next(settings.exports_dir.rglob("liste-*[0-9].csv")).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", JOURNEYS)
def test_the_road_has_not_grown(name: str, tmp_path: Path) -> None:
    MOUVEMENTS_TEMPLATE.prepare(f"sqlite:///{tmp_path / 'prefecture.db'}")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        files = pool.submit(_walk, name, tmp_path).result()
    print(name, len(files))  # noqa: T201 — for tests/weight.json
    assert len(files) <= max(read_table()[f"journey {name}"].values()), files
