"""The clerk's screen in its own process, accessed over HTTP as by a browser: by one clerk, or by a hundred at once."""

import asyncio
import os
import random
import re
import secrets
import ssl
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple
from urllib.request import Request, urlopen

import httpx2
from sqlalchemy import insert

from bench.registers import Task
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.town import AGENT, ROOT
from tests.parts.wait import wait_until
from worker.access.models import Agent
from worker.db.engine import build_engine
from worker.demo.libreville import LIBREVILLE

CLERKS, SECONDS, THINKING = 100, 60.0, 10.0
"""The clerks, the duration, and the average time of a clerk on a page."""

DOWNLOADS = 10
"""The clerks who download the file meanwhile, one after the other."""

LIVING = "/listes"
"""A page with live updates."""

_UPDATE = re.compile(r'hx-get="([^"]+/suivi)" hx-trigger="every (\d+)s"')
_PATIENCE = 30.0


class Screen(NamedTuple):
    """`python -m producers web`, with its address and the secret of the proxy before it.

    There is no broker: the screen needs it only when a form is sent.
    """

    process: Process
    url: str
    secret: str

    def address(self, path: str) -> str:
        """Return the address of a page of LIBREVILLE."""
        return f"{self.url}/communes/{LIBREVILLE.code}{path}"

    def headers(self, agent: str, number: int = 1) -> Mapping[str, str]:
        """Return the headers that the proxy adds for an agent at a numbered computer."""
        return {
            "X-Remote-User": agent,
            "X-Prefecture-Secret": self.secret,
            "X-Forwarded-For": f"192.0.2.{number}",
            "X-Forwarded-Proto": "https",
        }

    def time_page(self, path: str) -> float:
        """Return the milliseconds from before the request of a page until its last byte arrives.

        Raises:
            RuntimeError: the answer is not the page.
        """
        request = Request(self.address(path), headers=dict(self.headers(AGENT)))  # noqa: S310 — our own screen
        begun = time.perf_counter()
        with urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 — our own screen
            content = answer.read()
        milliseconds = (time.perf_counter() - begun) * 1000
        if answer.url != request.full_url or not content:
            raise RuntimeError(f"{path} was answered by {answer.url}")
        return milliseconds


@contextmanager
def open_screen(task: Task) -> Iterator[Screen]:
    """Yield the screen behind a proxy that authenticates agents, as in docs/operations.md; else default settings."""
    port, folder, secret = (
        free_port(),
        Path(mkdtemp(prefix="screen-", dir=task.folder)),
        secrets.token_urlsafe(32),
    )
    url = f"http://{LOOPBACK}:{port}"
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PREFECTURE_STATE_URL": task.url,
        "PREFECTURE_EXPORTS_DIR": str(task.exports),
        "PREFECTURE_HOME": str(folder),
        "PREFECTURE_WEB_PORT": str(port),
        "PREFECTURE_WEB_AUTH": "proxy",
        "PREFECTURE_WEB_TRUSTED_PROXIES": LOOPBACK,
        "PREFECTURE_WEB_PROXY_SECRET": secret,
        "PREFECTURE_WEB_SECRET": secrets.token_urlsafe(32),
        "PREFECTURE_PUBLIC_URL": url,
    }
    log = folder / "screen.log"
    process = Process(
        [sys.executable, "-m", "producers", "web"], env=environment, folder=ROOT, log=log
    )
    try:
        wait_until(lambda: not process.alive or _answers(url), message="a screen that answers")
        if not process.alive:
            raise RuntimeError(
                f"the screen did not start:\n{log.read_text(errors='replace')[-2000:]}"
            )
        yield Screen(process, url, secret)
    finally:
        process.kill()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).status_code > 0
    except httpx2.HTTPError:
        return False


class Crowd:
    """The results of a hundred clerks: milliseconds until the first byte of each page, updated pages, downloads."""

    def __init__(self, screen: Screen, paths: Sequence[str], export_id: int) -> None:
        self.pages: list[float] = []
        self.updated: set[str] = set()
        """The clerks whose page was updated."""
        self.downloads: list[int] = []
        """Bytes of each download."""
        self.memory = 0.0
        """The highest memory of the screen, MB."""
        self._screen, self._paths, self._export_id = screen, paths, export_id
        self._tls = (
            ssl.create_default_context()
        )  # read once: two hundred clients would read for two seconds

    async def live(self, names: Sequence[str]) -> None:
        """Let the clerks work for a minute.

        Raises:
            RuntimeError: a page or a file was refused.
        """
        self._ends_at = time.monotonic() + SECONDS
        async with asyncio.TaskGroup() as group:
            group.create_task(self._weigh())
            for number, name in enumerate(names):
                group.create_task(self._look(name, number))
            for number, name in enumerate(names[:DOWNLOADS]):
                group.create_task(self._download(name, number))

    def _client(self, name: str, number: int) -> httpx2.AsyncClient:
        headers = dict(self._screen.headers(name, number))
        return httpx2.AsyncClient(headers=headers, timeout=_PATIENCE, verify=self._tls)

    async def _look(self, name: str, number: int) -> None:
        chance = random.Random(number)
        async with self._client(name, number) as client, asyncio.TaskGroup() as group:
            await asyncio.sleep(chance.uniform(0, THINKING))
            ((path, seconds),) = _UPDATE.findall(await self._open(client, LIVING))
            group.create_task(self._update(name, number, unescape(path), int(seconds)))
            while time.monotonic() < self._ends_at:
                await asyncio.sleep(chance.uniform(THINKING / 2, THINKING * 3 / 2))
                await self._open(client, chance.choice(self._paths))

    async def _open(self, client: httpx2.AsyncClient, path: str) -> str:
        begun = time.perf_counter()
        async with client.stream("GET", self._screen.address(path)) as answer:
            self.pages.append((time.perf_counter() - begun) * 1000)
            await answer.aread()
        _require_ok(answer)
        return answer.text

    async def _update(self, name: str, number: int, path: str, seconds: int) -> None:
        async with self._client(name, number) as client:
            while time.monotonic() + seconds < self._ends_at:
                await asyncio.sleep(seconds)
                _require_ok(
                    await client.get(self._screen.url + path, headers={"HX-Request": "true"})
                )
                self.updated.add(name)

    async def _download(self, name: str, number: int) -> None:
        await asyncio.sleep((number + 0.5) * SECONDS / DOWNLOADS * 0.8)
        address = self._screen.address(f"/exports/{self._export_id}/fichier")
        async with self._client(name, number) as client, client.stream("GET", address) as answer:
            self.downloads.append(sum([len(chunk) async for chunk in answer.aiter_raw()]))
        _require_ok(answer)

    async def _weigh(self) -> None:
        while time.monotonic() < self._ends_at:
            self.memory = max(self.memory, self._screen.process.memory / 1e6)
            await asyncio.sleep(1)


def _require_ok(answer: httpx2.Response) -> None:
    if answer.status_code != httpx2.codes.OK:
        raise RuntimeError(f"{answer.url.path} was answered with {answer.status_code}")


def add_agents(task: Task, agents: Iterable[tuple[str, str]]) -> None:
    """Add agents: their names and their communes."""
    rows = [
        {
            "name": name,
            "code_commune": code,
            "email": f"{name}-{code}@bench.example",
            "kinds": "pret,echec",
        }
        for name, code in agents
    ]
    engine = build_engine(task.url)
    with engine.begin() as connection:
        connection.execute(insert(Agent), rows)
    engine.dispose()


def gather(task: Task, paths: Sequence[str], export_id: int) -> Crowd:
    """Run the clerks for a minute; each is an agent of LIBREVILLE with their own address."""
    names = [f"clerk-{number}" for number in range(CLERKS)]
    add_agents(task, [(name, LIBREVILLE.code) for name in names])
    with open_screen(task) as screen:
        crowd = Crowd(screen, paths, export_id)
        asyncio.run(crowd.live(names))
    return crowd
