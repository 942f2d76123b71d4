"""Logging in and out in a real browser, with a provider on another site: what cookies and policy let through."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from tests.parts.databases import SqliteFiles
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.town import ROOT
from tests.parts.wait import wait_until
from tests.web.oidc_browser import CLIENT_ID, open_mock
from tests.web.security_desk import CLERK, CLERK_EMAIL, LIBREVILLE, SCREEN_TEMPLATE, SECRET, write_files

pytestmark = [pytest.mark.web, pytest.mark.slow]

HOME = f"/communes/{LIBREVILLE}/listes"


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[str]:
    """The address of a screen, `localhost`, whose provider is at `127.0.0.1`: another site."""
    folder = tmp_path_factory.mktemp("login")
    write_files(folder / "exports")
    port = free_port()
    url = f"http://localhost:{port}"
    with open_mock(folder) as issuer:
        environment = {
            "PATH": os.environ["PATH"],
            "PREFECTURE_STATE_URL": sqlite_files.create(folder / "screen.sqlite3", SCREEN_TEMPLATE),
            "PREFECTURE_AMQP_URL": f"amqp://nobody:nothing@{LOOPBACK}:1/",
            "PREFECTURE_EXPORTS_DIR": str(folder / "exports"),
            "PREFECTURE_PUBLIC_URL": url,
            "PREFECTURE_WEB_PORT": str(port),
            "PREFECTURE_HOME": str(folder),
            "PREFECTURE_WEB_SECRET": SECRET,
            "PREFECTURE_WEB_AUTH": "oidc",
            "PREFECTURE_WEB_OIDC_ISSUER": issuer,
            "PREFECTURE_WEB_OIDC_CLIENT_ID": CLIENT_ID,
            "PREFECTURE_WEB_OIDC_CLIENT_SECRET": "client-secret",
            "PREFECTURE_WEB_OIDC_UNVERIFIED": issuer,  # the mock says nothing of addresses
        }
        command = [sys.executable, "-m", "producers", "web"]
        process = Process(command, env=environment, folder=ROOT, log=folder / "screen.log")
        try:
            wait_until(lambda: not process.alive or _lives(port), message="the screen")
            assert process.alive, (folder / "screen.log").read_text()
            yield url
        finally:
            process.kill()


def _lives(port: int) -> bool:
    with suppress(httpx2.TransportError):
        return httpx2.get(f"http://{LOOPBACK}:{port}/sante/vie").status_code == 200
    return False


@pytest.fixture
def page(browser: Browser, screen: str) -> Iterator[Page]:
    """A tab; no page of the screen has complained in the console, as a forbidden address does."""
    context = browser.new_context(base_url=screen, locale="fr-FR")
    context.set_default_timeout(15_000)
    complaints: list[str] = []
    context.on(
        "console", lambda message: complaints.append(message.text) if "Security Policy" in message.text else None
    )
    yield context.new_page()
    context.close()
    assert complaints == []


def _log_in(page: Page) -> None:
    page.goto(HOME)
    page.fill("input[name=sub]", CLERK_EMAIL)
    page.click("form:has(input[name=sub]) button")
    page.wait_for_url(f"**{HOME}")


def test_an_agent_logs_in_and_out(page: Page, screen: str) -> None:
    _log_in(page)
    assert CLERK in page.inner_text("header")
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies(screen)}
    assert cookies["prefecture"]["httpOnly"]
    page.click("text=Se déconnecter")
    page.wait_for_url("**/oauth2/end_session?**")
    page.click("button")
    page.wait_for_url("**/deconnexion/faite**")
    assert "Vous êtes déconnecté" in page.inner_text("main")
    page.goto(HOME)
    assert page.locator("input[name=sub]").count() == 1, "the provider's page again"


def test_a_form_of_another_site_changes_nothing(page: Page, screen: str) -> None:
    """The browser sends no cookie with it (SameSite), and says where it comes from."""
    _log_in(page)
    foreign = page.context.new_page()
    foreign.set_content(f'<form method="post" action="{screen}{HOME}"><button>x</button></form>')
    with foreign.expect_response(f"{screen}{HOME}") as answered:
        foreign.click("button")
    assert answered.value.status == 403
