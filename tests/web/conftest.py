"""Fixtures for tests of the screen in a real browser, on a shared installation."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from starlette.testclient import TestClient

from tests.parts.browser import Visitor, open_browser
from tests.parts.databases import SqliteFiles
from tests.parts.postgres import PostgresServer
from tests.parts.town import EMAIL, MOUVEMENTS_TEMPLATE
from tests.web.files_desk import FilesScreen, open_screen
from tests.web.filled import Filled
from tests.web.proconnect import ProConnect
from tests.web.security_desk import (
    CLERK,
    SCREEN_TEMPLATE,
    behind_proxy,
    make_settings,
    open_client,
    write_files,
)
from tests.web.site import Site, open_site

Visit = Callable[..., Visitor]


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The installation, with LIBREVILLE and its neighbour GRANDVILLE."""
    with open_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="package")
def filled(site: Site) -> Filled:
    """LIBREVILLE with files in every state."""
    return Filled(site)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser; closed with the module, since asynchronous code cannot run in this process beside it."""
    with open_browser() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visit]:
    """Makes visitors of the screen; at the end, checks that no page logged an error or requested another host."""
    visitors: list[Visitor] = []

    def make(agent: str = CLERK, **options: Any) -> Visitor:  # noqa: ANN401 — playwright's
        visitors.append(Visitor(browser, site.url, agent, **options))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.close()


@pytest.fixture
def screen_database(tmp_path: Path, sqlite_files: SqliteFiles) -> str:
    """The address of a small SQLite database, with its files in `tmp_path / "exports"`; no process runs."""
    write_files(tmp_path / "exports")
    return sqlite_files.create(tmp_path / "screen.sqlite3", SCREEN_TEMPLATE)


@pytest.fixture
def web_client(screen_database: str, tmp_path: Path) -> Iterator[TestClient]:
    """LIBREVILLE's agent behind a trusted proxy, on the screen in this process."""
    with open_client(
        make_settings(screen_database, tmp_path, **behind_proxy()), agent=CLERK
    ) as client:
        yield client


@pytest.fixture
def stranger(screen_database: str, tmp_path: Path) -> Iterator[TestClient]:
    """A client at the same screen whom the proxy does not name: a person without an account, or a program."""
    with open_client(make_settings(screen_database, tmp_path, **behind_proxy())) as client:
        yield client


@pytest.fixture
def provider() -> Iterator[ProConnect]:
    """ProConnect, which knows LIBREVILLE's agent."""
    provider = ProConnect(EMAIL)
    with provider.running():
        yield provider


@pytest.fixture
def files(tmp_path: Path, sqlite_files: SqliteFiles) -> Iterator[FilesScreen]:
    """The screen in this process with LIBREVILLE's files, without a browser."""
    with open_screen(
        sqlite_files.create(tmp_path / "files.sqlite3", MOUVEMENTS_TEMPLATE), tmp_path
    ) as screen:
        yield screen


@pytest.fixture(params=["postgresql", "sqlite"])
def screen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FilesScreen]:
    """The screen in this process, on PostgreSQL and on SQLite."""
    if request.param == "sqlite":
        yield request.getfixturevalue("files")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    server.start()
    url = server.create_database(MOUVEMENTS_TEMPLATE)
    with open_screen(url, tmp_path) as screen:
        yield screen
    server.drop(url)
