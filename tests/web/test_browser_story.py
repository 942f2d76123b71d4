"""The whole story in a real browser, on a whole installation that is empty when it begins.

By mouse in `make test`; by keyboard, without scripts, in Firefox and in the embedded mode each night.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from common.calendrier import jour_a_paris, now
from tests.integration.test_solo_run import Desk
from tests.parts.browser import PROXY_SECRET, Visitor
from tests.parts.deployment import Deployment
from tests.parts.firefox import Firefox
from tests.parts.mail import Mailbox
from tests.parts.packages import NGINX, require
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.town import ROOT
from tests.web.hands import Fox, Keys, Mouse
from tests.web.site import Site
from tests.web.story import Days, Story, write_downloads
from worker.access.models import Agent
from worker.db.engine import build_engine
from worker.registre.communes import add_commune

COMMUNES = {
    "mouse": ("13911", "CLAIRVAL"),
    "keyboard": ("13912", "BELVAL"),
    "no-scripts": ("13913", "HAUTVAL"),
    "Firefox": ("13914", "ROSEVAL"),
    "one computer": ("13915", "SOLVAL"),
}
"""For each variant, codes that no commune has."""
HANDS: dict[str, Callable[[Page, Path], Mouse]] = {
    "mouse": Mouse,
    "keyboard": Keys,
    "no-scripts": partial(Mouse, is_live=False),
}

_NGINX = """
{user}
daemon off;
error_log stderr;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxied;
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 513m;
        location / {{
            proxy_pass {behind};
            proxy_buffering off;
            proxy_set_header Host $http_host;
            proxy_set_header Origin {behind};
            proxy_set_header X-Remote-User {agent};
            proxy_set_header X-Prefecture-Secret {secret};
        }}
    }}
}}
"""


@pytest.fixture(scope="module")
def empty_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation without any import."""
    mailbox = Mailbox()
    mailbox.start()
    with Deployment(tmp_path_factory.mktemp("empty-deployment")) as deployment:
        site = Site(deployment, tmp_path_factory.mktemp("empty-site"), mailbox, is_empty=True)
        yield site
        site.close()
    mailbox.stop()


def _let_in(site: Site, commune: str, nom: str) -> str:
    """Add a new commune and its agent."""
    name = f"mairie-{nom.lower()}"
    with Session(site.town.engine) as session, session.begin():
        add_commune(session.connection(), commune, nom)
        session.merge(Agent(name=name, code_commune=commune, email=f"elections@{nom.lower()}.example"))
    return name


@pytest.mark.parametrize(
    "way",
    [
        "mouse",
        pytest.param("keyboard", marks=pytest.mark.slow),
        pytest.param("no-scripts", marks=pytest.mark.slow),
    ],
)
def test_from_the_export_that_she_holds_to_the_certificate_to_sign(
    way: str, browser: Browser, empty_site: Site, tmp_path: Path
) -> None:
    commune, nom = COMMUNES[way]
    town, agent = empty_site.town, _let_in(empty_site, commune, nom)
    visitor = Visitor(browser, empty_site.url, agent, java_script_enabled=way != "no-scripts")
    hand = HANDS[way](visitor.page, tmp_path)
    downloads, days = write_downloads(tmp_path, commune, nom), Days.around(empty_site.today)
    Story(hand, town.rows, town.arrivals, commune, days, downloads).play()
    visitor.close()


@pytest.mark.slow
def test_the_same_in_firefox(empty_site: Site, tmp_path: Path) -> None:
    commune, nom = COMMUNES["Firefox"]
    agent, town, port = _let_in(empty_site, commune, nom), empty_site.town, free_port()
    downloads, days = write_downloads(tmp_path, commune, nom), Days.around(empty_site.today)
    taken = tmp_path / "taken"
    taken.mkdir()
    with _proxy(tmp_path, port, empty_site.url, agent), Firefox(tmp_path / "firefox", taken) as browser:
        hand = Fox(browser, f"http://{LOOPBACK}:{port}")
        Story(hand, town.rows, town.arrivals, commune, days, downloads).play()


@contextmanager
def _proxy(folder: Path, port: int, behind: str, agent: str) -> Iterator[None]:
    """A proxy that adds the agent's name, at another address than the public one: Firefox cannot add a header."""
    require(NGINX)
    conf = folder / "nginx.conf"
    said = {"folder": folder, "port": port, "behind": behind, "agent": agent, "secret": PROXY_SECRET}
    conf.write_text(_NGINX.format(user="user root;" if os.geteuid() == 0 else "", **said), "utf-8")
    environment = {"PATH": os.environ["PATH"]}
    command: list[str | Path] = [NGINX.program("nginx"), "-c", conf]
    nginx = Process(command, env=environment, folder=folder, log=folder / "nginx.log")
    try:
        yield
    finally:
        nginx.kill()


@pytest.mark.slow
def test_the_same_on_one_computer(browser: Browser, tmp_path: Path) -> None:
    """`make run` in an empty folder: one process, SQLite, no broker."""
    commune, nom = COMMUNES["one computer"]
    home = tmp_path / "home"
    home.mkdir()
    agent = f"mairie-{nom.lower()}"
    for command in (
        ("communes", "--add", commune, nom),
        ("agents", "--add", agent, "--commune", commune, "--email", f"elections@{nom.lower()}.example"),
    ):
        environment = {"PATH": os.environ["PATH"], "PREFECTURE_HOME": str(home)}
        subprocess.run([sys.executable, "-m", "worker.solo", *command], env=environment, cwd=ROOT, check=True)
    desk, engine = Desk(home), build_engine(f"sqlite:///{home / 'prefecture.db'}")
    process = desk.open()
    try:
        visitor = Visitor(browser, f"http://{LOOPBACK}:{desk.port}")
        visitor.page.goto(desk.opening)

        def rows(query: str, **parameters: object) -> Sequence[RowMapping]:
            with engine.connect() as connection:
                return connection.execute(text(query), parameters).mappings().all()

        days, downloads = Days.around(jour_a_paris(now())), write_downloads(tmp_path, commune, nom)
        Story(Mouse(visitor.page, tmp_path), rows, home / "arrivals", commune, days, downloads).play()
        visitor.close()
    finally:
        process.kill()
        engine.dispose()
