"""`python -m tests.security.siege --minutes 20`: hostile traffic from all sides while agents work.

On loopback only, in the form in which the reverse proxy would forward it. Judged are the memory of the screen and its
children, under the limit of docker-compose.yml, and the pages of honest agents: 99 of 100 within half a second.
"""

import io
import os
import random
import socket
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import click
from sqlalchemy.orm import Session

from tests.parts.databases import SqliteFiles
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.town import ROOT
from tests.parts.wait import wait_until
from tests.web.security_desk import (
    CLERK,
    FILE,
    GRANDVILLE,
    HOST,
    LIBREVILLE,
    NEIGHBOUR,
    PUBLIC,
    SCREEN_TEMPLATE,
    SECRET,
    write_files,
)
from worker.access.models import Agent
from worker.db.engine import build_engine

MEMORY_BYTES = 512 << 20
"""`mem_limit` of the service `web`."""

PAGE_SECONDS, SHARE = 0.5, 0.99

HOSTILE = tuple(f"assaillant-{number}" for number in range(1, 5))
_PAGES = ("taches", "listes", "exports", "tableaux", "echeances", "suivi", "registre", "journal", "dossier", "depot")
_BOUNDARY = "siege"
_PATIENCE = 30.0


class Outcome(NamedTuple):
    """The result of the siege."""

    pages: list[float]
    """Seconds of each page of the honest agents."""
    failures: Counter[str]
    """Failed pages of honest agents: status, or exception."""
    attacks: Counter[str]
    memory: int
    """The maximum memory of the screen and its children in bytes; shared pages are counted once."""
    is_alive: bool

    @property
    def slowest(self) -> float:
        """The 99th percentile of the page times."""
        return sorted(self.pages)[int(len(self.pages) * SHARE) - 1] if self.pages else float("inf")

    def describe(self) -> str:
        """A summary for an engineer."""
        return (
            f"{len(self.pages)} pages, 99 of 100 within {self.slowest * 1000:.0f} ms, {dict(self.failures)} failures; "
            f"{self.memory / (1 << 20):.0f} MiB at most; {dict(sorted(self.attacks.items()))}"
        )


class Browser:
    """The browser of an agent whom the proxy names, with its cookie."""

    def __init__(self, port: int, agent: str, address: str) -> None:
        self._port, self._cookie = port, ""
        self._headers = {"Host": HOST, "X-Remote-User": agent, "X-Prefecture-Secret": SECRET}
        self._headers |= {"X-Forwarded-For": address, "X-Forwarded-Proto": "https", "Origin": PUBLIC}

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """The status and the body of the response."""
        connection = HTTPConnection(LOOPBACK, self._port, timeout=_PATIENCE)
        try:
            connection.request(method, path, body, {**self._headers, "Cookie": self._cookie, **(headers or {})})
            answer = connection.getresponse()
            self._remember(answer)
            return answer.status, answer.read()
        finally:
            connection.close()

    def token(self, commune: str) -> str:
        """The token of this session's forms."""
        _, page = self.ask("GET", f"/communes/{commune}/listes")
        return page.decode().partition('name="jeton" value="')[2].partition('"')[0]

    def upload(self, content: bytes, name: str, fields: Mapping[str, str]) -> None:
        """Upload a file to be checked, with these form fields."""
        parts = "".join(
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in {"jeton": self.token(LIBREVILLE), **fields}.items()
        )
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="fichier"; filename="{name}"\r\n\r\n'
        body = parts.encode() + head.encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        self.ask("POST", f"/communes/{LIBREVILLE}/verifier", body, kind)

    def begin(self, path: str) -> None:
        """Request a page, read some bytes and disconnect."""
        connection = HTTPConnection(LOOPBACK, self._port, timeout=_PATIENCE)
        try:
            connection.request("GET", path, headers={**self._headers, "Cookie": self._cookie})
            connection.getresponse().read(10)
        finally:
            connection.close()

    def _remember(self, answer: HTTPResponse) -> None:
        if cookie := answer.headers.get("Set-Cookie"):
            self._cookie = cookie.partition(";")[0]


class Siege:
    """Attacks for a number of seconds, drawn by a seed."""

    def __init__(self, screen: Process, port: int, seconds: float, seed: int) -> None:
        self._screen, self._port = screen, port
        self._ends_at = time.monotonic() + seconds
        self._seed = seed
        self._outcome = Outcome([], Counter(), Counter(), 0, is_alive=True)
        self._lock = threading.Lock()

    def run(self) -> Outcome:
        """Attack from every side at once, while two agents work."""
        attacks = (
            *(
                self._upload_line_ends,
                self._upload_bomb,
                self._upload_noise,
                self._fill_fields,
                self._search,
                self._cut_off,
            ),
            *(self._open_streams, self._guess, self._halve, self._garble, self._trickle),
        )
        sides = [threading.Thread(target=self._attack, args=(it, number)) for number, it in enumerate(attacks)]
        sides += [
            threading.Thread(target=self._work, args=who) for who in ((CLERK, LIBREVILLE), (NEIGHBOUR, GRANDVILLE))
        ]
        for side in sides:
            side.start()
        memory = 0
        while time.monotonic() < self._ends_at:
            memory = max(memory, _resident(self._screen.family))
            time.sleep(0.2)
        for side in sides:
            side.join()
        return self._outcome._replace(memory=memory, is_alive=self._screen.alive)

    def _attack(self, attack: Callable[[Browser, random.Random], None], number: int) -> None:
        rng = random.Random(f"{self._seed} {number}")
        name = attack.__name__.strip("_")
        while time.monotonic() < self._ends_at:
            browser = Browser(self._port, rng.choice(HOSTILE), f"192.0.2.{rng.randrange(1, 20)}")
            with suppress(OSError, HTTPException):
                attack(browser, rng)
            with self._lock:
                self._outcome.attacks[name] += 1
            time.sleep(rng.uniform(0.05, 0.5))

    def _work(self, agent: str, commune: str) -> None:
        browser, rng = Browser(self._port, agent, "198.51.100.7"), random.Random(f"{self._seed} {agent}")
        while time.monotonic() < self._ends_at:
            began = time.monotonic()
            try:
                status, _ = browser.ask("GET", f"/communes/{commune}/{rng.choice(_PAGES)}")
                failure = "" if status == 200 else str(status)
            except (OSError, HTTPException) as error:
                failure = type(error).__name__
            with self._lock:
                self._outcome.pages.append(time.monotonic() - began)
                if failure:
                    self._outcome.failures[failure] += 1
            time.sleep(rng.uniform(0.2, 0.6))

    # Attacks of an authenticated agent.

    def _upload_line_ends(self, browser: Browser, rng: random.Random) -> None:
        browser.upload(b"\n" * rng.choice([1 << 16, 1 << 20, 8 << 20]), FILE, {})

    def _upload_bomb(self, browser: Browser, rng: random.Random) -> None:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            for number in range(rng.choice([1, 5])):
                file.writestr(f"{number}.csv", b'"' * (20 << 20))
        browser.upload(archive.getvalue(), rng.choice(["beaucoup.zip", "classeur.xlsx"]), {})

    def _upload_noise(self, browser: Browser, rng: random.Random) -> None:
        content = rng.choice([b"PK\x03\x04", b"<?xml version='1.0'?>", b"%PDF-1.7", b"\xff\xfe", b""])
        browser.upload(content + rng.randbytes(1 << 18), rng.choice(["a.csv", "a.xml", "a.xlsx", "a.zip"]), {})

    def _fill_fields(self, browser: Browser, rng: random.Random) -> None:
        browser.upload(b"x", "a.csv", {f"field-{number}": "x" * rng.choice([1, 65_000]) for number in range(190)})

    def _search(self, browser: Browser, rng: random.Random) -> None:
        word = rng.choice(["%", "a" * 2_000, "' OR 1=1 --", "\x00", "é" * 500])
        form = urlencode({"jeton": browser.token(LIBREVILLE), "nom": word, "page": rng.randrange(10**6)}).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        browser.ask("POST", f"/communes/{LIBREVILLE}/exports/1/anomalies", form, kind)

    def _cut_off(self, browser: Browser, _rng: random.Random) -> None:
        browser.begin(f"/communes/{LIBREVILLE}/exports/1/fichier")

    def _open_streams(self, browser: Browser, _rng: random.Random) -> None:
        for _ in range(15):
            browser.begin(f"/communes/{LIBREVILLE}/flux")

    # Attacks of a client that reaches the port.

    def _guess(self, browser: Browser, rng: random.Random) -> None:
        path = rng.choice(["/", "/api/files/1", "/../../etc/passwd", "/communes/13901/listes", "/" + "a" * 8_000])
        forged = {"X-Prefecture-Secret": "guess", "Authorization": f"Bearer {rng.randbytes(16).hex()}"}
        browser.ask(rng.choice(["GET", "POST", "DELETE", "TRACE"]), path, headers=forged)

    def _halve(self, _browser: Browser, rng: random.Random) -> None:
        with _sockets(self._port, 20) as opened:
            for one in opened:
                one.sendall(rng.choice([b"GET / HTTP/1.1\r\nHost: x", b"POST / HTTP/1.1\r\n", b"G"]))
            time.sleep(min(5.0, max(0.0, self._ends_at - time.monotonic())))

    def _garble(self, _browser: Browser, rng: random.Random) -> None:
        both = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /"
        with _sockets(self._port, 1) as (one,):
            one.sendall(rng.choice([both, rng.randbytes(4_096), b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000]))
            one.recv(1_024)

    def _trickle(self, _browser: Browser, _rng: random.Random) -> None:
        head = f"POST /communes/{LIBREVILLE}/verifier HTTP/1.1\r\nHost: {HOST}\r\nX-Prefecture-Secret: {SECRET}\r\n"
        head += f"X-Remote-User: {HOSTILE[0]}\r\nOrigin: {PUBLIC}\r\nContent-Length: 100000000\r\n\r\n"
        with _sockets(self._port, 10) as opened:
            for one in opened:
                one.sendall(head.encode())
            for _ in range(5):
                for one in opened:
                    one.sendall(b"x")
                time.sleep(min(1.0, max(0.0, self._ends_at - time.monotonic())))


@contextmanager
def _sockets(port: int, number: int) -> Iterator[list[socket.socket]]:
    opened = [socket.create_connection((LOOPBACK, port), timeout=_PATIENCE) for _ in range(number)]
    try:
        yield opened
    finally:
        for one in opened:
            one.close()


def _resident(pids: list[int]) -> int:
    kibibytes = 0
    for pid in pids:
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            kibibytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kibibytes << 10


def besiege(seconds: float, seed: int = 1) -> Outcome:
    """Start a private screen and attack it."""
    with tempfile.TemporaryDirectory(prefix="siege-") as name:
        folder = Path(name)
        (folder / "templates").mkdir()
        write_files(folder / "exports")
        url = SqliteFiles(folder / "templates").create(folder / "screen.sqlite3", SCREEN_TEMPLATE)
        engine = build_engine(url)
        with Session(engine) as session, session.begin():
            session.add_all(Agent(name=it, code_commune=LIBREVILLE, email=f"{it}@mairie.example") for it in HOSTILE)
        engine.dispose()
        port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "PREFECTURE_STATE_URL": url,
            "PREFECTURE_AMQP_URL": f"amqp://nobody:nothing@{LOOPBACK}:1/",
            "PREFECTURE_EXPORTS_DIR": str(folder / "exports"),
            "PREFECTURE_HOME": str(folder),
            "PREFECTURE_PUBLIC_URL": PUBLIC,
            "PREFECTURE_WEB_AUTH": "proxy",
            "PREFECTURE_WEB_TRUSTED_PROXIES": f"{LOOPBACK}/32",
            "PREFECTURE_WEB_PROXY_SECRET": SECRET,
            "PREFECTURE_WEB_PORT": str(port),
        }
        log = folder / "screen.log"
        screen = Process([sys.executable, "-m", "producers", "web"], env=environment, folder=ROOT, log=log)
        try:
            wait_until(lambda: _answers(port) or not screen.alive, message="the screen")
            return Siege(screen, port, seconds, seed).run()
        finally:
            screen.kill()


def _answers(port: int) -> bool:
    with suppress(OSError, HTTPException):
        return Browser(port, CLERK, "198.51.100.7").ask("GET", "/sante")[0] == 200
    return False


@click.command()
@click.option("--minutes", default=20.0, show_default=True, help="How long.")
@click.option("--seed", default=1, show_default=True, help="Of what is drawn.")
def main(minutes: float, seed: int) -> None:
    """Exit code 0 when the memory stays under its limit and 99 pages of 100 come within half a second, 1 otherwise."""
    outcome = besiege(minutes * 60, seed)
    click.echo(outcome.describe())
    is_well = outcome.is_alive and not outcome.failures and outcome.memory < MEMORY_BYTES
    sys.exit(0 if is_well and outcome.slowest < PAGE_SECONDS else 1)


if __name__ == "__main__":
    main()
