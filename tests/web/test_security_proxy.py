"""The screen as a process, behind a real nginx and a real Caddy with the files of `deploy/proxy`."""

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http.client import HTTPSConnection
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from tests.parts.certificates import Authority
from tests.parts.databases import SqliteFiles
from tests.parts.packages import CADDY, NGINX, Part, require
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.town import ROOT
from tests.parts.wait import wait_until
from tests.web.oidc_browser import log_in, open_mock, provider_variables
from tests.web.security_desk import (
    CLERK,
    CLERK_EMAIL,
    GRANDVILLE,
    HOST,
    LIBREVILLE,
    NEIGHBOUR,
    PUBLIC,
    SECRET,
)
from tests.web.site import screen_environment, start_screen

PASSWORD = "invented"
HOME = f"/communes/{LIBREVILLE}/listes"
TOO_LARGE = 600 << 20
LOGINS = 60
"""Requests a minute, of one address."""


class Deployed(NamedTuple):
    """The addresses of the proxy and the screen, and the settings of the proxy's clients."""

    proxy_port: int
    screen_port: int
    authority: Path
    environment: Mapping[str, str]
    log: Path
    agent: str = ""
    """The user and password for the proxy, unless a test gives others."""

    def client(
        self, agent: str | None = None, *, local_address: str | None = None
    ) -> httpx2.Client:
        """A client at the public address, which resolves to this computer."""
        name = self.agent if agent is None else agent
        verify = ssl.create_default_context(cafile=str(self.authority))
        return httpx2.Client(
            base_url=f"https://localhost:{self.proxy_port}",
            transport=httpx2.HTTPTransport(verify=verify, local_address=local_address),
            auth=(name, PASSWORD) if name else None,
            headers={"Host": HOST},
            timeout=60,
        )

    def announce_large_file(self, **headers: str) -> HTTPSConnection:
        """Send the headers of a form with a file that is too large."""
        context = ssl.create_default_context(cafile=str(self.authority))
        connection = HTTPSConnection("localhost", self.proxy_port, timeout=60, context=context)
        connection.putrequest("POST", f"/communes/{LIBREVILLE}/verifier", skip_host=True)
        for name, value in {"Host": HOST, "Content-Length": str(TOO_LARGE), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection


WriteConf = Callable[[Path, Deployed, Authority], list[str]]


@contextmanager
def _open_proxy(
    folder: Path, environment: dict[str, str], part: Part, write_conf: WriteConf, agent: str = ""
) -> Iterator[Deployed]:
    """Start a proxy before the screen's port; `write_conf` returns the arguments of the proxy's program."""
    require(part)
    authority = Authority(folder, "authority")
    port = int(environment.get("PREFECTURE_WEB_PORT") or free_port())
    deployed = Deployed(
        free_port(), port, authority.root, environment, folder / "screen.log", agent
    )
    command: list[str | Path] = [
        part.program(part.programs[0]),
        *write_conf(folder, deployed, authority),
    ]
    log = folder / "proxy.log"
    proxy = Process(
        command, env={"PATH": os.environ["PATH"], "HOME": str(folder)}, folder=folder, log=log
    )
    try:
        wait_until(lambda: _answers(deployed) or not proxy.alive, message="the proxy")
        assert proxy.alive, log.read_text()
        yield deployed
    finally:
        proxy.kill()


@contextmanager
def _deploy(
    folder: Path, environment: dict[str, str], part: Part, write_conf: WriteConf, agent: str = ""
) -> Iterator[Deployed]:
    """Start the screen, and a proxy before it."""
    screen = start_screen(environment, folder / "screen.log")
    try:
        with _open_proxy(folder, environment, part, write_conf, agent) as deployed:
            yield deployed
    finally:
        screen.kill()


def _answers(deployed: Deployed) -> bool:
    with suppress(httpx2.TransportError), deployed.client() as client:
        return client.get("/sante").status_code > 0
    return False


def _fill(name: str, places: Mapping[str, str]) -> str:
    """A file of `deploy/proxy` with a test's values; each placeholder must exist."""
    content = (ROOT / "deploy" / "proxy" / name).read_text("utf-8")
    for there, here in places.items():
        assert content.count(there) == 1, there
        content = content.replace(there, here)
    return content


@pytest.fixture(scope="module")
def deployed(
    tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles
) -> Iterator[Deployed]:
    """Behind nginx, which asks for passwords."""
    folder = tmp_path_factory.mktemp("nginx")
    environment = screen_environment(folder, sqlite_files, PUBLIC) | {
        "PREFECTURE_WEB_AUTH": "proxy",
        "PREFECTURE_WEB_TRUSTED_PROXIES": f"{LOOPBACK}/32",
        "PREFECTURE_WEB_PROXY_SECRET": SECRET,
    }
    with _deploy(folder, environment, NGINX, _write_nginx, CLERK) as deployed:
        yield deployed


def _write_nginx(folder: Path, deployed: Deployed, authority: Authority) -> list[str]:
    certificate = authority.sign("localhost")
    passwords = folder / "passwords"
    passwords.write_text("".join(f"{agent}:{{PLAIN}}{PASSWORD}\n" for agent in (CLERK, NEIGHBOUR)))
    (folder / "prefecture-secret.conf").write_text(
        f'proxy_set_header X-Prefecture-Secret "{SECRET}";\n'
    )
    server = _fill(
        "nginx.conf",
        {
            "listen 80;": f"listen {LOOPBACK}:{free_port()};",
            "listen 443 ssl;": f"listen {LOOPBACK}:{deployed.proxy_port} ssl;",
            "/etc/ssl/prefecture/fullchain.pem": str(certificate.chain),
            "/etc/ssl/prefecture/privkey.pem": str(certificate.key),
            "/etc/nginx/prefecture.htpasswd": str(passwords),
            "/etc/nginx/prefecture-secret": str(folder / "prefecture-secret"),
            "server 127.0.0.1:8000;": f"server {LOOPBACK}:{deployed.screen_port};",
        },
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    conf = folder / "nginx.conf"
    conf.write_text(
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{ }}\n"
        f"http {{\n{places}{server}}}\n"
    )
    return ["-c", str(conf)]


@pytest.fixture(scope="module")
def caddy(
    tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles
) -> Iterator[Deployed]:
    """Behind Caddy; agents log in at a provider."""
    folder = tmp_path_factory.mktemp("caddy")
    with open_mock(folder) as issuer:
        environment = screen_environment(folder, sqlite_files, PUBLIC) | provider_variables(issuer)
        environment["PREFECTURE_WEB_TRUSTED_PROXIES"] = f"{LOOPBACK}/32"
        with _deploy(folder, environment, CADDY, _write_caddyfile) as deployed:
            yield deployed


def _write_caddyfile(folder: Path, deployed: Deployed, authority: Authority) -> list[str]:
    certificate = authority.sign("localhost")
    own = f"tls {certificate.chain} {certificate.key}\n\tbind {LOOPBACK}"
    site = _fill(
        "Caddyfile",
        {
            f"{HOST} {{": f"https://:{deployed.proxy_port} {{\n\t{own}",
            "reverse_proxy 127.0.0.1:8000 {": f"reverse_proxy {LOOPBACK}:{deployed.screen_port} {{",
        },
    )
    conf = folder / "Caddyfile"
    conf.write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{site}")
    return ["run", "--adapter", "caddyfile", "--config", str(conf)]


@pytest.fixture
def logged_in(caddy: Deployed) -> Iterator[httpx2.Client]:
    """The clerk's client behind Caddy, after the login."""
    with caddy.client() as client:
        assert log_in(client, {"sub": CLERK_EMAIL}).status_code == 303  # type: ignore[arg-type]  # a browser as well
        yield client


@pytest.mark.slow
def test_an_agent_comes_through_nginx(deployed: Deployed) -> None:
    with deployed.client() as client:
        page = client.get(HOME)
    assert page.status_code == 200
    assert CLERK in page.text
    assert page.headers["strict-transport-security"]
    assert page.headers["set-cookie"].startswith("__Host-prefecture=")
    assert "uvicorn" not in page.headers.get("server", "")


@pytest.mark.slow
def test_an_agent_logs_in_through_caddy(logged_in: httpx2.Client) -> None:
    page = logged_in.get(HOME)
    assert page.status_code == 200
    assert page.headers["strict-transport-security"]
    assert "uvicorn" not in page.headers.get("server", "")


def test_without_a_password_nobody_comes(deployed: Deployed) -> None:
    with deployed.client(agent="") as client:
        assert client.get(HOME).status_code == 401
        assert client.get(HOME, auth=(CLERK, "wrong")).status_code == 401


FORGED = {"X-Remote-User": CLERK, "X-Prefecture-Secret": "x", "X-Forwarded-Host": "evil.example"}
FORGED |= {"X_Remote_User": CLERK, "Forwarded": "for=127.0.0.1", "X-Forwarded-Proto": "http"}


def test_what_the_browser_writes_is_replaced_by_nginx(deployed: Deployed) -> None:
    with deployed.client(NEIGHBOUR) as client:
        assert client.get(HOME, headers=FORGED).status_code == 404
        answer = client.get("/", headers=FORGED)
    assert answer.headers["location"] == f"/communes/{GRANDVILLE}/taches"


def test_what_a_browser_writes_is_not_believed_through_caddy(caddy: Deployed) -> None:
    forged = FORGED | {
        "X-Remote-User": CLERK_EMAIL,
        "X-Prefecture-Secret": SECRET,
        "X-Real-IP": "127.0.0.1",
    }
    with caddy.client() as client:
        answer = client.get(HOME, headers=forged)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/connexion")


def test_beside_the_proxy_nobody_is_believed(deployed: Deployed) -> None:
    """Another program of this computer has the proxy's address, and not its secret."""
    screen = f"http://{LOOPBACK}:{deployed.screen_port}"
    assert (
        httpx2.get(f"{screen}{HOME}", headers={"Host": HOST, "X-Remote-User": CLERK}).status_code
        == 403
    )
    assert httpx2.get(f"{screen}{HOME}").status_code == 400
    bare = httpx2.get(f"{screen}/sante")
    assert bare.status_code == 200
    assert "server" not in bare.headers


def test_a_form_goes_through(deployed: Deployed) -> None:
    with deployed.client() as client:
        token = client.get(HOME).text.partition('name="jeton" value="')[2].partition('"')[0]
        ours = client.post(HOME, data={"jeton": token}, headers={"Origin": PUBLIC})
        foreign = client.post(
            HOME, data={"jeton": token}, headers={"Origin": "https://evil.example"}
        )
    assert ours.status_code not in {400, 401, 403, 404, 405}
    assert foreign.status_code == 403


def test_a_file_that_is_too_large_is_refused_by_nginx_before_it_is_sent(deployed: Deployed) -> None:
    with closing(deployed.announce_large_file()) as connection:
        assert connection.getresponse().status == 413


def test_a_file_that_is_too_large_is_refused_through_caddy(
    caddy: Deployed, logged_in: httpx2.Client
) -> None:
    cookies = "; ".join(f"{name}={value}" for name, value in logged_in.cookies.items())
    with closing(caddy.announce_large_file(Cookie=cookies, Origin=PUBLIC)) as connection:
        # Caddy forwards the response between two pieces of the body, so the client must have another piece to send.
        connection.sock.settimeout(0.3)
        answer = wait_until(lambda: _send_a_piece(connection.sock), message="the answer")
    assert answer.startswith(b"HTTP/1.1 413 ")


def _send_a_piece(sock: socket.socket) -> bytes:
    """Send a piece of the body; the beginning of the response, if there is one."""
    sock.sendall(b"x" * 8_192)
    with suppress(TimeoutError):
        return sock.recv(4_096)
    return b""


@pytest.mark.slow
def test_guesses_through_caddy_are_counted_by_the_screen_whatever_address_they_claim(
    caddy: Deployed,
) -> None:
    """Debian's Caddy has no rate limit: there is no password to guess, and the screen allows 60 started logins."""
    with caddy.client() as client:
        codes = [
            client.get("/connexion", headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code
            for number in range(LOGINS + 10)
        ]
    assert codes[-1] == 429
    assert codes.count(429) >= 10


def test_the_log_has_a_line_a_request_and_no_question_mark(deployed: Deployed) -> None:
    with deployed.client() as client:
        client.get(HOME, params={"nom": "INVENTE-MARTINVAST"})
    text = deployed.log.read_text()
    assert '"event": "request"' in text
    assert "MARTINVAST" not in text
    assert [line for line in text.splitlines() if not line.startswith("{")] == []


def test_the_health_of_the_process(deployed: Deployed) -> None:
    environment = dict(deployed.environment)
    asked = _check(environment, deployed.log.with_name("check.log"))
    assert asked == (0, True)
    environment["PREFECTURE_WEB_PORT"] = str(free_port())
    assert _check(environment, deployed.log.with_name("check-away.log")) == (1, False)


def _check(environment: Mapping[str, str], log: Path) -> tuple[int | None, bool]:
    process = Process(["bash", "common/healthy.sh", "web"], env=environment, folder=ROOT, log=log)
    wait_until(lambda: not process.alive, message="the answer")
    return process.exit_code, '"base":true' in log.read_text().replace(" ", "")


@pytest.mark.slow
@pytest.mark.parametrize(("part", "write_conf"), [(NGINX, _write_nginx), (CADDY, _write_caddyfile)])
def test_a_page_that_reloads_stands_for_a_screen_that_is_away(
    part: Part, write_conf: WriteConf, tmp_path: Path
) -> None:
    with (
        _open_proxy(tmp_path, {}, part, write_conf, CLERK) as deployed,
        deployed.client() as client,
    ):
        page = client.get(HOME)
    assert (page.status_code, page.headers["refresh"]) == (503, "5")
    assert "mis à jour. Cette page se recharge seule." in page.text
