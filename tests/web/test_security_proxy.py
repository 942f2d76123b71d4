"""The screen as a process, behind a real nginx with the file of `deploy/proxy`."""

import os
import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from tests.parts.certificates import Authority
from tests.parts.databases import SqliteFiles
from tests.parts.packages import NGINX, require
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.town import ROOT
from tests.parts.wait import wait_until
from tests.web.security_desk import CLERK, GRANDVILLE, LIBREVILLE, NEIGHBOUR, SCREEN_TEMPLATE, SECRET, write_files

HOST = "prefecture.mairie.example"
PASSWORD = "invented"
HOME = f"/communes/{LIBREVILLE}/listes"
CONF = ROOT / "deploy" / "proxy" / "nginx.conf"


class Deployed(NamedTuple):
    """Where the proxy and the screen listen, and what the clients of the first need."""

    proxy_port: int
    screen_port: int
    authority: Path
    environment: Mapping[str, str]
    log: Path

    def client(self, agent: str = CLERK, **options: Any) -> httpx2.Client:  # noqa: ANN401 — of httpx2
        """A browser at the public address, which leads to this computer."""
        context = ssl.create_default_context(cafile=str(self.authority))
        return httpx2.Client(
            base_url=f"https://localhost:{self.proxy_port}",
            verify=context,
            auth=(agent, PASSWORD) if agent else None,
            headers={"Host": HOST},
            timeout=60,
            **options,
        )


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[Deployed]:
    require(NGINX)
    folder = tmp_path_factory.mktemp("proxy")
    write_files(folder / "exports")
    environment = {
        "PATH": os.environ["PATH"],
        "PREFECTURE_STATE_URL": sqlite_files.create(folder / "screen.sqlite3", SCREEN_TEMPLATE),
        "PREFECTURE_AMQP_URL": f"amqp://nobody:nothing@{LOOPBACK}:1/",
        "PREFECTURE_EXPORTS_DIR": str(folder / "exports"),
        "PREFECTURE_HOME": str(folder),
        "PREFECTURE_PUBLIC_URL": f"https://{HOST}",
        "PREFECTURE_WEB_AUTH": "proxy",
        "PREFECTURE_WEB_TRUSTED_PROXIES": f"{LOOPBACK}/32",
        "PREFECTURE_WEB_PROXY_SECRET": SECRET,
        "PREFECTURE_WEB_PORT": str(free_port()),
    }
    authority = Authority(folder, "authority")
    deployed = Deployed(
        free_port(), int(environment["PREFECTURE_WEB_PORT"]), authority.root, environment, folder / "screen.log"
    )
    command = [sys.executable, "-m", "producers", "web"]
    screen = Process(command, env=environment, folder=ROOT, log=deployed.log)
    conf = _write_conf(folder, deployed, authority)
    nginx = Process([NGINX.program("nginx"), "-c", conf], env=environment, folder=folder, log=folder / "nginx.log")
    try:
        wait_until(lambda: _answers(deployed) or not (screen.alive and nginx.alive), message="the proxy")
        assert screen.alive, deployed.log.read_text()
        assert nginx.alive, (folder / "nginx.log").read_text()
        yield deployed
    finally:
        nginx.kill()
        screen.kill()


def _answers(deployed: Deployed) -> bool:
    with suppress(httpx2.TransportError), deployed.client() as client:
        return client.get("/sante").status_code == 200
    return False


def _write_conf(folder: Path, deployed: Deployed, authority: Authority) -> Path:
    """Our file with this test's places; each must be there to be replaced."""
    certificate = authority.sign("localhost")
    passwords = folder / "passwords"
    passwords.write_text("".join(f"{agent}:{{PLAIN}}{PASSWORD}\n" for agent in (CLERK, NEIGHBOUR)))
    (folder / "prefecture-secret.conf").write_text(f'proxy_set_header X-Prefecture-Secret "{SECRET}";\n')
    server = CONF.read_text("utf-8")
    for there, here in {
        "listen 80;": f"listen {LOOPBACK}:{free_port()};",
        "listen 443 ssl;": f"listen {LOOPBACK}:{deployed.proxy_port} ssl;",
        "/etc/ssl/prefecture/fullchain.pem": str(certificate.chain),
        "/etc/ssl/prefecture/privkey.pem": str(certificate.key),
        "/etc/nginx/prefecture.htpasswd": str(passwords),
        "/etc/nginx/prefecture-secret": str(folder / "prefecture-secret"),
        "server 127.0.0.1:8000;": f"server {LOOPBACK}:{deployed.screen_port};",
    }.items():
        assert server.count(there) == 1, there
        server = server.replace(there, here)
    conf = folder / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf.write_text(
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{ }}\n"
        f"http {{\n{places}{server}}}\n"
    )
    return conf


@pytest.mark.slow
def test_an_agent_comes_through_the_proxy(deployed: Deployed) -> None:
    with deployed.client() as client:
        page = client.get(HOME)
    assert page.status_code == 200
    assert CLERK in page.text
    assert page.headers["strict-transport-security"]
    assert page.headers["set-cookie"].startswith("__Host-prefecture=")
    assert "uvicorn" not in page.headers.get("server", "")


def test_without_a_password_nobody_comes(deployed: Deployed) -> None:
    with deployed.client(agent="") as client:
        assert client.get(HOME).status_code == 401
        assert client.get(HOME, auth=(CLERK, "wrong")).status_code == 401


def test_what_the_browser_writes_is_replaced(deployed: Deployed) -> None:
    forged = {"X-Remote-User": CLERK, "X-Prefecture-Secret": "x", "X-Forwarded-Host": "evil.example"}
    forged |= {"X_Remote_User": CLERK, "Forwarded": "for=127.0.0.1", "X-Forwarded-Proto": "http"}
    with deployed.client(NEIGHBOUR) as client:
        assert client.get(HOME, headers=forged).status_code == 404
        answer = client.get("/", headers=forged)
    assert answer.headers["location"] == f"/communes/{GRANDVILLE}/taches"


def test_beside_the_proxy_nobody_is_believed(deployed: Deployed) -> None:
    """Another program of this computer has the proxy's address, and not its secret."""
    screen = f"http://{LOOPBACK}:{deployed.screen_port}"
    assert httpx2.get(f"{screen}{HOME}", headers={"Host": HOST, "X-Remote-User": CLERK}).status_code == 403
    assert httpx2.get(f"{screen}{HOME}").status_code == 400
    bare = httpx2.get(f"{screen}/sante")
    assert bare.status_code == 200
    assert "server" not in bare.headers


def test_a_form_goes_through(deployed: Deployed) -> None:
    with deployed.client() as client:
        token = client.get(HOME).text.partition('name="jeton" value="')[2].partition('"')[0]
        ours = client.post(HOME, data={"jeton": token}, headers={"Origin": f"https://{HOST}"})
        foreign = client.post(HOME, data={"jeton": token}, headers={"Origin": "https://evil.example"})
    assert ours.status_code not in {400, 401, 403, 404, 405}
    assert foreign.status_code == 403


def test_events_pass_at_once(deployed: Deployed) -> None:
    with deployed.client() as client, client.stream("GET", f"/communes/{LIBREVILLE}/flux") as stream:
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        first = next(line for line in stream.iter_lines() if line.startswith("data:"))
    assert first


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(deployed: Deployed) -> None:
    context = ssl.create_default_context(cafile=str(deployed.authority))
    connection = HTTPSConnection("localhost", deployed.proxy_port, timeout=60, context=context)
    connection.putrequest("POST", f"/communes/{LIBREVILLE}/verifier", skip_host=True)
    connection.putheader("Host", HOST)
    connection.putheader("Content-Length", str(600 << 20))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


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
    process = Process([sys.executable, "-m", "producers", "web", "--check"], env=environment, folder=ROOT, log=log)
    wait_until(lambda: not process.alive, message="the answer")
    return process.exit_code, '"base":true' in log.read_text().replace(" ", "")
