"""`make run`: everything in one process, which is started, makes files, is stopped in the middle, killed, restarted."""

import hashlib
import http.client
import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from urllib.parse import urlencode

import pytest

from tests.parts.browser import open_browser
from tests.parts.databases import SqliteFiles
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.town import CITY_TEMPLATE, LIBREVILLE_TEMPLATE, ROOT
from tests.parts.wait import wait_until
from worker.solo.run import _write_start, read_key

pytestmark = pytest.mark.slow

FIRST_FILE = (ROOT / "docs" / "producers.md").read_text("utf-8").split("```sh\n")[1].split("```")[0]

LISTES = "/communes/13900/listes"
READY = "SELECT file_name, sha256 FROM export WHERE status = 'ready' ORDER BY id"


class Desk:
    """A folder of data, the running process, and a clerk's browser without scripts."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.log = home / "run.log"
        self.process: Process | None = None
        self.host = self.opening = ""
        self._cookies: SimpleCookie = SimpleCookie()

    def start(self, **settings: str) -> Process:
        environment = {"PATH": os.environ["PATH"], "PREFECTURE_HOME": str(self.home)}
        environment |= {"PREFECTURE_WEB_PORT": str(self.port)} | settings
        command = [sys.executable, "-m", "worker.solo", "run"]
        self.process = Process(command, env=environment, folder=ROOT, log=self.log)
        return self.process

    def open(self, **settings: str) -> Process:
        """Start the process; return once the address is printed."""
        self.log.write_bytes(b"")
        process = self.start(**settings)
        opened = re.compile(
            rf"http://(prefecture-[0-9a-f]{{10}}\.localhost:{self.port})(/ouvrir\?cle=\S+)"
        )
        wait_until(
            lambda: opened.search(self.said()) or not process.alive,
            message=f"{opened.pattern}: {self.said()}",
        )
        assert process.alive, self.said()
        ((self.host, self.opening),) = opened.findall(self.said())
        assert self.ask("GET", self.opening)[0] == 303
        return process

    def said(self) -> str:
        return self.log.read_text("utf-8")

    def refused(self, **settings: str) -> tuple[int | None, str]:
        """Exit code and message of a refused start."""
        self.log.write_bytes(b"")
        process = self.start(**settings)
        wait_until(lambda: not process.alive, message="the end of the process")
        return process.exit_code, self.said()

    def ask(self, method: str, path: str, **fields: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        headers = self.cookies() | ({"Host": self.host} if self.host else {})
        if fields:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        with closing(connection):
            connection.request(method, path, urlencode(fields) if fields else None, headers)
            answer = connection.getresponse()
            for cookie in answer.headers.get_all("Set-Cookie") or ():
                self._cookies.load(cookie)
            return answer.status, answer.read()

    def cookies(self) -> dict[str, str]:
        """The cookie header of an earlier visitor."""
        return {"Cookie": "; ".join(f"{name}={it.value}" for name, it in self._cookies.items())}

    def press_the_button(self, format_: str) -> None:
        status, page = self.ask("GET", LISTES)
        assert status == 200
        hidden = dict(re.findall(rb'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        fields = {name.decode(): value.decode() for name, value in hidden.items()}
        assert self.ask("POST", LISTES, **fields, listes="P", format=format_)[0] == 303

    def rows(self, query: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(self.home / "prefecture.db")) as connection:
            return connection.execute(query).fetchall()

    def end(self, signal: Signals) -> int | None:
        assert self.process
        self.process.end(signal)
        return self.process.exit_code


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    if desk.process:
        desk.process.kill()


def test_it_opens_with_libreville_makes_a_file_and_gives_it(desk: Desk) -> None:
    desk.open()
    assert "LIBREVILLE" in desk.said()
    assert "mairie-libreville" in desk.said()
    status, page = desk.ask("GET", LISTES)
    assert (status, b"LIBREVILLE (13900)" in page) == (200, True)
    desk.press_the_button("csv")
    ((name, sha256),) = wait_until(lambda: desk.rows(READY), message="the file")
    assert (
        hashlib.sha256((desk.home / "exports" / "13900" / name).read_bytes()).hexdigest() == sha256
    )
    ((number,),) = desk.rows("SELECT id FROM export")
    status, content = desk.ask("GET", f"/communes/13900/exports/{number}/fichier")
    assert (status, hashlib.sha256(content).hexdigest()) == (200, sha256)
    downloaded = "SELECT 1 FROM export WHERE downloaded_at IS NOT NULL"
    wait_until(lambda: desk.rows(downloaded), message="the download to be noted")
    (mail,) = wait_until(lambda: list((desk.home / "mails").glob("*.eml")), message="the mail")
    assert f"http://{desk.host}/demandes/" in mail.read_text("utf-8").replace("=\n", "")
    sent = (
        "SELECT 1 FROM notification WHERE sent_at IS NOT NULL"  # recorded once the mail is written
    )
    wait_until(lambda: desk.rows(sent), message="the mail to be noted")
    messages = unescape(desk.ask("GET", "/communes/13900/envois")[1].decode())
    assert "gardé ici" in messages
    assert f"dans <code>{desk.home / 'mails'}</code>" in messages, "none has left"
    assert desk.end(SIGINT) == 0
    assert "Traceback" not in desk.said()

    desk.open()
    assert "LIBREVILLE est déjà importée" in desk.said()
    assert f"/exports/{number}/fichier".encode() in desk.ask("GET", "/communes/13900/exports")[1]


def test_an_added_agent_opens_their_own_commune_after_libreville(desk: Desk) -> None:
    desk.open()
    assert "Pour ouvrir votre commune" in desk.said()
    desk.end(SIGINT)
    agent = "--add", "mairie-cassis", "--commune", "13022", "--email", "elections@cassis.example"
    command = [sys.executable, "-m", "worker.solo", "agents", *agent]
    environment = {"PATH": os.environ["PATH"], "PREFECTURE_HOME": str(desk.home)}
    subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)
    desk.open()
    assert "vous y êtes mairie-cassis" in desk.said()
    assert "LIBREVILLE" not in desk.said()
    status, page = desk.ask("GET", "/communes/13022/taches")
    assert (status, "Aucun registre n'est importé" in unescape(page.decode())) == (200, True)
    assert desk.end(SIGINT) == 0


def test_another_account_of_this_computer_reads_nothing(
    desk: Desk, sqlite_files: SqliteFiles
) -> None:
    sqlite_files.create(desk.home / "prefecture.db", LIBREVILLE_TEMPLATE)
    desk.open()
    stranger = Desk(desk.home)
    stranger.port = desk.port
    for path in (
        "/",
        LISTES,
        "/communes/13900/suivi",
        "/ouvrir",
        "/ouvrir?cle=devinee",
        desk.opening,
    ):
        status, page = stranger.ask("GET", path)
        assert (status, b"LIBREVILLE" in page) == (401, False), path
        assert "affiche à son démarrage" in page.decode(), path
        assert desk.host.encode() not in page, "its name is not for others"
    assert (desk.home / "screen-key").stat().st_mode & 0o777 == 0o600
    assert read_key(desk.home) not in _write_start(
        desk.home, f"http://x/?cle={read_key(desk.home)}"
    )
    assert (desk.home / "screen.html").stat().st_mode & 0o777 == 0o600


def test_a_restart_keeps_the_session_and_a_bookmark(desk: Desk, sqlite_files: SqliteFiles) -> None:
    """Not if others could have read the key meanwhile: then it is another one."""
    sqlite_files.create(desk.home / "prefecture.db", LIBREVILLE_TEMPLATE)
    desk.open()
    former = desk.opening
    assert desk.end(SIGINT) == 0
    desk.open()
    assert desk.opening == former
    assert desk.ask("GET", LISTES)[0] == 200
    assert desk.end(SIGINT) == 0
    (desk.home / "screen-key").chmod(0o644)
    desk.open()
    assert desk.opening != former
    assert desk.ask("GET", former)[0] == 401


def test_to_receive_the_cookie_on_another_port_of_this_computer(desk: Desk) -> None:
    """Another account listens there, and the agent's browser opens it."""
    desk.open()
    received: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            received.append(str(self.headers["Cookie"]))
            self.send_response(200)
            self.end_headers()

    other = HTTPServer((LOOPBACK, 0), Listener)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    with open_browser() as browser, closing(other.socket):
        page = browser.new_context().new_page()
        page.goto(f"http://{desk.host}{desk.opening}")
        assert "LIBREVILLE" in page.content()
        for name in (LOOPBACK, "localhost", "prefecture.localhost"):
            page.goto(f"http://{name}:{other.server_port}/")
        other.shutdown()
    assert set(received) == {"None"}


def test_stopped_while_files_are_made_it_leaves_the_rest_for_the_next_start(
    desk: Desk, sqlite_files: SqliteFiles
) -> None:
    sqlite_files.create(desk.home / "prefecture.db", CITY_TEMPLATE)
    desk.open(PREFECTURE_WEB_AGENT="mairie-libreville")
    for _ in range(4):
        desk.press_the_button("xml")
    wait_until(lambda: list(desk.home.rglob("13900/.*.part")), message="a file being written")
    assert desk.end(SIGINT) == 0
    assert "Traceback" not in desk.said()
    states = {status for (status,) in desk.rows("SELECT status FROM export")}
    assert states <= {"ready", "queued"}
    assert "queued" in states

    desk.open()
    wait_until(lambda: len(desk.rows(READY)) == 4, message="all four files")
    assert desk.end(SIGTERM) == 0


def test_a_second_process_is_refused(desk: Desk, sqlite_files: SqliteFiles) -> None:
    sqlite_files.create(desk.home / "prefecture.db", LIBREVILLE_TEMPLATE)
    first = desk.open()
    code, said = desk.refused(PREFECTURE_WEB_PORT=str(free_port()))
    assert (code, first.alive) == (1, True)
    assert "Un autre processus utilise déjà" in said
    first.kill()


def test_a_port_that_is_taken_is_said(desk: Desk) -> None:
    with socket.create_server((LOOPBACK, desk.port)):
        code, said = desk.refused()
    assert code == 2
    assert f"http://{LOOPBACK}:{desk.port} : un autre programme occupe ce port" in said
    assert "PREFECTURE_WEB_PORT" in said


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (
            "INSERT INTO agent (name, code_commune, email) VALUES ('adjoint', '13900', ''), ('accueil', '13900', '')",
            {},
            "PREFECTURE_WEB_AGENT : accueil, adjoint",
        ),
        (
            "UPDATE agent SET name = 'etat-civil'",
            {"PREFECTURE_WEB_AGENT": "mairie"},
            "PREFECTURE_WEB_AGENT : etat-civil",
        ),
        (
            "UPDATE liste SET code_commune = '13055'; DELETE FROM agent",
            {},
            "python -m worker.solo agents --add",
        ),
    ],
)
def test_who_uses_the_computer_is_asked(
    desk: Desk, change: str, settings: dict[str, str], message: str, sqlite_files: SqliteFiles
) -> None:
    sqlite_files.create(desk.home / "prefecture.db", LIBREVILLE_TEMPLATE)
    with closing(sqlite3.connect(desk.home / "prefecture.db")) as connection:
        connection.executescript(change)
    code, said = desk.refused(**settings)
    assert code == 2
    assert message in said
    assert "Traceback" not in said


def test_the_first_page_for_producers_brings_a_file(desk: Desk, tmp_path: Path) -> None:
    """Its commands run as they are written, but for the Python and the port of this test."""
    desk.open()
    commands = FIRST_FILE.replace(".venv/bin/python", sys.executable).replace(
        ":8000", f":{desk.port}"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PREFECTURE_HOME": str(desk.home),
        "PYTHONPATH": str(ROOT),
    }
    run = ["sh", "-eu", "-c", commands]
    done = subprocess.run(
        run, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    ((_, sha256),) = desk.rows(READY)
    assert hashlib.sha256((tmp_path / "liste.csv").read_bytes()).hexdigest() == sha256
    assert done.stdout.endswith("liste.csv: OK\n")
