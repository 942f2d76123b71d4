"""A clerk works beside a flood: of one producer, of one commune, of large lists in a batch.

A producer publishes at the broker. A commune sends over HTTP by three tokens, as often as the screen admits, and goes
on after each refusal.

The workers are those of docker-compose.yml, with their accounts and their shares of the cores, as control groups
(version 1; root only).
"""

import os
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from itertools import cycle, pairwise, takewhile
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import httpx2
import pytest
import yaml
from sqlalchemy import insert

from bench.people import write_town
from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.http import EVENT_JSON
from schemas.requests import ListeExportRequested
from tests.parts.browser import PROXY_SECRET
from tests.parts.town import ROOT
from tests.parts.wait import wait_until
from tests.web.security_desk import LIBREVILLE, copy_libreville
from tests.web.site import Service, Site, open_site
from worker.access.management import make_token
from worker.access.models import Agent, Sender
from worker.registre.communes import add_commune
from worker.registre.reu.importer import import_file

ELECTEURS, LARGE = 500, 100_000
FLOODED, CITY, PRODUCER = "13901", "13902", "producteur"
TOKENS = ("premier", "second", "troisième")
PAUSE_SECONDS = 0.02
CLERKS = ("page", "fichier", "autre")
REQUESTS = int(os.environ.get("FLOOD", "35000"))
LISTS = int(os.environ.get("FLOOD_LISTS", "200"))
FILES, BATCH = 100, 100
MOST_SECONDS = 2.0
"""What a clerk may wait for a page, a file or its mail, 99 times in 100; or twice the calm time."""

_SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
_CORES = Path("/sys/fs/cgroup/cpu/flood")
_FIELD = re.compile(r'name="(jeton|formulaire)" value="([^"]+)"')
_NOTIFIED = """
SELECT r.created_at, r.completed_at, n.sent_at FROM notification n JOIN request r ON r.id = n.request_id
WHERE r.created_at >= to_timestamp(:since) AND r.requested_by = :agent AND n.sent_at IS NOT NULL
"""
"""The mail to another agent of the commune: the agent who asked gets one ten minutes later, or none."""
_WAITING = "SELECT count(*) AS number FROM work WHERE kind = 'liste'"
_REQUESTED = "SELECT count(*) AS number FROM request WHERE code_commune = :commune"
_REFUSED = """
SELECT reason FROM request WHERE code_commune = :commune AND outcome = 'refused'
UNION ALL SELECT error_message FROM export WHERE code_commune = :commune AND status = 'failed'
"""


def _read_worker(name: str) -> Service:
    """One container of a worker of docker-compose.yml."""
    service = _SERVICES[name]
    command = service["command"]
    processes = int(command[command.index("--processes") + 1])
    queues = takewhile(lambda it: not it.startswith("--"), command[command.index("--queues") + 1 :])
    account = service["secrets"][0]["source"].removeprefix("database_").removesuffix("_url")
    lane = service["environment"].get("PREFECTURE_WORKER_LANE", "all")
    return Service(account, tuple(queues), processes, lane)


_WORKERS = [f"worker-{it}" for it in ("requests", "registre", "listes", "tableaux", "people")]
_CREW = tuple(map(_read_worker, _WORKERS))


class Visitor:
    """An agent with an address of their own, behind the proxy that names them."""

    def __init__(self, url: str, agent: str) -> None:
        named = {
            "X-Remote-User": agent,
            "X-Prefecture-Secret": PROXY_SECRET,
            "X-Forwarded-For": f"10.1.{sum(agent.encode()) % 250}.{len(agent)}",
        }
        used = httpx2.Limits(keepalive_expiry=2)  # before the screen closes the connection
        self.client = httpx2.Client(
            base_url=f"{url}/communes/{LIBREVILLE}/",
            headers=named,
            timeout=60,
            follow_redirects=True,
            limits=used,
        )

    def get(self, page: str) -> str:
        return self.client.get(page).raise_for_status().text

    def post(self, page: str, fields: Mapping[str, str]) -> float:
        """Send the form of a page; return when."""
        hidden = dict(_FIELD.findall(self.get(page)))
        sent_at = time.time()
        self.client.post(page, data={**hidden, **fields}).raise_for_status()
        return sent_at


class Waited(NamedTuple):
    """The seconds that a clerk waited: for pages; for files; from the file to the mail."""

    pages: Sequence[float]
    files: Sequence[float]
    mails: Sequence[float]

    def __str__(self) -> str:
        return "; ".join(
            f"{name} {statistics.median(it):.2f} s, {_p99(it):.2f} s"
            for name, it in zip(self._fields, self, strict=True)
        )


def _p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[-1 - len(seconds) // 100]


class Clerk:
    """A clerk of LIBREVILLE, who reads pages and asks for files, one after the other."""

    def __init__(self, site: Site) -> None:
        self._rows = site.town.rows
        self._page, self._file = (Visitor(site.url, name) for name in CLERKS[:2])

    def work(self, number: int = FILES) -> Waited:
        pages, steps = list[float](), list[list[float]]()
        for _, page in zip(
            range(number), cycle(("taches", "listes", "registre", "exports")), strict=False
        ):
            begun = time.monotonic()
            self._page.get(page)
            pages.append(time.monotonic() - begun)
            steps.append(self._wait_for_file())
        files = [recorded + made for recorded, made, _ in steps]
        return Waited(pages, files, [mailed for _, _, mailed in steps])

    def _wait_for_file(self) -> list[float]:
        """Return the seconds from the form to the record of a request, to its file, to the mail."""
        begun = self._file.post("listes", {"listes": "P", "format": "csv"})
        told = wait_until(
            lambda: self._rows(_NOTIFIED, since=begun, agent="fichier"),
            timeout=300,
            message="a file and its mail",
        )
        # the screen takes 120 forms of an agent in a minute
        time.sleep(max(0.0, begun + 0.6 - time.time()))
        moments = [begun, *(it.timestamp() for it in told[0].values())]
        return [after - before for before, after in pairwise(moments)]


def _requests(commune: str, number: int, *, bulk: bool = False) -> Iterator[CloudEvent]:
    data = {"commune": commune, "listes": ["P"], "bulk": bulk, "requested_by": "x"}
    for _ in range(number):
        yield CloudEvent.wrap(ListeExportRequested.model_validate(data), source="/flood")


def _publish(site: Site, events: Iterator[CloudEvent]) -> None:
    with closing(Publisher(site.deployment.amqp_url(PRODUCER))) as publisher:
        while some := [it for _, it in zip(range(BATCH), events, strict=False)]:
            publisher.publish(*some)


@contextmanager
def _flood_of_a_producer(site: Site) -> Iterator[None]:
    _publish(site, _requests(FLOODED, REQUESTS))
    yield
    _require_waiting(site)


@contextmanager
def _flood_of_large_lists(site: Site) -> Iterator[None]:
    _publish(site, _requests(CITY, LISTS, bulk=True))
    yield
    _require_waiting(site)


def _require_waiting(site: Site) -> None:
    (left,) = site.town.rows(_WAITING)
    assert left["number"] > 0, "the flood was over: the clerk was alone"


@contextmanager
def _flood_of_a_commune(site: Site) -> Iterator[None]:
    with site.town.engine.begin() as connection:
        tokens = [
            make_token(connection, name, [FLOODED], ["liste_export"], actor="flood")
            for name in TOKENS
        ]
    over = Event()
    with ThreadPoolExecutor() as threads:
        sent = [threads.submit(_post, site.url, token, over) for token in tokens]
        wait_until(
            lambda: site.town.rows(_REQUESTED, commune=FLOODED)[0]["number"],
            message="a request of the flood",
        )
        yield
        over.set()
    answers = sum((it.result() for it in sent), Counter[int]())
    assert answers.keys() == {202, 429}, answers
    assert answers[429] > answers[202], "the flood asked no more than it may"


def _post(url: str, token: str, over: Event) -> Counter[int]:
    """Post requests until the flood is over; return the number of each answer."""
    answers = Counter[int]()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": EVENT_JSON}
    with httpx2.Client(base_url=url, headers=headers, timeout=60) as client:
        while not over.is_set():
            (event,) = _requests(FLOODED, 1)
            answers[client.post("/api/v1/events", content=event.to_bytes()).status_code] += 1
            over.wait(PAUSE_SECONDS)
    return answers


@contextmanager
def _share_cores(site: Site) -> Iterator[None]:
    """Give each service the share of the cores that its container has by `cpu_shares` in docker-compose.yml."""

    def share(name: str, shares: int, *pids: int) -> None:
        group = _CORES / name
        group.mkdir(parents=True, exist_ok=True)
        (group / "cpu.shares").write_text(str(shares))
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))

    names = [*_WORKERS, "notifier", "web", "broker", "database"]
    try:
        for name, process in zip(names, site.processes, strict=True):
            share(name, _SERVICES[name].get("cpu_shares", 1024), *process.family)
        # above all else that runs on this machine
        (_CORES / "cpu.shares").write_text("262144")
        share("clerk", 1024, os.getpid())
        yield
    finally:
        for group in _CORES.glob("*/cgroup.procs"):
            while pid := group.read_text().partition("\n")[0]:  # processes fork and end meanwhile
                with suppress(ProcessLookupError):
                    (_CORES.parent / "cgroup.procs").write_text(pid)
            group.parent.rmdir()
        _CORES.rmdir()


def _populate(site: Site, folder: Path) -> None:
    """Add a village for the clerk, another one, and a city of 100,000 electors."""
    reu = folder / "reu.csv"
    write_town(reu, ELECTEURS)
    with site.town.engine.begin() as connection:
        add_commune(connection, LIBREVILLE, "LIBREVILLE")
    import_file(site.town.engine, reu, imported_by="flood")
    with site.town.engine.begin() as connection:
        copy_libreville(connection, FLOODED, "COMMUNE INONDÉE")
        copy_libreville(connection, CITY, "GRANDE VILLE", copies=LARGE // ELECTEURS)
        communes = [{"name": PRODUCER, "code_commune": it} for it in (FLOODED, CITY)]
        connection.execute(insert(Sender), communes)
        agents = [
            {"name": it, "code_commune": LIBREVILLE, "email": f"{it}@flood.example"}
            for it in CLERKS
        ]
        connection.execute(insert(Agent), agents)
    with site.town.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")


@pytest.mark.slow
@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(_flood_of_a_producer, id="producer"),
        pytest.param(_flood_of_a_commune, id="commune"),
        pytest.param(_flood_of_large_lists, id="large-lists"),
    ],
)
def test_flood_of_others_delays_a_clerk_by_two_seconds_at_most(
    flood: Callable[[Site], AbstractContextManager[None]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open_site(tmp_path, crew=_CREW, is_empty=True) as site, _share_cores(site):
        _populate(site, tmp_path)
        clerk = Clerk(site)
        clerk.work(3)
        calm = clerk.work()
        with flood(site):
            flooded = clerk.work()
        refused = site.town.rows(_REFUSED, commune=LIBREVILLE)
    with capsys.disabled():
        print(f"\ncalm: {calm}\nflooded: {flooded}")  # noqa: T201
    assert [*refused] == []
    limits: dict[str, Any] = {
        name: max(2 * _p99(it), MOST_SECONDS) for name, it in zip(calm._fields, calm, strict=True)
    }
    waited = dict(zip(flooded._fields, map(_p99, flooded), strict=True))
    assert {name: it for name, it in waited.items() if it > limits[name]} == {}
