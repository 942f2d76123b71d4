"""Every page, in light and in dark mode, wide, narrow and magnified: accessible, without errors, never too wide.

axe-core checks a part of the RGAA only: a page that passes is not thereby « conforme ».
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from producers.web.app import ROUTES
from tests.parts.browser import NARROW, Visitor
from tests.web.conftest import Visit
from tests.web.filled import Filled
from tests.web.neighbours import BOTH, LIBREVILLE, STRANGER

pytestmark = pytest.mark.slow

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
NO_PAGES = {"fichier", "piece", "dossier_zip", "suivi"}
"""Files to download, and a fragment of a page."""


def addresses(filled: Filled) -> list[str]:
    """The addresses of all pages, with parameters of existing files; pages of a file once for each state."""
    found = ["/", "/nulle-part"]
    for route in ROUTES:
        if "GET" in (route.methods or ()) and "commune" in route.param_convertors and route.name not in NO_PAGES:
            found += filled.addresses(route)
    return found


def wide(page: Page) -> list[str]:
    """The elements beyond the right edge, when the page can be scrolled sideways."""
    found: list[str] = page.evaluate(
        """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
        [...document.querySelectorAll('body *')]
          .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
          .map(e => e.outerHTML.slice(0, 120)).slice(0, 3)"""
    )
    return found


def violations(page: Page, *rules: str) -> list[str]:
    """The violations that axe-core finds, by all its rules or by these."""
    page.evaluate(AXE)
    options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    found = page.evaluate("options => axe.run(document, options).then(result => result.violations)", options)
    return [f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


def walk(visitor: Visitor, filled: Filled, check: Callable[[Page], list[str]]) -> dict[str, list[str]]:
    wrong = {}
    for address in addresses(filled):
        visitor.page.goto(address, wait_until="load")
        if found := check(visitor.page):
            wrong[address] = found
    visitor.forgive("404 (Not Found)")
    return wrong


def test_axe_finds_nothing(visit: Visit, filled: Filled) -> None:
    assert walk(visit(color_scheme="light", reduced_motion="reduce"), filled, violations) == {}


def test_in_the_dark_every_word_is_readable(visit: Visit, filled: Filled) -> None:
    dark = visit(color_scheme="dark", reduced_motion="reduce")
    assert walk(dark, filled, lambda page: violations(page, "color-contrast")) == {}


def test_320_pixels_are_enough(visit: Visit, filled: Filled) -> None:
    assert walk(visit(viewport=NARROW), filled, lambda page: wide(page) + violations(page)) == {}


def test_magnified_twice_nothing_is_cut(visit: Visit, filled: Filled) -> None:
    assert walk(visit(viewport={"width": 640, "height": 400}, device_scale_factor=2), filled, wide) == {}


def test_each_page_has_its_own_title_and_says_where_one_is(visit: Visit, filled: Filled) -> None:
    visitor, titles = visit(), {}
    for address in addresses(filled)[2:]:
        visitor.page.goto(address)
        assert visitor.page.locator("h1").count() == 1, address
        assert visitor.page.get_by_role("link", name="Aller au contenu").count() == 1, address
        assert visitor.page.locator("nav [aria-current=page]").count() >= 1, address
        titles[address] = visitor.page.title()
    assert all(title.endswith("– LIBREVILLE – Module Préfecture") for title in titles.values()), titles


def test_somebody_of_two_communes_chooses(visit: Visit) -> None:
    visitor = visit(BOTH)
    visitor.page.goto("/")
    assert violations(visitor.page) == []
    visitor.page.get_by_role("link", name="LIBREVILLE").click()
    visitor.page.wait_for_url(f"**/communes/{LIBREVILLE}/taches")
    visitor.page.get_by_role("link", name="Changer de commune").click()
    assert visitor.page.get_by_role("heading", level=1).inner_text() == "Choisir une commune"


def test_another_communes_agent_sees_nothing(visit: Visit, filled: Filled) -> None:
    visitor = visit(STRANGER)
    for address in addresses(filled)[2:]:
        answer = visitor.page.goto(address)
        assert answer
        assert answer.status == 404, address
        assert "LIBREVILLE" not in visitor.page.content()
    visitor.forgive("404 (Not Found)")


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "no scripts"])
def test_on_a_telephone_the_tabs_are_a_menu(visit: Visit, *, has_scripts: bool) -> None:
    page = visit(viewport={"width": 375, "height": 667}, java_script_enabled=has_scripts).page
    page.goto(f"/communes/{LIBREVILLE}/taches")
    tabs = page.get_by_role("navigation", name="Navigation principale").get_by_role("link")
    assert tabs.count() == 0
    title = page.get_by_role("heading", level=1).bounding_box()
    assert title
    assert title["y"] < 667 / 2, "what the page is for is seen without scrolling"
    page.get_by_text("Menu", exact=True).click()
    tabs.filter(has_text="Dépôts").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dépôts")


def test_ticked_boxes_are_seen_in_forced_colours(visit: Visit) -> None:
    page = visit(forced_colors="active").page
    page.goto(f"/communes/{LIBREVILLE}/listes")
    for role in ("checkbox", "radio"):
        box = page.get_by_role(role, checked=True).first
        drawn_by = box.evaluate("it => getComputedStyle(it).appearance")
        assert drawn_by != "none", "the browser draws the tick, in the colours of the system"


def test_a_dead_server_is_said_and_its_return_too(visit: Visit) -> None:
    visitor = visit()
    visitor.page.goto(f"/communes/{LIBREVILLE}/taches")
    visitor.context.set_offline(True)
    said = visitor.page.get_by_role("status").filter(has_text="Le service ne répond plus.")
    expect(said).to_be_visible()
    visitor.context.set_offline(False)
    expect(said).to_be_hidden()
    visitor.forgive("ERR_INTERNET_DISCONNECTED")
