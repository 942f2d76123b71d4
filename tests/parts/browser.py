"""Debian's Chromium, driven by playwright; each visit checks that no page logs an error or requests another host."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests.parts.packages import CHROMIUM, require
from tests.parts.wait import wait_until

PROXY_SECRET = "p" * 40
"""The proxy's secret, which the browser sends with the agent's name in place of the proxy."""

_QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PATIENCE_MS = 60_000
NARROW = {"width": 320, "height": 640}
DESKTOP = {"width": 1280, "height": 800}


@contextmanager
def open_browser() -> Iterator[Browser]:
    require(CHROMIUM)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM.program("chromium")),
            args=list(_QUIET),
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LANGUAGE": "fr"},
        )
        yield browser
        browser.close()


def reload_until(seen: Locator, message: str) -> None:
    """Reload a page without scripts, as its reader does, until the condition holds."""

    def look_again() -> int:
        # The page whose button was just pressed may still be unloading, and cannot be reloaded.
        with suppress(Error):
            seen.page.reload()
        return seen.count()

    wait_until(look_again, message=message)


class Visitor:
    """One person with a browser in French and in the time zone of Paris.

    Args:
        origin: the screen's address, the only one that the browser may request.
        agent: the name in the proxy's header, where there is a proxy.
        options: playwright's, of a context.
    """

    def __init__(self, browser: Browser, origin: str, agent: str = "", **options: Any) -> None:  # noqa: ANN401
        self.origin = origin
        self.troubles: list[str] = []
        given: dict[str, Any] = {
            "base_url": origin,
            "locale": "fr-FR",
            "timezone_id": "Europe/Paris",
            "viewport": DESKTOP,
            "extra_http_headers": {"X-Remote-User": agent, "X-Prefecture-Secret": PROXY_SECRET}
            if agent
            else {},
        }
        self.context: BrowserContext = browser.new_context(**given | options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.on("request", self._watch_request)
        self.context.on("console", self._watch_console)
        self.context.on("weberror", lambda error: self.troubles.append(f"script: {error.error}"))
        self.page: Page = self.context.new_page()

    def close(self) -> None:
        """Close the browser context.

        Raises:
            AssertionError: a page logged an error (as a CSP violation does), or requested another host.
        """
        self.context.close()
        assert not self.troubles, "\n".join(self.troubles)

    def forgive(self, *provoked: str) -> None:
        """Forget the errors that a test provoked."""
        self.troubles = [it for it in self.troubles if not any(words in it for words in provoked)]

    def _watch_request(self, request: Request) -> None:
        if urlsplit(request.url).scheme not in {"data", "blob"} and not request.url.startswith(
            f"{self.origin}/"
        ):
            self.troubles.append(f"another host: {request.url}")

    def _watch_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.troubles.append(f"console: {message.text}")
