"""The screen as a process, behind a real Caddy with the file of `deploy/proxy`, and agents who log in at a provider."""

import os
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from tests.parts.certificates import Authority
from tests.parts.databases import SqliteFiles
from tests.parts.packages import CADDY, require
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.town import ROOT
from tests.parts.wait import wait_until
from tests.web.oidc_browser import CLIENT_ID, log_in, open_mock
from tests.web.security_desk import CLERK_EMAIL, HOST, LIBREVILLE, PUBLIC, SCREEN_TEMPLATE, SECRET, write_files

HOME = f"/communes/{LIBREVILLE}/listes"
CLERK_FORM = {"sub": CLERK_EMAIL}
CADDYFILE = ROOT / "deploy" / "proxy" / "Caddyfile"
LOGINS = 60
"""A minute, of one address."""


class Deployed(NamedTuple):
    """Where Caddy and the screen listen, and whom Caddy's clients trust."""

    proxy_port: int
    screen_port: int
    authority: Path

    def client(self, **options: Any) -> httpx2.Client:  # noqa: ANN401 — of httpx2
        """A browser at the public address, which leads to this computer."""
        context = ssl.create_default_context(cafile=str(self.authority))
        place = f"https://localhost:{self.proxy_port}"
        return httpx2.Client(base_url=place, verify=context, headers={"Host": HOST}, timeout=60, **options)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[Deployed]:
    require(CADDY)
    folder = tmp_path_factory.mktemp("caddy")
    write_files(folder / "exports")
    authority = Authority(folder, "authority")
    deployed = Deployed(free_port(), free_port(), authority.root)
    with open_mock(folder) as issuer:
        environment = {
            "PATH": os.environ["PATH"],
            "PREFECTURE_STATE_URL": sqlite_files.create(folder / "screen.sqlite3", SCREEN_TEMPLATE),
            "PREFECTURE_AMQP_URL": f"amqp://nobody:nothing@{LOOPBACK}:1/",
            "PREFECTURE_EXPORTS_DIR": str(folder / "exports"),
            "PREFECTURE_HOME": str(folder),
            "PREFECTURE_PUBLIC_URL": PUBLIC,
            "PREFECTURE_WEB_AUTH": "oidc",
            "PREFECTURE_WEB_SECRET": SECRET,
            "PREFECTURE_WEB_OIDC_ISSUER": issuer,
            "PREFECTURE_WEB_OIDC_UNVERIFIED": issuer,
            "PREFECTURE_WEB_OIDC_CLIENT_ID": CLIENT_ID,
            "PREFECTURE_WEB_OIDC_CLIENT_SECRET": "client-secret",
            "PREFECTURE_WEB_TRUSTED_PROXIES": f"{LOOPBACK}/32",
            "PREFECTURE_WEB_PORT": str(deployed.screen_port),
        }
        log = folder / "screen.log"
        screen = Process([sys.executable, "-m", "producers", "web"], env=environment, folder=ROOT, log=log)
        caddy = Process(
            [
                CADDY.program("caddy"),
                "run",
                "--adapter",
                "caddyfile",
                "--config",
                _write_conf(folder, deployed, authority),
            ],
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            folder=folder,
            log=folder / "caddy.log",
        )
        try:
            wait_until(lambda: _answers(deployed) or not (screen.alive and caddy.alive), message="the proxy")
            assert screen.alive, log.read_text()
            assert caddy.alive, (folder / "caddy.log").read_text()
            yield deployed
        finally:
            caddy.kill()
            screen.kill()


def _answers(deployed: Deployed) -> bool:
    with suppress(httpx2.TransportError), deployed.client() as client:
        return client.get("/sante").status_code == 200
    return False


def _write_conf(folder: Path, deployed: Deployed, authority: Authority) -> Path:
    """Our file with this test's places and certificate; each must be there to be replaced."""
    certificate = authority.sign("localhost")
    site = CADDYFILE.read_text("utf-8")
    own = f"tls {certificate.chain} {certificate.key}\n\tbind {LOOPBACK}"
    for there, here in {
        f"{HOST} {{": f"https://:{deployed.proxy_port} {{\n\t{own}",
        "reverse_proxy 127.0.0.1:8000 {": f"reverse_proxy {LOOPBACK}:{deployed.screen_port} {{",
    }.items():
        assert site.count(there) == 1, there
        site = site.replace(there, here)
    conf = folder / "Caddyfile"
    conf.write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{site}")
    return conf


@pytest.fixture
def agent(deployed: Deployed) -> Iterator[httpx2.Client]:
    """The clerk's browser, once she has logged in."""
    with deployed.client() as client:
        assert log_in(client, CLERK_FORM).status_code == 303  # type: ignore[arg-type]  # a browser as well
        yield client


@pytest.mark.slow
def test_an_agent_logs_in_through_caddy(agent: httpx2.Client) -> None:
    page = agent.get(HOME)
    assert page.status_code == 200
    assert page.headers["strict-transport-security"]
    assert "uvicorn" not in page.headers.get("server", "")


@pytest.mark.slow
def test_events_pass_at_once_through_caddy(agent: httpx2.Client) -> None:
    with agent.stream("GET", f"/communes/{LIBREVILLE}/flux") as stream:
        assert stream.status_code == 200
        first = next(line for line in stream.iter_lines() if line.startswith("data:"))
    assert first


def test_what_a_browser_writes_is_not_believed_through_caddy(deployed: Deployed) -> None:
    forged = {"X-Remote-User": CLERK_EMAIL, "X-Prefecture-Secret": SECRET, "X-Forwarded-Host": "evil.example"}
    forged |= {"Forwarded": "for=127.0.0.1", "X-Real-IP": "127.0.0.1", "X-Forwarded-Proto": "http"}
    with deployed.client() as client:
        answer = client.get(HOME, headers=forged)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/connexion")


def test_a_file_that_is_too_large_is_refused_through_caddy(deployed: Deployed, agent: httpx2.Client) -> None:
    context = ssl.create_default_context(cafile=str(deployed.authority))
    connection = HTTPSConnection("localhost", deployed.proxy_port, timeout=60, context=context)
    connection.putrequest("POST", f"/communes/{LIBREVILLE}/verifier", skip_host=True)
    connection.putheader("Host", HOST)
    connection.putheader("Cookie", "; ".join(f"{name}={value}" for name, value in agent.cookies.items()))
    connection.putheader("Origin", PUBLIC)
    connection.putheader("Content-Length", str(600 << 20))
    connection.endheaders()
    with closing(connection):
        # Caddy hands the answer on between two pieces of the body: whoever sends one has more to send, and does.
        connection.sock.settimeout(0.3)
        answer = wait_until(lambda: _send_a_piece(connection.sock), message="the answer")
    assert answer.startswith(b"HTTP/1.1 413 ")


def _send_a_piece(sock: socket.socket) -> bytes:
    """Send a piece of the body; the beginning of the answer, once it is there."""
    sock.sendall(b"x" * 8_192)
    with suppress(TimeoutError):
        return sock.recv(4_096)
    return b""


@pytest.mark.slow
def test_guesses_through_caddy_are_counted_by_the_screen_whatever_address_they_claim(deployed: Deployed) -> None:
    """Caddy of Debian counts nothing: there is no password to be guessed, and the screen lets 60 logins begin."""
    with deployed.client() as client:
        codes = [
            client.get("/connexion", headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code
            for number in range(LOGINS + 10)
        ]
    assert codes[-1] == 429
    assert codes.count(429) >= 10
