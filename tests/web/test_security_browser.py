"""Logging in and out in a real browser, with a provider on another site: the effects of cookies and policy."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.parts.databases import SqliteFiles
from tests.web.oidc_browser import open_mock, provider_variables
from tests.web.security_desk import CLERK, CLERK_EMAIL, LIBREVILLE
from tests.web.site import screen_environment, start_screen

pytestmark = pytest.mark.slow

HOME = f"/communes/{LIBREVILLE}/listes"


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles) -> Iterator[str]:
    """The address of a screen, `localhost`, whose provider is at `127.0.0.1`: another site."""
    folder = tmp_path_factory.mktemp("login")
    with open_mock(folder) as issuer:
        environment = screen_environment(folder, sqlite_files, "") | provider_variables(issuer)
        url = f"http://localhost:{environment['PREFECTURE_WEB_PORT']}"
        process = start_screen(environment | {"PREFECTURE_PUBLIC_URL": url}, folder / "screen.log")
        try:
            yield url
        finally:
            process.kill()


@pytest.fixture
def page(browser: Browser, screen: str) -> Iterator[Page]:
    """A tab; fails when a page of the screen logs an error, as a forbidden address does."""
    context = browser.new_context(base_url=screen, locale="fr-FR")
    context.set_default_timeout(15_000)
    complaints: list[str] = []
    context.on(
        "console",
        lambda message: (
            complaints.append(message.text) if "Security Policy" in message.text else None
        ),
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
    """The browser sends no cookie with it (SameSite), and sends its origin."""
    _log_in(page)
    foreign = page.context.new_page()
    foreign.set_content(f'<form method="post" action="{screen}{HOME}"><button>x</button></form>')
    with foreign.expect_response(f"{screen}{HOME}") as answered:
        foreign.click("button")
    assert answered.value.status == 403
