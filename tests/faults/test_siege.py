"""A siege and a flood: agents of two communes and three accounts attack, while clerks of a third commune work.

The workers are those of docker-compose.yml, with their accounts and their shares of the cores, as control groups
(version 1; root only). The attackers work on other computers: here, in processes of the smallest share.
"""

import json
import multiprocessing
import os
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count, cycle, islice, pairwise, takewhile
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pika
import pytest
import yaml
from pika.exceptions import AMQPError, NackError
from sqlalchemy import insert

from bench.people import write_town
from common.calendrier import jour_a_paris, now
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import EXCHANGE, REQUEST_LISTE_EXPORT, request_key
from tests.faults.poison import HAND_MADE, SECRET
from tests.integration.test_accounts_in_turn import Accounts
from tests.parts.browser import PROXY_SECRET
from tests.parts.deployment import VHOST
from tests.parts.town import ROOT
from tests.parts.wait import wait_until
from tests.ruined.archives import noise, rewrite, rows_of, workbook
from tests.unit.reu_sample import TITLES
from tests.web.security_desk import LIBREVILLE, copy_libreville
from tests.web.site import Site, open_site
from worker.access.models import Agent, Sender
from worker.registre.communes import add_commune
from worker.registre.reu.importer import import_file

ELECTEURS, FILES, IMPORTS = 5_000, 100, 4
BESIEGERS = "13901", "13902"
CLERKS, ACCOUNTS = ("page", "fichier", "import"), ("large", "many", "malformed")
MOST_SECONDS = 1.0
"""What a clerk may wait for a page, a file or its mail, 99 times in 100; or twice the calm time."""
FLOOD, MOST_FLOOD_SECONDS = 3_000, 4.0
"""The messages of each account before the flood is measured: its queue is full. What each step of a clerk may take."""
MOST_MB = 100
"""Growth of the broker's disk: the queue of an account holds 32 MiB."""

_SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]


def _read_worker(name: str, containers: int = 1) -> tuple[str, ...]:
    """The name of a worker of docker-compose.yml, the processes of its containers together, its queues."""
    command = _SERVICES[f"worker-{name}"]["command"]
    processes = containers * int(command[command.index("--processes") + 1])
    queues = takewhile(lambda it: not it.startswith("--"), command[command.index("--queues") + 1 :])
    return name, str(processes), *queues


_CREW = _read_worker("requests", 2), *map(_read_worker, ("registre", "listes", "tableaux", "bulk"))
_CORES = Path("/sys/fs/cgroup/cpu/siege")
_FIELD = re.compile(r'name="(jeton|formulaire)" value="([^"]+)"')
_DAY = {"jour": jour_a_paris(now()).isoformat(), "liste": ""}
_SINCE = "created_at >= to_timestamp(:since) AND requested_by = :agent"
_NOTIFIED = """
SELECT r.created_at, r.completed_at, n.sent_at FROM notification n JOIN request r ON r.id = n.request_id
WHERE r.created_at >= to_timestamp(:since) AND r.requested_by = :agent AND n.sent_at IS NOT NULL
"""
"""The mail to another agent of the commune: the agent who asked gets one ten minutes later, or none."""
_PREVIEW = f"SELECT id, sha256, status, reason FROM preview WHERE {_SINCE}"  # noqa: S608 — as above
_ASKED = f"SELECT id, completed_at FROM request WHERE {_SINCE} ORDER BY id"  # noqa: S608 — as above
_OTHERS = "SELECT count(*) AS number FROM request WHERE sender <> 'ecran'"
_BESIEGED = "SELECT DISTINCT code_commune FROM preview WHERE status IN ('queued', 'running') AND code_commune <> :ours"
_REFUSED = """
SELECT reason FROM request WHERE code_commune = :commune AND sender = 'ecran' AND outcome = 'refused'
UNION ALL SELECT error_message FROM export WHERE code_commune = :commune AND status = 'failed'
"""


class Visitor:
    """An agent with an address of their own, behind the proxy that names them."""

    def __init__(self, url: str, agent: str, commune: str = LIBREVILLE) -> None:
        address = f"10.1.{sum(agent.encode()) % 250}.{len(agent)}"
        named = {
            "X-Remote-User": agent,
            "X-Prefecture-Secret": PROXY_SECRET,
            "X-Forwarded-For": address,
        }
        base = f"{url}/communes/{commune}/"
        used = httpx2.Limits(keepalive_expiry=2)  # before the screen closes the connection
        self.client = httpx2.Client(
            base_url=base, headers=named, timeout=60, follow_redirects=True, limits=used
        )

    def get(self, page: str) -> str:
        return self.client.get(page).raise_for_status().text

    def post(
        self, page: str, fields: Mapping[str, str], to: str = "", **files: tuple[str, bytes]
    ) -> float:
        """Send the form of a page, to another address if need be; return when."""
        hidden = dict(_FIELD.findall(self.get(page)))
        sent_at = time.time()
        self.client.post(
            to or page, data={**hidden, **fields}, files=files or None
        ).raise_for_status()
        return sent_at


class Waited(NamedTuple):
    """The seconds of each act of the clerks; of a file, those of each step."""

    pages: Sequence[float]
    steps: Sequence[Sequence[float]]
    imports: Sequence[float]

    @property
    def files(self) -> Sequence[float]:
        """The seconds from the form to the file."""
        return [recorded + made for recorded, made, _ in self.steps]

    @property
    def mails(self) -> Sequence[float]:
        """The seconds from the file to the mail."""
        return [told for _, _, told in self.steps]

    def __str__(self) -> str:
        until_mail = [sum(it) for it in self.steps]
        acts = {
            "pages": self.pages,
            "files": self.files,
            "mails": self.mails,
            "until mail": until_mail,
        }
        said = "; ".join(
            f"{name} {statistics.median(it):.2f} s, {_p99(it):.2f} s" for name, it in acts.items()
        )
        return f"{said}; slowest import {max(self.imports):.1f} s"


def _p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[-1 - len(seconds) // 100]


class Clerks:
    """Three clerks of LIBREVILLE: one reads pages, one asks for files, one imports exports."""

    def __init__(self, site: Site, lines: Sequence[bytes]) -> None:
        self._rows, self._lines, self._exports = site.town.rows, lines, count(1)
        self._page, self._file, self._import = (Visitor(site.url, name) for name in CLERKS)

    def work(self) -> Waited:
        with ThreadPoolExecutor() as pool:
            files = pool.submit(lambda: [self.wait_for_file() for _ in range(FILES)])
            imports = pool.submit(lambda: [self._wait_for_import() for _ in range(IMPORTS)])
            pages = list(self._read_pages(lambda: files.done() and imports.done()))
            return Waited(pages, files.result(), imports.result())

    def _read_pages(self, is_over: Callable[[], bool]) -> Iterator[float]:
        for page in cycle(("taches", "listes", "registre", "exports")):
            if is_over():
                return
            begun = time.monotonic()
            self._page.get(page)
            yield time.monotonic() - begun
            time.sleep(0.25)

    def wait_for_file(self) -> list[float]:
        """Return the seconds from the form to the record of a request, to its file, to the mail."""
        begun = self._file.post("listes", {"listes": "P", "format": "csv"})
        told = wait_until(
            lambda: self._rows(_NOTIFIED, since=begun, agent="fichier"),
            timeout=300,
            message="a file",
        )
        time.sleep(
            max(0.0, begun + 0.6 - time.time())
        )  # the screen takes 120 forms of an agent in a minute
        return [
            after - before
            for before, after in pairwise([begun, *(it.timestamp() for it in told[0].values())])
        ]

    def wait_for_cancel(self) -> float:
        """Return the seconds from the button to the record of a cancel, which may come after the file."""
        begun = self._file.post("listes", {"listes": "P", "format": "csv"})
        find = partial(self._rows, _ASKED, since=begun, agent="fichier")
        (asked,) = wait_until(find, timeout=300, message="a request")
        pressed = self._file.post("listes", {}, f"demandes/{asked['id']}/annuler")
        told = wait_until(
            lambda: [it for it in find()[1:] if it["completed_at"]], timeout=300, message="a cancel"
        )
        time.sleep(max(0.0, begun + 1.2 - time.time()))
        return float(told[0]["completed_at"].timestamp() - pressed)

    def _wait_for_import(self) -> float:
        begun, number = time.time(), next(self._exports)
        content = b"".join(line for place, line in enumerate(self._lines) if place != number)
        self._import.post("registre", _DAY, fichier=("liste.csv", content))
        preview = self._expect("ready", begun)
        answer = {"apercu": str(preview["id"]), "sha256": str(preview["sha256"])}
        self._import.post("registre", answer, "registre/reprendre")
        self._expect("imported", begun)
        return time.time() - begun

    def _expect(self, status: str, since: float) -> Mapping[Any, Any]:
        def find() -> Mapping[Any, Any]:
            found = next(iter(self._rows(_PREVIEW, since=since, agent="import")), {"status": ""})
            assert found["status"] not in {"refused", "to_match"}, found
            return found if found["status"] == status else {}

        return wait_until(find, timeout=300, message=f"an export {status}")


def _again(act: Callable[[], object]) -> None:
    """Attack until the process is killed; the attacker expects refusals."""
    while True:
        with suppress(httpx2.HTTPError, OSError):
            act()
        time.sleep(0.5)


def besiege_screen(url: str) -> None:
    """Send costly files and slow bodies, and download, as colluding agents of each commune."""
    cells = f"<!--{noise(1_000_000)}-->" + f"<row>{'<c/>' * 20_000}</row>" * 1_000
    bomb = rewrite(
        workbook(rows_of(2)), "xl/worksheets/sheet1.xml", "</sheetData>", f"{cells}</sheetData>"
    )
    quadratic = (";".join(TITLES) + "\n" + 'x";"\n' * 80_000).encode()
    with ThreadPoolExecutor(50) as pool:
        for commune in BESIEGERS:
            first, second, third = (Visitor(url, f"{name}-{commune}", commune) for name in CLERKS)
            first.post("listes", {"listes": "P", "format": "csv"})
            pool.submit(
                _again, partial(first.post, "registre", _DAY, fichier=("liste.csv", quadratic))
            )
            pool.submit(
                _again, partial(second.post, "registre", _DAY, fichier=("liste.xlsx", bomb))
            )
            pool.submit(_again, partial(second.post, "verifier", {}, fichier=("liste.xlsx", bomb)))
            pool.submit(_again, partial(_download, first))
            for _ in range(5):
                pool.submit(_again, partial(_drip, third))


def _download(agent: Visitor) -> None:
    for number in re.findall(r"/exports/(\d+)", agent.get("exports")):
        agent.get(f"exports/{number}/fichier")


def _drip(agent: Visitor) -> None:
    """Send the body of an upload, one byte a second, until the screen ends it."""
    agent.client.post(
        "registre", content=_slowly(), headers={"Content-Type": "multipart/form-data; boundary=b"}
    )


def _slowly() -> Iterator[bytes]:
    while True:
        yield b"x"
        time.sleep(1)


def besiege_broker(urls: Mapping[str, str], pause: float = 0.01, number: int | None = None) -> None:
    """Send so many large, many and malformed messages, or without end, each kind as an account of its own."""
    large = json.dumps({"specversion": "1.0", "data": "x" * 250_000}).encode()
    junk = [it.body for it, _ in HAND_MADE.values() if it.exchange] + [_request(LIBREVILLE)[1]]
    kinds = (
        cycle([(False, large)]),
        map(_request, cycle(BESIEGERS)),
        cycle([(False, it) for it in junk]),
    )
    with ThreadPoolExecutor() as pool:
        for (account, url), messages in zip(urls.items(), kinds, strict=True):
            pool.submit(_flood, url, account, islice(messages, number), pause)


def _request(commune: str) -> tuple[bool, bytes]:
    """Whether the request is of a batch, and its event."""
    bulk = commune == BESIEGERS[1]
    data = {"commune": commune, "listes": ["P"], "bulk": bulk, "requested_by": "x"}
    return bulk, CloudEvent.wrap(
        ListeExportRequested.model_validate(data), source="/siege"
    ).to_bytes()


def _flood(url: str, account: str, messages: Iterator[tuple[bool, bytes]], pause: float) -> None:
    properties = pika.BasicProperties(delivery_mode=2, user_id=account)
    while True:
        with suppress(AMQPError), pika.BlockingConnection(pika.URLParameters(url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            for is_bulk, body in messages:
                key = request_key(account, REQUEST_LISTE_EXPORT, is_bulk=is_bulk)
                with suppress(NackError):
                    channel.basic_publish(EXCHANGE, key, body, properties, mandatory=True)
                time.sleep(pause)
            return


def _populate(site: Site, reu: Path, copies: int) -> None:
    """Add the communes with their electors, and their agents."""
    with site.town.engine.begin() as connection:
        add_commune(connection, LIBREVILLE, "LIBREVILLE")
    import_file(site.town.engine, reu, imported_by="siege")
    agents = [(name, LIBREVILLE) for name in CLERKS] + [
        (f"{it}-{code}", code) for it in CLERKS for code in BESIEGERS
    ]
    with site.town.engine.begin() as connection:
        for commune in BESIEGERS:
            copy_libreville(connection, commune, f"COMMUNE {commune}", copies)
            connection.execute(insert(Sender).values(name="many", code_commune=commune))
        rows = [
            {"name": it, "code_commune": code, "email": f"{it}@siege.example"}
            for it, code in agents
        ]
        connection.execute(insert(Agent), rows)
        connection.exec_driver_sql("ANALYZE")


@contextmanager
def _share_cores(site: Site) -> Iterator[Callable[..., None]]:
    """Give each service the share of the cores that its container has by `cpu_shares` in docker-compose.yml.

    Yields a function that gives processes a share; the groups are above all else that runs on this machine.
    """

    def share(name: str, shares: int, *pids: int) -> None:
        group = _CORES / name
        group.mkdir(parents=True, exist_ok=True)
        (group / "cpu.shares").write_text(str(shares))
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))

    names = [f"worker-{name}" for name, *_ in _CREW]
    try:
        for name, process in zip(
            [*names, "notifier", "web", "broker", "database"], site.processes, strict=True
        ):
            containers = 2 if name == "worker-requests" else 1
            share(name, containers * _SERVICES[name].get("cpu_shares", 1024), *process.family)
        (_CORES / "cpu.shares").write_text("262144")
        share("clerks", 1024, os.getpid())
        yield share
    finally:
        for group in _CORES.glob("*/cgroup.procs"):
            while pid := group.read_text().partition("\n")[0]:  # processes fork and end meanwhile
                with suppress(ProcessLookupError):
                    (_CORES.parent / "cgroup.procs").write_text(pid)
            group.parent.rmdir()
        _CORES.rmdir()


def _is_besieged(site: Site) -> bool:
    return len(site.town.rows(_BESIEGED, ours=LIBREVILLE)) == len(BESIEGERS)


@contextmanager
def _open_besieged(
    tmp_path: Path, copies: int
) -> Iterator[tuple[Site, Clerks, Callable[..., None]]]:
    """Yield services with their shares, the clerks, and a function that starts attackers on other computers."""
    reu, attackers = tmp_path / "reu.csv", list[Any]()
    write_town(reu, ELECTEURS)
    with open_site(tmp_path, crew=_CREW, is_empty=True) as site, _share_cores(site) as share:
        _populate(site, reu, copies)

        def attack(*calls: Callable[[], None]) -> None:
            for call in calls:
                attackers.append(
                    multiprocessing.get_context("spawn").Process(target=call, daemon=True)
                )
                attackers[-1].start()
            share("attackers", 2, *(it.pid or 0 for it in attackers))

        try:
            yield site, Clerks(site, reu.read_bytes().splitlines(keepends=True)), attack
        finally:
            for attacker in attackers:
                attacker.kill()
                attacker.join()


def _add_accounts(site: Site) -> Mapping[str, str]:
    broker = site.deployment.broker
    Accounts(site.town.amqp_url, broker).add(*ACCOUNTS)
    return {it: broker.url(VHOST, it, it) for it in ACCOUNTS}


@pytest.mark.slow
def test_clerks_of_a_third_commune_work_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with _open_besieged(tmp_path, copies=3) as (site, clerks, attack):
        calm, broker = clerks.work(), site.deployment.broker
        disk = broker.disk_bytes
        attack(partial(besiege_screen, site.url), partial(besiege_broker, _add_accounts(site)))
        wait_until(lambda: _is_besieged(site), message="exports of the attackers")
        besieged, is_besieged = clerks.work(), _is_besieged(site)
        grown_mb = (broker.disk_bytes - disk) / 1e6
        refused = site.town.rows(_REFUSED, commune=LIBREVILLE)
    with capsys.disabled():
        print(f"\ncalm: {calm}\nbesieged: {besieged}\nbroker's disk: {grown_mb:+.0f} MB")  # noqa: T201
    assert is_besieged, "the attackers gave up: the clerks were alone"
    assert [*refused] == []
    assert _p99(besieged.pages) <= max(2 * _p99(calm.pages), MOST_SECONDS)
    assert _p99(besieged.files) <= max(2 * _p99(calm.files), MOST_SECONDS)
    assert _p99(besieged.mails) <= max(2 * _p99(calm.mails), MOST_SECONDS)
    assert max(besieged.imports) <= 2 * max(calm.imports)
    assert grown_mb <= MOST_MB
    assert SECRET not in "".join(site.town.log(it) for it in ("worker", "notifier", "screen"))


@pytest.mark.slow
def test_a_clerk_is_served_beside_a_flood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three accounts have filled their queues, and send as fast as the broker takes."""
    with _open_besieged(tmp_path, copies=1) as (site, clerks, attack):
        accounts = _add_accounts(site)
        besiege_broker(accounts, 0, FLOOD)
        attack(partial(besiege_broker, accounts, 0))
        (before,), begun = site.town.rows(_OTHERS), time.time()
        files, cancels = (
            [clerks.wait_for_file() for _ in range(50)],
            [clerks.wait_for_cancel() for _ in range(5)],
        )
        (after,), seconds = site.town.rows(_OTHERS), time.time() - begun
        refused = site.town.rows(_REFUSED, commune=LIBREVILLE)
    steps = dict(
        zip(
            ("recorded", "made", "told", "cancelled"),
            [*zip(*files, strict=True), cancels],
            strict=True,
        )
    )
    with capsys.disabled():
        print(  # noqa: T201
            "\n",
            {name: f"{statistics.median(it):.2f} s, {max(it):.2f} s" for name, it in steps.items()},
        )
        print(f"others: {(after['number'] - before['number']) / seconds:.0f} recorded in a second")  # noqa: T201
    assert [it for it in refused if "Rien à annuler" not in it["reason"]] == []
    assert {name: max(it) for name, it in steps.items() if max(it) > MOST_FLOOD_SECONDS} == {}
    assert after["number"] > before["number"], "the accounts gave up: the clerk was alone"
