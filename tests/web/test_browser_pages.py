"""Every page, in light and dark mode, wide, narrow, magnified: accessible; pages that change.

axe-core checks a part of the RGAA only: a page that passes is not thereby « conforme ».
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import RowMapping

from schemas.vocabulary import Liste
from tests.parts.browser import NARROW, Visitor
from tests.parts.wait import wait_until
from tests.web.conftest import Visit
from tests.web.filled import Filled
from tests.web.security_desk import (
    BOTH,
    BOTH_EMAIL,
    CLERK,
    GRANDVILLE,
    LIBREVILLE,
    NEIGHBOUR,
    SHOWN_PAGES,
)
from tests.web.site import Site, path_of

pytestmark = pytest.mark.slow

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")


def addresses(filled: Filled) -> list[str]:
    """The addresses of all pages, with parameters of existing files; pages of a file once for each state."""
    found = ["/", "/nulle-part"]
    for route in SHOWN_PAGES:
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
    found = page.evaluate(
        "options => axe.run(document, options).then(result => result.violations)", options
    )
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


def walk(
    visitor: Visitor, filled: Filled, check: Callable[[Page], list[str]]
) -> dict[str, list[str]]:
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
    assert (
        walk(visit(viewport={"width": 640, "height": 400}, device_scale_factor=2), filled, wide)
        == {}
    )


def test_each_page_has_its_own_title_and_says_where_one_is(visit: Visit, filled: Filled) -> None:
    visitor, titles = visit(), {}
    for address in addresses(filled)[2:]:
        visitor.page.goto(address)
        assert visitor.page.locator("h1").count() == 1, address
        assert visitor.page.get_by_role("link", name="Aller au contenu").count() == 1, address
        assert (
            visitor.page.locator("header [aria-current=page], footer [aria-current=page]").count()
            >= 1
        ), address
        titles[address] = visitor.page.title()
    assert all(title.endswith("– LIBREVILLE – Module Préfecture") for title in titles.values()), (
        titles
    )


def test_somebody_of_two_communes_chooses(visit: Visit) -> None:
    visitor = visit(BOTH)
    visitor.page.goto("/")
    assert violations(visitor.page) == []
    visitor.page.get_by_role("link", name="LIBREVILLE").click()
    visitor.page.wait_for_url(f"**/communes/{LIBREVILLE}/taches")
    visitor.page.get_by_role("link", name="Changer de commune").click()
    assert visitor.page.get_by_role("heading", level=1).inner_text() == "Choisir une commune"


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
    page.goto(f"/communes/{LIBREVILLE}/tableaux")
    for role in ("checkbox", "radio"):
        box = page.get_by_role(role, checked=True).first
        drawn_by = box.evaluate("it => getComputedStyle(it).appearance")
        assert drawn_by != "none", "the browser draws the tick, in the colours of the system"


def test_anomalies_are_printed_with_boxes_to_tick(visit: Visit, filled: Filled) -> None:
    page = visit().page
    page.goto(next(it for it in addresses(filled) if it.endswith("/anomalies")))
    page.emulate_media(media="print")
    rows = page.locator("table.anomalies tbody tr")
    assert rows.count() >= 1
    expect(rows.last).to_be_visible()
    expect(rows.last.get_by_text("☐")).to_be_visible()


def test_a_dead_server_is_said_and_its_return_too(visit: Visit) -> None:
    visitor = visit()
    visitor.page.goto(f"/communes/{LIBREVILLE}/taches")
    visitor.context.set_offline(True)
    said = visitor.page.get_by_role("status").filter(has_text="Le service ne répond plus.")
    expect(said).to_be_visible()
    visitor.context.set_offline(False)
    expect(said).to_be_hidden()
    visitor.forgive("ERR_INTERNET_DISCONNECTED")


def ask(page: Page, site: Site, liste: Liste, format_: str) -> RowMapping:
    """Press GRANDVILLE's button; the row of the new file."""
    page.goto(f"/communes/{GRANDVILLE}/listes")
    for other in Liste:
        name = re.compile(f"^{re.escape(other.label)}")
        page.get_by_role("checkbox", name=name).set_checked(other is liste)
    page.get_by_text("Format :").click()
    page.get_by_role("radio", name=re.compile(f"^{format_}")).check()
    query = "SELECT * FROM derniers_exports WHERE code_commune = :commune AND export_id > :before"
    rows = site.town.rows(query, commune=GRANDVILLE, before=0)
    asked = {"commune": GRANDVILLE, "before": max((row["export_id"] for row in rows), default=0)}
    with page.expect_navigation():  # the answer has come before a test looks at the page
        page.get_by_role("button", name="Génération du fichier").click()
    return wait_until(lambda: site.town.rows(query, **asked), message="the row")[0]


def row_of(site: Site, export: RowMapping) -> RowMapping:
    query = "SELECT * FROM derniers_exports WHERE export_id = :export"
    return site.town.rows(query, export=export["export_id"])[0]


def download(page: Page, site: Site, export: RowMapping) -> None:
    """Check the bytes and the name against the record, and that the download is recorded."""
    link = page.get_by_role("link", name=f"Télécharger {export['label']}").first
    with page.expect_download() as waited:
        link.click()
    record = row_of(site, export)
    assert waited.value.suggested_filename == record["file_name"]
    content = waited.value.path().read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (record["size"], record["sha256"])
    wait_until(
        lambda: row_of(site, export)["downloaded_by"] == NEIGHBOUR,
        message="the download in the audit trail",
    )


@contextmanager
def frozen(site: Site) -> Iterator[None]:
    """Freeze the workers inside the block: those of files, of the register and of requests."""
    family = [pid for worker in site.crew for pid in worker.family]
    for pid in family:
        os.kill(pid, SIGSTOP)
    try:
        yield
    finally:
        for pid in family:
            os.kill(pid, SIGCONT)


def test_a_file_is_followed_without_reloading_and_a_mail_leads_to_it(
    visit: Visit, site: Site
) -> None:
    page = visit(NEIGHBOUR).page
    export = ask(page, site, Liste.PRINCIPALE, "XML")
    board = page.get_by_role("region", name="Vos demandes")
    page.evaluate("window.isTheSamePage = true")
    wait_until(lambda: row_of(site, export)["lines_written"] > 0, message="lines being written")
    with frozen(site):
        at = row_of(site, export)
        assert at["status"] == "running"
        bar = board.get_by_role("progressbar", name=export["label"])
        expect(bar).to_have_attribute("max", str(at["electeurs"]))
        expect(bar).to_have_attribute("value", str(at["lines_written"]))
        assert 0 < at["lines_written"] < at["electeurs"]
        expect(board.get_by_text("en cours").first).to_be_visible()
    expect(board.get_by_role("link", name=f"Télécharger {export['label']}").first).to_be_visible()
    expect(page.get_by_text(f"Prêt : {export['label']}")).to_be_attached()
    assert page.evaluate("window.isTheSamePage")
    download(page, site, export)

    correlation = row_of(site, export)["correlation_id"]
    clicks = [
        line
        for line in site.town.json_log("screen")
        if line.get("page") == "listes" and line["method"] == "POST"
    ]
    assert clicks[-1]["correlation_id"] == correlation

    def read_mail() -> str | None:
        """The mail to the other agent: the one who asked is told later, and here not at all."""
        theirs = (mail for mail in site.mailbox.mails if mail.recipients == (BOTH_EMAIL,))
        return next(
            (mail.text for mail in theirs if mail.message["X-Correlation-ID"] == correlation), None
        )

    (link,) = re.findall(rf"{site.url}/\S+", wait_until(read_mail, message="the mail") or "")
    page.goto(link)
    expect(page).to_have_url(re.compile(f"/communes/{GRANDVILLE}/demandes/"))
    expect(page.get_by_role("main")).to_contain_text("Liste principale — ")


@pytest.mark.usefixtures("filled")
def test_what_she_writes_meanwhile_is_not_lost(visit: Visit, site: Site) -> None:
    """The page that says « se recharge d'elle-même » does not reload while the clerk types, nor after an error."""
    day, visitor = site.today - timedelta(days=2), visit(CLERK)
    page = visitor.page
    notice = page.locator("#enregistrement")
    page.goto(path_of("reunions"))
    with frozen(site):
        page.get_by_label("Jour de la réunion").fill(day.isoformat())
        page.get_by_role("button", name="Noter la réunion").click()
        expect(notice).to_contain_text("Enregistrement en cours")
        page.get_by_role("button", name="Ajouter le scrutin").click()
        expect(page).to_have_title(re.compile("^Erreur"))
        expect(notice).to_contain_text("Enregistrement en cours")
        page.get_by_label("Ce qu'on élit").fill("Élection municipale partielle")
    expect(notice).to_contain_text(f"Enregistré : réunion du {day:%d/%m/%Y}. Actualiser la page")
    expect(page.get_by_label("Ce qu'on élit")).to_have_value("Élection municipale partielle")
    notice.get_by_role("link", name="Actualiser la page").click()
    expect(page.get_by_role("link", name=f"Corriger la réunion du {day:%d/%m/%Y}")).to_be_visible()
    visitor.forgive("422 (Unprocessable")


@pytest.mark.usefixtures("filled")
def test_a_click_is_not_lost_to_a_page_that_loads_itself_again(visit: Visit, site: Site) -> None:
    """The clerk follows a link; before the answer comes, the old page learns that the note is recorded."""
    day, page = site.today - timedelta(days=2), visit(CLERK).page
    asked: list[Route] = []

    def hold(route: Route) -> None:
        asked.append(route)

    page.goto(path_of("reunions"))
    with frozen(site):
        page.get_by_label("Jour de la réunion").fill(day.isoformat())
        page.get_by_role("button", name="Noter la réunion").click()
        expect(page.locator("#enregistrement")).to_contain_text("Enregistrement en cours")
        page.route(f"**{path_of('tableaux')}", hold)
        with page.expect_request(f"**{path_of('tableaux')}"):
            page.get_by_role("navigation").get_by_role("link", name="Tableaux", exact=True).click(
                no_wait_after=True
            )
    page.wait_for_event("response", lambda response: "hx-refresh" in response.headers)
    page.wait_for_timeout(500)
    asked[0].continue_()
    expect(page).to_have_title(re.compile("^Tableaux"))


@pytest.mark.usefixtures("filled")
def test_a_form_in_error_begins_by_saying_so_and_leads_to_its_field(visit: Visit) -> None:
    visitor = visit(CLERK)
    page = visitor.page
    page.goto(path_of("reunions"))
    page.get_by_role("button", name="Noter la réunion").click()
    expect(page).to_have_title(re.compile(r"^Erreur – Réunions et scrutins"))
    expect(page.locator("#fautes")).to_be_focused()
    assert violations(page) == []
    page.get_by_role("link", name="Jour de la réunion").click()
    expect(page.locator("#jour")).to_be_focused()
    visitor.forgive("422 (Unprocessable")
