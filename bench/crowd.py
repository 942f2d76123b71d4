"""A hundred clerks on the screen at once: pages, their updates, and downloads of files of 60 MB."""

import asyncio
import os
import random
import re
import secrets
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from html import unescape
from pathlib import Path
from signal import SIGTERM
from tempfile import TemporaryDirectory
from typing import NamedTuple

import httpx2
from sqlalchemy import insert

from bench.registers import Task
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
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
_ROOT = Path(__file__).parents[1]
_MS, _MEGA = 1000, 1e6
_PATIENCE = 30.0


class Crowd(NamedTuple):
    """The results of the clerks: milliseconds until the first byte of each page, and downloaded bytes."""

    pages: list[float]
    updated: int
    """The clerks whose page was updated."""
    downloads: list[int]
    memory: float
    """The highest memory of the screen, MB."""


@contextmanager
def open_screen(task: Task, secret: str) -> Iterator[tuple[Process, str]]:
    """Yield the screen behind a proxy that authenticates agents, as in `docs/operations.md`."""
    port = free_port()
    with TemporaryDirectory(prefix="crowd-", dir=task.folder) as folder:
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
        log = Path(folder) / "screen.log"
        screen = Process([sys.executable, "-m", "producers", "web"], env=environment, folder=_ROOT, log=log)
        try:
            wait_until(lambda: not screen.alive or _answers(url), message="a screen that answers")
            if not screen.alive:
                raise RuntimeError(f"the screen did not start:\n{log.read_text(errors='replace')[-2000:]}")
            yield screen, url
        finally:
            screen.end(SIGTERM, timeout=10)


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).status_code > 0
    except httpx2.HTTPError:
        return False


def gather(task: Task, paths: Sequence[str], export_id: int) -> Crowd:
    """Run the clerks for a minute; each is an agent of LIBREVILLE with their own address.

    Raises:
        RuntimeError: a page was refused, or a file was incomplete.
    """
    names = [f"clerk-{number}" for number in range(CLERKS)]
    engine = build_engine(task.url)
    with engine.begin() as connection:
        rows = [{"name": name, "code_commune": LIBREVILLE.code, "email": f"{name}@bench.example"} for name in names]
        connection.execute(insert(Agent), rows)
    engine.dispose()
    secret = secrets.token_urlsafe(32)
    with open_screen(task, secret) as (screen, url):
        return asyncio.run(_Minute(url, secret, paths, export_id, screen).live(names))


class _Minute:
    def __init__(self, url: str, secret: str, paths: Sequence[str], export_id: int, screen: Process) -> None:
        self._origin, self._base = url, f"{url}/communes/{LIBREVILLE.code}"
        self._secret, self._paths, self._screen = secret, paths, screen
        self._file = f"/exports/{export_id}/fichier"
        self._pages: list[float] = []
        self._downloads: list[int] = []
        self._updated: set[str] = set()
        self._memory = 0.0
        self._tls = ssl.create_default_context()  # read once: two hundred clients would read for two seconds

    async def live(self, names: Sequence[str]) -> Crowd:
        self._ends_at = time.monotonic() + SECONDS
        tasks = [partial(self._look, name, number) for number, name in enumerate(names)]
        tasks += [partial(self._take, names[number], number) for number in range(DOWNLOADS)]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._weigh())
            for task in tasks:
                group.create_task(task())
        return Crowd(self._pages, len(self._updated), self._downloads, self._memory)

    def _client(self, name: str, number: int) -> httpx2.AsyncClient:
        headers = {
            "X-Remote-User": name,
            "X-Prefecture-Secret": self._secret,
            "X-Forwarded-For": f"192.0.2.{number}",
            "X-Forwarded-Proto": "https",
        }
        return httpx2.AsyncClient(headers=headers, timeout=_PATIENCE, verify=self._tls)

    async def _look(self, name: str, number: int) -> None:
        """Open page after page; the first one stays open and updates itself."""
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
        async with client.stream("GET", self._base + path) as answer:
            self._pages.append((time.perf_counter() - begun) * _MS)
            await answer.aread()
        if answer.status_code != httpx2.codes.OK:
            raise RuntimeError(f"{answer.url.path} was answered with {answer.status_code}")
        return answer.text

    async def _update(self, name: str, number: int, path: str, seconds: int) -> None:
        """Ask for the updates of a page, as the page itself does."""
        async with self._client(name, number) as client:
            while time.monotonic() + seconds < self._ends_at:
                await asyncio.sleep(seconds)
                answer = await client.get(self._origin + path, headers={"HX-Request": "true"})
                if answer.status_code != httpx2.codes.OK:
                    raise RuntimeError(f"the update of a page was answered with {answer.status_code}")
                self._updated.add(name)

    async def _take(self, name: str, number: int) -> None:
        await asyncio.sleep((number + 0.5) * SECONDS / DOWNLOADS * 0.8)
        async with self._client(name, number) as client, client.stream("GET", self._base + self._file) as answer:
            taken = [len(chunk) async for chunk in answer.aiter_raw()]
        if answer.status_code != httpx2.codes.OK:
            raise RuntimeError(f"the file was answered with {answer.status_code}")
        self._downloads.append(sum(taken))

    async def _weigh(self) -> None:
        while time.monotonic() < self._ends_at:
            self._memory = max(self._memory, self._screen.memory / _MEGA)
            await asyncio.sleep(1)
