"""`make run`: everything in one process, which is started, makes files, is stopped in the middle, killed, restarted."""

import hashlib
import http.client
import os
import pty
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from http.cookies import SimpleCookie
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from urllib.parse import urlencode

import pytest

from tests.parts.databases import SqliteFiles
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.town import CITY_TEMPLATE, LIBREVILLE_TEMPLATE, ROOT
from tests.parts.wait import wait_until

pytestmark = pytest.mark.slow

LISTES = "/communes/13900/listes"
READY = "SELECT file_name, sha256 FROM export WHERE status = 'ready' ORDER BY id"


class Desk:
    """A folder of data, the running process, and a clerk's browser without scripts."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.log = home / "run.log"
        self.process: Process | None = None
        self.opening = ""
        self._cookies: SimpleCookie = SimpleCookie()

    def start(self, stdin: int = subprocess.DEVNULL, /, **settings: str) -> Process:
        environment = {"PATH": os.environ["PATH"], "PREFECTURE_HOME": str(self.home)}
        environment |= {"PREFECTURE_WEB_PORT": str(self.port)} | settings
        command = [sys.executable, "-m", "worker.solo", "run"]
        self.process = Process(command, env=environment, folder=ROOT, log=self.log, stdin=stdin)
        return self.process

    def open(self, **settings: str) -> Process:
        """Start the process; return once the address is printed."""
        self.log.write_bytes(b"")
        process = self.start(**settings)
        opened = re.compile(rf"http://{LOOPBACK}:{self.port}(/ouvrir\?cle=\S+)")
        wait_until(lambda: opened.search(self.said()) or not process.alive, message=f"{opened.pattern}: {self.said()}")
        assert process.alive, self.said()
        (self.opening,) = opened.findall(self.said())
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
        headers = self.cookies()
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
    assert hashlib.sha256((desk.home / "exports" / "13900" / name).read_bytes()).hexdigest() == sha256
    ((number,),) = desk.rows("SELECT id FROM export")
    status, content = desk.ask("GET", f"/communes/13900/exports/{number}/fichier")
    assert (status, hashlib.sha256(content).hexdigest()) == (200, sha256)
    (mail,) = wait_until(lambda: list((desk.home / "mails").glob("*.eml")), message="the mail")
    assert f"http://{LOOPBACK}:{desk.port}/demandes/" in mail.read_text("utf-8").replace("=\n", "")
    sent = "SELECT 1 FROM notification WHERE sent_at IS NOT NULL"  # recorded once the mail is written
    wait_until(lambda: desk.rows(sent), message="the mail to be noted")
    messages = unescape(desk.ask("GET", "/communes/13900/envois")[1].decode())
    assert "gardé ici" in messages
    assert f"dans <code>{desk.home / 'mails'}</code>" in messages, "none has left"
    assert desk.end(SIGINT) == 0
    assert "Traceback" not in desk.said()

    desk.open()
    assert "LIBREVILLE est déjà importée" in desk.said()
    assert f"/exports/{number}/fichier".encode() in desk.ask("GET", "/communes/13900/exports")[1]


def test_who_is_before_it_opens_her_own_commune(desk: Desk) -> None:
    """Also after LIBREVILLE; « Saint-Victor » is the name of several communes; a wrong mail address is asked again."""
    desk.open()
    desk.end(SIGINT)
    desk.log.write_bytes(b"")
    master, terminal = pty.openpty()
    try:
        process = desk.start(terminal)
        os.write(master, b"2\nSaint-Victor\ncassis\n\nrien\nelections@cassis.example\n")
        opened = re.compile(rf"http://{LOOPBACK}:{desk.port}(/ouvrir\?cle=\S+)")
        wait_until(lambda: opened.search(desk.said()) or not process.alive, message="the address")
        said = desk.said()
    finally:
        os.close(terminal)
        os.close(master)
    assert "Plusieurs communes : donnez le code de la vôtre." in said
    assert "Cassis (13022)." in said
    assert "LIBREVILLE (démonstration)" in said
    assert "Ce n'est pas une adresse électronique" in said
    (address,) = opened.findall(said)
    assert desk.ask("GET", address)[0] == 303
    status, page = desk.ask("GET", "/communes/13022/taches")
    assert (status, "Aucun registre n'est importé" in unescape(page.decode())) == (200, True)
    assert ("mairie-13022", "elections@cassis.example") in desk.rows("SELECT name, email FROM agent")
    assert desk.end(SIGINT) == 0
    desk.open()
    assert "vous y êtes mairie-13022" in desk.said()
    assert "LIBREVILLE" not in desk.said()
    assert desk.end(SIGINT) == 0


def test_another_account_of_this_computer_reads_nothing(desk: Desk, sqlite_files: SqliteFiles) -> None:
    sqlite_files.create(desk.home / "prefecture.db", LIBREVILLE_TEMPLATE)
    desk.open()
    former, stranger = desk.opening, Desk(desk.home)
    stranger.port = desk.port
    for path in ("/", LISTES, "/communes/13900/suivi", "/ouvrir", "/ouvrir?cle=devinee"):
        status, page = stranger.ask("GET", path)
        assert (status, b"LIBREVILLE" in page) == (401, False), path
        assert "affiche à son démarrage" in page.decode(), path
    assert desk.end(SIGINT) == 0
    desk.open()
    assert stranger.ask("GET", former)[0] == 401
    assert stranger.ask("GET", desk.opening)[0] == 303


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
        ("UPDATE liste SET code_commune = '13055'; DELETE FROM agent", {}, "python -m worker.solo agents --add"),
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


@pytest.mark.parametrize("door", ["proxy", "oidc"])
def test_nobody_saves_or_replaces_everything_where_several_come(desk: Desk, door: str) -> None:
    """The page is for a computer with one user: else a clerk would get the lists of every commune."""
    given = {"PUBLIC_URL": f"http://{LOOPBACK}:{desk.port}", "WEB_SECRET": "s" * 40, "WEB_AUTH": door}
    if door == "proxy":
        given |= {"WEB_TRUSTED_PROXIES": LOOPBACK, "WEB_PROXY_SECRET": "p" * 40}
    else:
        given |= {"WEB_OIDC_ISSUER": "https://agents.example", "WEB_OIDC_CLIENT_ID": "module"}
        given |= {"WEB_OIDC_CLIENT_SECRET": "c" * 40}
    desk.log.write_bytes(b"")
    process = desk.start(**{f"PREFECTURE_{name}": value for name, value in given.items()})
    wait_until(lambda: "est ouvert" in desk.said() or not process.alive, message="the screen")
    assert process.alive, desk.said()
    known, unknown = (desk.ask("GET", f"/communes/13900/{page}")[0] for page in ("listes", "sauvegarde"))
    assert known in {303, 401}, "who asks is nobody yet, but the page is there"
    assert unknown == 404
