"""The whole story in a real browser, on a whole installation that is empty when it begins.

By mouse in `make test`; by keyboard, without scripts, and in Firefox on one computer each night.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from common.calendrier import jour_a_paris, now
from tests.integration.test_solo_run import Desk
from tests.parts.browser import Visitor
from tests.parts.deployment import Deployment
from tests.parts.firefox import Firefox
from tests.parts.mail import Mailbox
from tests.parts.ports import LOOPBACK
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
}
"""For each variant, codes that no commune has."""
HANDS: dict[str, Callable[[Page, Path], Mouse]] = {
    "mouse": Mouse,
    "keyboard": Keys,
    "no-scripts": partial(Mouse, is_live=False),
}


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
def test_the_same_in_firefox_on_one_computer(tmp_path: Path) -> None:
    """`make run` in an empty folder: one process, SQLite, no broker."""
    commune, nom = COMMUNES["Firefox"]
    home, taken = tmp_path / "home", tmp_path / "taken"
    home.mkdir()
    taken.mkdir()
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

        def rows(query: str, **parameters: object) -> Sequence[RowMapping]:
            with engine.connect() as connection:
                return connection.execute(text(query), parameters).mappings().all()

        days, downloads = Days.around(jour_a_paris(now())), write_downloads(tmp_path, commune, nom)
        with Firefox(tmp_path / "firefox", taken) as browser:
            hand = Fox(browser, f"http://{LOOPBACK}:{desk.port}")
            hand.open(desk.opening)
            Story(hand, rows, home / "arrivals", commune, days, downloads).play()
    finally:
        process.kill()
        engine.dispose()
