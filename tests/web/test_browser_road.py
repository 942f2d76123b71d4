"""Pages that change by themselves in a real browser, on a whole installation; and forms with errors."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from signal import SIGCONT, SIGSTOP

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import RowMapping

from schemas.vocabulary import Liste
from tests.parts.wait import wait_until
from tests.web.conftest import Visit
from tests.web.neighbours import CLERK, EMAIL, GRANDVILLE, STRANGER
from tests.web.site import Site, path_of
from tests.web.test_browser_pages import violations

pytestmark = pytest.mark.slow


def ask(page: Page, site: Site, liste: Liste, format_: str) -> RowMapping:
    """Press GRANDVILLE's button; the row of the new file."""
    page.goto(f"/communes/{GRANDVILLE}/listes")
    for other in Liste:
        name = re.compile(f"^{re.escape(other.label)}")
        page.get_by_role("checkbox", name=name).set_checked(other is liste)
    page.get_by_role("radio", name=re.compile(f"^{format_}")).check()
    query = "SELECT * FROM derniers_exports WHERE code_commune = :commune AND export_id > :before"
    rows = site.town.rows(query, commune=GRANDVILLE, before=0)
    asked = {"commune": GRANDVILLE, "before": max((row["export_id"] for row in rows), default=0)}
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
    wait_until(lambda: row_of(site, export)["downloaded_by"] == STRANGER, message="the download in the audit trail")


@contextmanager
def frozen(site: Site) -> Iterator[None]:
    """Freeze the worker inside the block."""
    family = site.worker.family
    for pid in family:
        os.kill(pid, SIGSTOP)
    try:
        yield
    finally:
        for pid in family:
            os.kill(pid, SIGCONT)


def test_a_file_is_followed_without_reloading_and_a_mail_leads_to_it(visit: Visit, site: Site) -> None:
    page = visit(STRANGER).page
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
        line for line in site.town.json_log("screen") if line.get("page") == "listes" and line["method"] == "POST"
    ]
    assert clicks[-1]["correlation_id"] == correlation

    def read_mail() -> str | None:
        mine = (mail for mail in site.mailbox.mails if mail.recipients == (EMAIL[STRANGER],))
        texts = (str(part.get_content()) for mail in mine if (part := mail.message.get_body(("plain",))))
        return next((text for text in texts if correlation in text), None)

    (link,) = re.findall(rf"{site.url}/\S+", wait_until(read_mail, message="the mail") or "")
    page.goto(link)
    expect(page).to_have_url(re.compile(f"/communes/{GRANDVILLE}/demandes/"))
    expect(page.get_by_role("main")).to_contain_text(export["label"])


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
