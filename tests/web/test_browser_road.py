"""The clerk's whole way, as she walks it: the button, the wait, the mail, the file, the deposit, the answer."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGCONT, SIGSTOP

import pytest
from playwright.sync_api import Locator, expect
from sqlalchemy import RowMapping

from schemas.vocabulary import Liste
from tests.parts.browser import Visitor, reload_until
from tests.parts.mail import Mail
from tests.parts.wait import wait_until
from tests.web.conftest import Visit
from tests.web.neighbours import EMAIL, GRANDVILLE, LIBREVILLE, STRANGER
from tests.web.site import Site
from worker.demo.libreville import demo_calendrier

pytestmark = [pytest.mark.web, pytest.mark.slow]


class Clerk:
    """GRANDVILLE's; what does not change by itself in her browser, she reloads."""

    def __init__(self, site: Site, visitor: Visitor, *, is_live: bool) -> None:
        self.site, self.page, self._is_live = site, visitor.page, is_live

    def go(self, page: str) -> None:
        self.page.goto(f"/communes/{GRANDVILLE}/{page}")

    def ask(self, liste: Liste, format_: str) -> RowMapping:
        """Press the button; the file's row, once there is one."""
        self.go("listes")
        for other in Liste:
            name = re.compile(f"^{re.escape(other.label)}")
            self.page.get_by_role("checkbox", name=name).set_checked(other is liste)
        self.page.get_by_role("radio", name=re.compile(f"^{format_}")).check()
        before = max((row["export_id"] for row in self._rows()), default=0)
        self.page.get_by_role("button", name="Génération du fichier").click()
        expect(self.page).to_have_url(re.compile(f"/communes/{GRANDVILLE}/listes"))
        query = "SELECT * FROM derniers_exports WHERE code_commune = :commune AND export_id > :before"
        asked = {"commune": GRANDVILLE, "before": before}
        return wait_until(lambda: self.site.town.rows(query, **asked), message="the row")[0]

    def row(self, export: RowMapping) -> RowMapping:
        return next(row for row in self._rows() if row["export_id"] == export["export_id"])

    def see(self, what: Locator) -> None:
        if self._is_live:
            expect(what.first).to_be_visible()
        else:
            reload_until(what, f"{what} in the page")

    def download(self, export: RowMapping) -> None:
        """The bytes and the name are those of the record, and the download is written down."""
        link = self.page.get_by_role("link", name=f"Télécharger {export['label']}").first
        with self.page.expect_download() as waited:
            link.click()
        record = self.row(export)
        assert waited.value.suggested_filename == record["file_name"]
        content = waited.value.path().read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (record["size"], record["sha256"])
        wait_until(lambda: self.row(export)["downloaded_by"] == STRANGER, message="the download in the audit trail")

    def deposit(self, export: RowMapping) -> None:
        """Marked as deposited today."""
        self.go("depot")
        self.page.get_by_role("checkbox", name=export["label"]).check()
        self.page.get_by_label("Remarque").fill("Avant le scrutin.")
        self.page.get_by_role("button", name="Marquer comme déposé").click()
        wait_until(lambda: self.row(export)["deposited_by"] == STRANGER, message="the deposit")

    def answer(self, export: RowMapping, verdict: str = "accepté", words: str = "Votre liste a été intégrée.") -> None:
        """What the platform said of it."""
        self.go("depot")
        waiting = self.page.get_by_role("region", name="En attente de la réponse de la plateforme")
        answers = waiting.locator("details").filter(has_text=export["label"])
        if answers.get_attribute("open") is None:
            answers.locator("summary").click()
        answers.get_by_role("radio", name=verdict).check()
        answers.get_by_label("Réponse reçue").fill(words)
        answers.get_by_role("button", name="Enregistrer la réponse").click()
        wait_until(lambda: self.row(export)["verdict"] != "", message="the answer")
        self.go("depot")
        line = self.page.get_by_role("row", name=export["label"])
        expect(line).to_contain_text(verdict)
        expect(line).to_contain_text("Avant le scrutin.")

    def _rows(self) -> list[RowMapping]:
        query = "SELECT * FROM derniers_exports WHERE code_commune = :commune"
        return list(self.site.town.rows(query, commune=GRANDVILLE))


@contextmanager
def frozen(site: Site) -> Iterator[None]:
    """The worker stands still."""
    family = site.worker.family
    for pid in family:
        os.kill(pid, SIGSTOP)
    try:
        yield
    finally:
        for pid in family:
            os.kill(pid, SIGCONT)


def mail_about(site: Site, correlation: str) -> Mail:
    """What GRANDVILLE's clerk was told of a request."""

    def told() -> Mail | None:
        mine = (mail for mail in site.mailbox.mails if mail.recipients == (EMAIL[STRANGER],))
        return next((mail for mail in mine if correlation in text_of(mail)), None)

    mail = wait_until(told, message="the mail")
    assert mail
    return mail


def text_of(mail: Mail) -> str:
    part = mail.message.get_body(("plain",))
    assert part
    return str(part.get_content())


def test_she_follows_her_file_without_reloading_and_is_told(visit: Visit, site: Site) -> None:
    visitor = visit(STRANGER)
    clerk = Clerk(site, visitor, is_live=True)
    export = clerk.ask(Liste.PRINCIPALE, "XML")
    page, board = clerk.page, clerk.page.get_by_role("region", name="Vos demandes")
    page.evaluate("window.isTheSamePage = true")
    wait_until(lambda: clerk.row(export)["lines_written"] > 0, message="lines being written")
    with frozen(site):
        at = clerk.row(export)
        assert at["status"] == "running"
        bar = board.get_by_role("progressbar", name=export["label"])
        expect(bar).to_have_attribute("max", str(at["electeurs"]))
        expect(bar).to_have_attribute("value", str(at["lines_written"]))
        assert 0 < at["lines_written"] < at["electeurs"]
        expect(board.get_by_text("en cours").first).to_be_visible()
    clerk.see(board.get_by_role("link", name=f"Télécharger {export['label']}"))
    expect(page.get_by_text(f"Prêt : {export['label']}")).to_be_attached()
    assert page.evaluate("window.isTheSamePage")

    correlation = clerk.row(export)["correlation_id"]
    clicks = [
        line for line in site.town.json_log("screen") if line.get("page") == "listes" and line["method"] == "POST"
    ]
    assert clicks[-1]["correlation_id"] == correlation
    mail = mail_about(site, correlation)
    (link,) = re.findall(rf"{site.url}/\S+", text_of(mail))
    clerk.download(export)
    clerk.deposit(export)
    clerk.answer(export)
    page.goto(link)
    expect(page).to_have_url(re.compile(f"/communes/{GRANDVILLE}/demandes/"))
    expect(page.get_by_role("main")).to_contain_text(export["label"])


def test_the_same_without_javascript(visit: Visit, site: Site) -> None:
    clerk = Clerk(site, visit(STRANGER, java_script_enabled=False), is_live=False)
    export = clerk.ask(Liste.COMPLEMENTAIRE_EUROPEENNE, "CSV")
    clerk.see(clerk.page.get_by_role("link", name=f"Télécharger {export['label']}"))
    clerk.download(export)
    clerk.deposit(export)
    clerk.answer(export)


def test_the_same_when_the_event_stream_is_cut(visit: Visit, site: Site) -> None:
    visitor = visit(STRANGER)
    visitor.context.route("**/flux", lambda route: route.abort())
    clerk = Clerk(site, visitor, is_live=True)
    export = clerk.ask(Liste.COMPLEMENTAIRE_MUNICIPALE, "CSV")
    clerk.page.evaluate("window.isTheSamePage = true")
    clerk.see(clerk.page.get_by_role("link", name=f"Télécharger {export['label']}"))
    assert clerk.page.evaluate("window.isTheSamePage")
    clerk.download(export)
    clerk.deposit(export)
    clerk.answer(export)
    visitor.forgive("net::ERR_FAILED", "Failed to fetch")


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "no scripts"])
def test_rejected_then_corrected_then_accepted(visit: Visit, site: Site, *, has_scripts: bool) -> None:
    clerk = Clerk(site, visit(STRANGER, java_script_enabled=has_scripts), is_live=False)
    page, liste = clerk.page, Liste.PRINCIPALE
    first = clerk.ask(liste, "CSV")
    wait_until(lambda: clerk.row(first)["status"] == "ready", message="the file")
    clerk.deposit(first)
    clerk.answer(first, "rejeté", "Ligne 3 : la commune de naissance est inconnue.")
    clerk.go("taches")
    task = page.get_by_role("listitem").filter(has_text="Corriger la liste principale")
    expect(task).to_contain_text("La plateforme l'a rejetée le")
    task.get_by_role("link").click()
    expect(page.get_by_role("main")).to_contain_text("Ligne 3 : la commune de naissance est inconnue.")
    clerk.go("dossier")
    expect(page.get_by_role("main")).to_contain_text("Il manque la liste principale")
    expect(page.get_by_role("group", name=liste.label).get_by_role("radio", checked=True)).to_have_value("")
    same = clerk.ask(liste, "CSV")
    wait_until(lambda: clerk.row(same)["status"] == "ready", message="the file, as it was")
    clerk.go("taches")
    expect(task).to_contain_text("la même que celle que la plateforme a rejetée")
    expect(page.get_by_role("main")).not_to_contain_text("Déposer sur e-listelec")
    with site.town.engine.begin() as connection:
        where = f"code_commune = '{first['code_commune']}' AND liste = 'P'"
        one = f"SELECT min(id) FROM electeur WHERE {where}"  # noqa: S608 — ours
        place = f"VILLENEUVE {first['export_id']}"
        connection.exec_driver_sql(f"UPDATE electeur SET commune_naissance = '{place}' WHERE id = ({one})")  # noqa: S608
    second = clerk.ask(liste, "CSV")
    wait_until(lambda: clerk.row(second)["status"] == "ready", message="the file, corrected")
    clerk.go("taches")
    expect(page.get_by_role("main")).to_contain_text("Déposer sur e-listelec")
    clerk.go("dossier")
    checked = page.get_by_role("group", name=liste.label).get_by_role("radio", checked=True)
    expect(checked).to_have_value(str(second["export_id"]))
    clerk.deposit(second)
    clerk.answer(second)
    clerk.go("taches")
    expect(page.get_by_role("main")).not_to_contain_text("Corriger la liste principale")


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_tableau_is_posted_and_its_certificate_taken_then_signed(
    visit: Visit, site: Site, *, has_scripts: bool
) -> None:
    scrutin = demo_calendrier(site.today).scrutin
    export = site.town.wait_for(site.town.ask_tableaux(types=["cinq_jours_reu"], scrutin=scrutin))[0]
    with site.town.engine.begin() as connection:
        fit = "UPDATE export SET bloquantes = 0, a_completer = 0, provisoire_until = NULL"
        connection.exec_driver_sql(f"{fit} WHERE id = {export['export_id']}")
    page = visit(java_script_enabled=has_scripts).page
    address = f"/communes/{LIBREVILLE}/exports/{export['export_id']}"
    page.goto(address)
    page.get_by_role("link", name="Noter la publication").click()
    for name in ("Premier jour", "Dernier jour"):
        page.get_by_label(name).fill(site.today.isoformat())
    page.get_by_role("button", name="Enregistrer").click()
    link = page.get_by_role("link", name="Télécharger le certificat")
    if has_scripts:
        expect(link).to_be_visible()
    else:
        reload_until(link, "the certificate")
    with page.expect_download() as waited:
        link.click()
    assert waited.value.path().read_bytes().startswith(b"%PDF-")
    page.get_by_label("Certificat signé le").fill(site.today.isoformat())
    page.get_by_role("button", name="Enregistrer").click()
    said = page.get_by_text("Gardez l'original signé avec le tableau.")
    if has_scripts:
        expect(said).to_be_visible()
    else:
        reload_until(said, "the signature, noted")
    page.goto(address)
    expect(page.get_by_text("certifié", exact=True)).to_be_visible()
