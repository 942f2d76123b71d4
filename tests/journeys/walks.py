"""The three journeys; each in a process of its own, `python -m tests.journeys.walks NAME HOME`."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.journeys.tracer import ROOT, Tracer
from tests.parts.town import AGENT, MOUVEMENTS_TEMPLATE
from tests.parts.wait import wait_until

_COMMUNE = "13900"
_TRACE = "trace.json"
_ANOMALIES = 5
"""The exit code of files with blocking anomalies, which LIBREVILLE's have."""


def trace(name: str, folder: Path) -> list[str]:
    """Run one journey in a new process, with its data in this empty folder; the files in order of first entry.

    Raises:
        RuntimeError: the journey failed; with the output of the process.
    """
    MOUVEMENTS_TEMPLATE.prepare(f"sqlite:///{folder / 'prefecture.db'}")
    environment = {"PATH": os.environ["PATH"], "PREFECTURE_HOME": str(folder), "PREFECTURE_WEB_AGENT": AGENT}
    command = [sys.executable, "-m", __name__, name, str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stdout}{done.stderr}")
    files: list[str] = json.loads((folder / _TRACE).read_text("utf-8"))
    return files


def _command(*arguments: str) -> Callable[[Tracer], None]:
    def walk(tracer: Tracer) -> None:
        from worker.solo.__main__ import main

        with tracer.trace(), _start_uncounted(tracer):
            code = main([*arguments, "--commune", _COMMUNE, "--liste", "P", "--requested-by", AGENT])
        if code not in {0, _ANOMALIES}:
            sys.exit(code)

    return walk


@contextmanager
def _start_uncounted(tracer: Tracer) -> Iterator[None]:
    """The start of a process (composing its parts, migrating) belongs to no request."""
    from worker.solo.process import Solo

    def init(solo: Solo, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 — passed on
        with tracer.pause():
            really_init(solo, *arguments, **options)

    def enter(solo: Solo) -> Solo:
        with tracer.pause():
            return really_enter(solo)

    really_init, really_enter = Solo.__init__, Solo.__enter__
    with patch.object(Solo, "__init__", init), patch.object(Solo, "__enter__", enter):
        yield


def _is_noted(home: Path) -> bool:
    with closing(sqlite3.connect(home / "prefecture.db")) as connection:
        return bool(connection.execute("SELECT 1 FROM export WHERE downloaded_at IS NOT NULL").fetchall())


def _press_the_button(tracer: Tracer) -> None:
    from starlette.testclient import TestClient

    from producers.web.app import create_app
    from producers.web.settings import load_web_settings
    from worker.settings import load_settings
    from worker.solo.__main__ import set_defaults
    from worker.solo.process import Solo

    set_defaults()
    settings, web = load_settings(), load_web_settings()
    page = f"/communes/{_COMMUNE}/listes"
    with ExitStack() as running:
        running.enter_context(tracer.trace())
        with tracer.pause():
            solo = running.enter_context(Solo(settings))
            app = create_app(web, solo.publish)
            browser = running.enter_context(TestClient(app, "http://127.0.0.1"))
            form = dict(re.findall(r'name="(jeton|formulaire)" value="([^"]+)"', browser.get(page).text))

        def links() -> list[str]:
            return re.findall(rf"/communes/{_COMMUNE}/exports/\d+/fichier", browser.get(page).text)

        browser.post(page, data=form | {"listes": ["P"], "format": "csv"}).raise_for_status()
        link, *_ = wait_until(links, timeout=120, message="the link to the file")
        wait_until(lambda: list(settings.mail_dir.glob("*.eml")), timeout=120, message="the mail")
        content = browser.get(link).raise_for_status().content
        wait_until(lambda: _is_noted(settings.home), timeout=120, message="the download in the record")
    if content != next(settings.exports_dir.rglob("liste-*[0-9].csv")).read_bytes():
        sys.exit("these are not the bytes of the file")


JOURNEYS: dict[str, Callable[[Tracer], None]] = {
    "liste": _command("export-liste", "--format", "csv"),
    "ecran": _press_the_button,
    "tableau": _command("render-tableaux", "--type", "vingt_jours", "--scrutin", "11/04/2027"),
}
"""A list by the command line, the screen's button up to the downloaded bytes, a tableau by the command line."""


def _main(name: str, folder: Path) -> None:
    tracer = Tracer()
    JOURNEYS[name](tracer)
    (folder / _TRACE).write_text(json.dumps(tracer.files), "utf-8")


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
