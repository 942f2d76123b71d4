"""`python -m bench.flame`: where the time of a file goes, and of an import, as bars in `docs/pictures/file.svg`.

One process makes the lists of a small département, then one long list, then tableaux of villages where all moved, and
imports two exports. A thread looks a thousand times a second at what is under way, waiting for PostgreSQL and the disk
included. Each bar is a step, as wide as its share.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event, Thread, get_ident
from typing import NamedTuple

import click
import structlog
from pydantic import SecretStr

from bench import child
from bench.asking import Asked, every_liste, liste_principale, tableau
from bench.checks_queue import VILLAGE, VILLAGES
from bench.departement import communes_of
from bench.registers import Task, import_again, import_reu
from schemas.envelope import CloudEvent
from schemas.vocabulary import Format
from tests.parts.packages import POSTGRESQL, provide
from tests.parts.postgres import PostgresServer
from worker.compose import build_services
from worker.demo.libreville import LIBREVILLE
from worker.doorbell import Doorbell
from worker.handlers.making.make_export import make_export
from worker.handlers.requests.ingest_request import ingest_request
from worker.settings import Settings

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "file.svg"

_WARM = 9
"""Files of a département that are made first: a connection prepares what it is asked for the sixth time."""

_Function = tuple[str, str]
"""The name of a file, and of a function in it."""

_STEPS = {
    "take the row": ("make_export.py", "_take"),
    "read the row": ("make_export.py", "_read"),
    "look for a deposited file": ("make_liste.py", "begin"),
    "which list, which facts": ("make_liste.py", "read_spec"),
    "count the electors": ("precheck.py", "take_census"),
    "check them, write the report": ("report.py", "write_report"),
    "COPY, hash, write the file": ("csv_file.py", "write_csv"),
    "put files on the disk": ("storage.py", "finish"),
    "give names, record, settle": ("records.py", "mark_ready"),
}
_STEPS_TABLEAU = {
    "take the row": ("make_export.py", "_take"),
    "read the row": ("make_export.py", "_read"),
    "what the register knows": ("make_tableau.py", "read"),
    "read and compose the tableau": ("composition.py", "compose_tableau"),
    "check it, write the report": ("report.py", "write_report"),
    "draw the pages, tags, PDF": ("render.py", "render_tableau"),
    "put files on the disk": ("storage.py", "finish"),
    "give names, record, settle": ("records.py", "mark_ready"),
}
"""Functions that do not call each other."""

_STEPS_IMPORT = {
    "fingerprint, titles": ("file.py", "open_file"),
    "read, clean, parse the lines": ("lines.py", "rows"),
    "hand them to COPY": ("importer.py", "_copy"),
    "statistics for the planner": ("importer.py", "_renew_statistics"),
    "what is wrong with each": ("facts.py", "find_facts"),
    "compare with the one before": ("compare.py", "_pair"),
    "record": ("importer.py", "_record"),
}
_REST = "the rest (temporary files, the lease, logs)"
_EVERY_SECONDS = 0.001
_ROW, _LEFT, _WIDTH = 24, 230, 420


class Group(NamedTuple):
    """Some files, and what share of their time each step took."""

    title: str
    shares: Mapping[str, float]


@click.command()
@click.option("--communes", default=100, show_default=True, help="Of the small département.")
@click.option("--electeurs", default=200_000, show_default=True, help="Of the long list; half as many of all communes.")
def main(communes: int, electeurs: int) -> None:
    """Profile both, print the shares and draw them."""
    provide(POSTGRESQL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as folder, PostgresServer(fsync=True) as server:
        small = Task(server.create_database(), folder, electeurs // 2, communes)
        large = Task(server.create_database(), folder, electeurs)
        for task, jobs in ((small, ("prepare", "departement")), (large, ("prepare", "generate", "import"))):
            for job in jobs:
                child.run(job, task)
        moved = Task(server.create_database(), folder, VILLAGES * VILLAGE, VILLAGES)
        for job in ("prepare", "places", "mouvements"):
            child.run(job, moved)
        villages = profile(small, [every_liste(code) for code, _ in communes_of(communes)], _WARM, _STEPS)
        long = profile(large, [liste_principale(LIBREVILLE.code, Format.CSV, bulk=True)] * 4, 1, _STEPS)
        asked = [tableau(code, bulk=False) for code, _ in communes_of(VILLAGES)]
        tableaux = profile(moved, asked, _WARM, _STEPS_TABLEAU)
        register = Task(server.create_database(), folder, electeurs)
        child.run("prepare", register)
        imports = [to_shares(sample([partial(work, register)], _STEPS_IMPORT)) for work in (import_reu, import_again)]
    groups = [
        Group(f"{communes * 3:,} lists of {small.size // communes // 3:,} electors on average", villages),
        Group(f"one list of {electeurs:,} electors", long),
        Group(f"{VILLAGES - _WARM} tableaux of {VILLAGE} mouvements", tableaux),
        Group(f"the first import of {electeurs:,} electors", imports[0]),
        Group("the next one, compared with it", imports[1]),
    ]
    for group in groups:
        click.echo(group.title)
        for step, share in group.shares.items():
            click.echo(f"  {share:6.1%}  {step}")
    PICTURE.write_text(draw(groups), encoding="utf-8")


def profile(task: Task, asked: Sequence[Asked], warm: int, steps: Mapping[str, _Function]) -> Mapping[str, float]:
    """The share of each step in the files asked for, but the first ones."""
    rung: list[Doorbell] = []
    settings = Settings(database_url=SecretStr(task.url), exports_dir=task.exports)
    services = build_services(settings, rung.extend)
    services = replace(services, known_senders_only=False)
    for request in asked:
        ingest_request(CloudEvent.wrap(request, source="/bench"), services)
    for doorbell in rung[:warm]:
        make_export(doorbell.row_id, services)
    shares = to_shares(sample([partial(make_export, it.row_id, services) for it in rung[warm:]], steps))
    services.engine.dispose()
    return shares


def sample(works: Sequence[Callable[[], object]], steps: Mapping[str, _Function]) -> Counter[str]:
    """How long each step was under way, while these were done one after another; of steps within steps the inner.

    Python lets the thread look when the work waits, or after a while: a short one, so that not only waits are seen.
    """
    seen: Counter[str] = Counter(dict.fromkeys(steps, 0))
    names, worker, is_over = {function: step for step, function in steps.items()}, get_ident(), Event()
    usual = sys.getswitchinterval()

    def look() -> None:
        before = time.perf_counter_ns()
        while not is_over.wait(_EVERY_SECONDS):
            frame = sys._current_frames().get(worker)  # noqa: SLF001 — made for this
            while frame and (Path(frame.f_code.co_filename).name, frame.f_code.co_name) not in names:
                frame = frame.f_back
            step = names[Path(frame.f_code.co_filename).name, frame.f_code.co_name] if frame else _REST
            seen[step] += (now := time.perf_counter_ns()) - before
            before = now

    thread = Thread(target=look)
    sys.setswitchinterval(_EVERY_SECONDS / 10)
    thread.start()
    try:
        for work in works:
            work()
    finally:
        is_over.set()
        thread.join()
        sys.setswitchinterval(usual)
    return seen


def to_shares(seen: Counter[str]) -> Mapping[str, float]:
    """Of the whole."""
    return {step: count / seen.total() for step, count in seen.items()}


def draw(groups: Sequence[Group]) -> str:
    """The bars of each group under its title, as an SVG that reads without colours."""
    lines: list[str] = []
    top = 0
    for group in groups:
        top += _ROW
        lines.append(f'<text x="0" y="{top}" font-weight="bold">{group.title}</text>')
        for step, share in group.shares.items():
            top += _ROW
            width = round(share * _WIDTH / max(group.shares.values()))
            lines.append(f'<text x="{_LEFT - 8}" y="{top}" text-anchor="end">{step.split(" (")[0]}</text>')
            lines.append(f'<rect x="{_LEFT}" y="{top - 13}" width="{width}" height="16" fill="#3b6ea8"/>')
            lines.append(f'<text x="{_LEFT + width + 6}" y="{top}">{share:.0%}</text>')
        top += _ROW
    size = f"{_LEFT + _WIDTH + 60} {top}"
    title = "<title>Where the time of a file, and of an import, goes</title>"
    style = 'font-family="sans-serif" font-size="13"'
    body = "\n".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img" {style}>\n{title}\n{body}\n</svg>\n'
    )


if __name__ == "__main__":
    main()
