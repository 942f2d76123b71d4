"""Motifs by keyboard, doubts, a meeting: in a real browser, with scripts and without, by broker, worker, database."""

import os
import re
from datetime import timedelta
from signal import SIGCONT, SIGSTOP

import pytest
from playwright.sync_api import expect

from schemas.vocabulary import Categorie
from tests.parts.wait import wait_until
from tests.web.conftest import Visit
from tests.web.filled import Filled
from tests.web.neighbours import CLERK, LIBREVILLE
from tests.web.noted import DOUBT
from tests.web.site import Site, path_of
from tests.web.test_browser_keyboard import Keyboard
from tests.web.test_browser_pages import violations

pytestmark = [pytest.mark.web, pytest.mark.usefixtures("filled"), pytest.mark.slow]

SCRIPTS = pytest.mark.parametrize("with_scripts", [True, False], ids=["scripts", "no-scripts"])


def _without_motif(site: Site, nature: str) -> list[int]:
    """Two mouvements of that nature of which nobody says why."""
    query = "SELECT id FROM mouvement WHERE code_commune = :here AND nature = :nature ORDER BY id DESC LIMIT 2"
    numbers = [row["id"] for row in site.town.rows(query, here=LIBREVILLE, nature=nature)]
    with site.town.engine.begin() as connection:
        for number in numbers:
            connection.exec_driver_sql(f"UPDATE mouvement SET categorie = '', motif = '' WHERE id = {number}")  # noqa: S608
    return numbers


def _categories(site: Site, numbers: list[int]) -> list[str]:
    known = {row["id"]: row["categorie"] for row in site.town.rows("SELECT id, categorie FROM mouvement")}
    return [known[number] for number in numbers]


def _trail(site: Site, action: str) -> list[str]:
    query = "SELECT detail FROM journal WHERE code_commune = :here AND action = :action AND actor = :who ORDER BY at"
    return [row["detail"] for row in site.town.rows(query, here=LIBREVILLE, action=action, who=CLERK)]


@SCRIPTS
def test_motifs_are_completed_by_keyboard(visit: Visit, site: Site, *, with_scripts: bool) -> None:
    first, second = _without_motif(site, "radiation")
    page = visit(CLERK, java_script_enabled=with_scripts).page
    page.goto(path_of("motifs"))
    if with_scripts:
        keys = Keyboard(page)
        for number in (first, second):
            page.locator(f"#categorie-{number}").focus()
            page.keyboard.press("D")  # « Décès »
            page.keyboard.press("Tab")
            page.keyboard.type("acte transmis")
        keys.press(page.get_by_role("button", name="Enregistrer"))
    else:
        for number in (first, second):
            page.locator(f"#categorie-{number}").select_option("Décès")
            page.locator(f"#motif-{number}").fill("acte transmis")
        page.get_by_role("button", name="Enregistrer").click()
    deces = [Categorie.RADIATION_DECES.value] * 2
    wait_until(lambda: _categories(site, [first, second]) == deces, message="the motifs in the register")
    if not with_scripts:
        page.goto(path_of("motifs"))
    expect(page.locator(f"#categorie-{first}")).to_have_count(0)
    assert _trail(site, "motifs_completed")[-1] == "la date ou le motif de 2 mouvements a été complété"
    wait_until(lambda: _trail(site, "electeurs_seen"), message="that the page was seen")


def test_what_she_writes_meanwhile_is_not_lost(visit: Visit, site: Site) -> None:
    """The page that says « se recharge d'elle-même » does not while she writes on it, nor after a fault."""
    day, visitor = site.today - timedelta(days=2), visit(CLERK)
    page = visitor.page
    notice = page.locator("#enregistrement")
    page.goto(path_of("reunions"))
    for pid in site.worker.family:
        os.kill(pid, SIGSTOP)
    try:
        page.get_by_label("Jour de la réunion").fill(day.isoformat())
        page.get_by_role("button", name="Noter la réunion").click()
        expect(notice).to_contain_text("Enregistrement en cours")
        page.get_by_role("button", name="Ajouter le scrutin").click()
        expect(page).to_have_title(re.compile("^Erreur"))
        expect(notice).to_contain_text("Enregistrement en cours")
        page.get_by_label("Ce qu'on élit").fill("Élection municipale partielle")
    finally:
        for pid in site.worker.family:
            os.kill(pid, SIGCONT)
    expect(notice).to_contain_text(f"Enregistré : réunion du {day:%d/%m/%Y}. Actualiser la page")
    expect(page.get_by_label("Ce qu'on élit")).to_have_value("Élection municipale partielle")
    notice.get_by_role("link", name="Actualiser la page").click()
    expect(page.get_by_role("link", name=f"Corriger la réunion du {day:%d/%m/%Y}")).to_be_visible()
    visitor.forgive("422 (Unprocessable")


def _plant_doubt(site: Site) -> None:
    with site.town.engine.begin() as connection:
        for statement in (
            "DELETE FROM doubt WHERE id = 901",
            "DELETE FROM mouvement WHERE id IN (9001, 9002)",
            "DELETE FROM import WHERE id = 900",
            *DOUBT,
        ):
            connection.exec_driver_sql(statement)


@SCRIPTS
def test_a_doubt_is_decided(visit: Visit, site: Site, *, with_scripts: bool) -> None:
    _plant_doubt(site)
    visitor = visit(CLERK, java_script_enabled=with_scripts)
    visitor.page.goto(path_of("doutes"))
    expect(visitor.page.get_by_role("rowheader", name="Date de naissance diffère")).to_be_visible()
    visitor.page.get_by_role("button", name="Même personne (doute n° 901)").click()
    expect(visitor.page).to_have_title(re.compile("^Erreur"))
    visitor.forgive("422 (Unprocessable Entity)")
    visitor.page.get_by_role("link", name="Doute n° 901", exact=True).click()
    visitor.page.get_by_role("checkbox", name="J'ai vérifié dans le REU (doute n° 901)").check()
    visitor.page.get_by_role("button", name="Même personne (doute n° 901)").click()
    query = "SELECT decision, decided_by FROM doubt WHERE id = 901 AND decision <> ''"
    (row,) = wait_until(lambda: site.town.rows(query), message="the decision") or []
    assert (row["decision"], row["decided_by"]) == ("same_person", CLERK)
    if not with_scripts:
        visitor.page.goto(path_of("doutes"))
    expect(visitor.page.get_by_text("Aucun doute à trancher.")).to_be_visible()


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


def test_a_meeting_is_noted_and_taken_away(visit: Visit, site: Site, filled: Filled) -> None:
    assert filled.tableau
    day = site.today - timedelta(days=1)
    page = visit(CLERK).page
    page.goto(path_of("reunions"))
    page.get_by_label("Jour de la réunion").fill(day.isoformat())
    page.get_by_role("button", name="Noter la réunion").click()
    query = "SELECT 1 FROM reunions WHERE code_commune = :here AND jour = :day"
    asked = {"here": LIBREVILLE, "day": day}
    wait_until(lambda: site.town.rows(query, **asked), message="the meeting")
    expect(page.get_by_text(f"Enregistré : réunion du {day:%d/%m/%Y}.")).to_be_visible()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=f"Corriger la réunion du {day:%d/%m/%Y}"))
    row.get_by_text("Retirer", exact=True).click()
    row.get_by_role("button").click()
    wait_until(lambda: not site.town.rows(query, **asked), message="that it is gone")
