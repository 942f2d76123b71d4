"""« Sauvegarder » on one computer, « Restaurer » on an empty one, without scripts."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.integration.test_solo_run import READY, Desk
from tests.parts.browser import NARROW, Visitor, reload_until
from tests.parts.databases import SqliteFiles
from tests.parts.ports import LOOPBACK
from tests.parts.town import LIBREVILLE_TEMPLATE
from tests.parts.wait import wait_until
from tests.web.test_browser_pages import violations, wide

pytestmark = pytest.mark.slow

PAGE = "/communes/13900/sauvegarde"
PHRASE = "correcte, cheval, agrafe "


@pytest.fixture
def desks(tmp_path: Path, sqlite_files: SqliteFiles) -> Iterator[tuple[Desk, Desk]]:
    """A town hall's computer with a list file, and an empty one."""
    desks = []
    for name in ("ancien", "nouveau"):
        (tmp_path / name).mkdir()
        desks.append(Desk(tmp_path / name))
    old, new = desks
    sqlite_files.create(old.home / "prefecture.db", LIBREVILLE_TEMPLATE)
    with closing(sqlite3.connect(old.home / "prefecture.db")) as connection, connection:
        connection.execute("UPDATE agent SET name = 'etat-civil'")
        connection.execute("UPDATE import SET taken_on = '2026-03-02'")
    yield old, new
    for desk in desks:
        if desk.process:
            desk.process.kill()


def test_a_computer_is_saved_and_goes_on_on_an_empty_one(
    desks: tuple[Desk, Desk], browser: Browser, tmp_path: Path
) -> None:
    old, new = desks
    old.open()
    old.press_the_button("csv")
    ((name, _),) = wait_until(lambda: old.rows(READY), message="the file")
    saved = _save_all(browser, old, tmp_path)
    new.open()
    visitor = _enter(browser, new)
    page = visitor.page
    page.goto(PAGE)
    _refuse_what_is_no_backup(page, new, saved)
    visitor.forgive("422 (Unprocessable Entity)")
    _note_a_meeting(page, new)

    page.goto(PAGE)
    _give(page, saved, PHRASE)
    shown = page.locator("#verifiee").inner_text()
    assert "LIBREVILLE (13900)" in shown
    assert "02/03/2026" in shown
    assert "1 acte noté sur cet ordinateur n'est pas dans la sauvegarde" in shown
    page.get_by_role("button", name="Ne rien remplacer").click()
    assert page.locator("#verifiee").count() == 0
    assert list(new.home.glob(".restauration-*")) == []

    _give(page, saved, PHRASE)
    _look(browser, new)
    page.get_by_role("button", name="Remplacer par cette sauvegarde").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Sauvegarde remise en place"
    page.get_by_role("link", name="Ouvrir").click()
    reload_until(page.locator(".who", has_text="etat-civil"), message="the screen of who was saved")
    page.goto("/communes/13900/exports")
    assert page.locator("tr[id^=fichier-]").count() == 1
    page.goto("/communes/13900/journal")
    assert "Sauvegarde remise en place" in page.locator("tbody tr").first.inner_text()
    visitor.close()

    assert [row[0] for row in new.rows(READY)] == [name]
    assert (new.home / "exports" / "13900" / name).exists()
    assert new.rows(
        "SELECT words FROM audit JOIN audit_word ON pseudonym = actor WHERE action = 'backup_restored'"
    ) == [("etat-civil",)]
    (former,) = new.home.glob("avant-restauration-*")
    assert (former / "prefecture.db").exists()
    new.press_the_button("xml")
    wait_until(lambda: len(new.rows(READY)) == 2, message="a file made by the screen that opened again")
    assert "Traceback" not in new.said()


def _save_all(browser: Browser, desk: Desk, folder: Path) -> Path:
    """The backup, after two refused passphrases."""
    visitor = _enter(browser, desk)
    page = visitor.page
    page.get_by_role("link", name="Sauvegarde").click()
    _save(page, "court", "court")
    assert "12 caractères au moins" in page.locator("#fautes").inner_text()
    _save(page, PHRASE, "une autre phrase")
    assert "donnez-la deux fois" in page.locator("#fautes").inner_text()
    with page.expect_download() as arriving:
        _save(page, PHRASE, PHRASE)
    saved = folder / arriving.value.suggested_filename
    arriving.value.save_as(saved)
    assert saved.suffix == ".sauvegarde"
    assert desk.rows("SELECT words FROM audit JOIN audit_word ON pseudonym = actor WHERE action = 'backup_made'") == [
        ("etat-civil",)
    ]
    assert list(desk.home.glob(".sauvegarde-*")) == []
    visitor.forgive("422 (Unprocessable Entity)")
    visitor.close()
    return saved


def _refuse_what_is_no_backup(page: Page, desk: Desk, saved: Path) -> None:
    before = desk.rows("SELECT max(id) FROM import")
    broken = saved.with_name("coupee.sauvegarde")
    broken.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    for file, phrase, words in (
        (saved, "ce n'est pas elle", "Ce n'est pas la phrase de passe de cette sauvegarde"),
        (broken, PHRASE, "Rien n'a été remplacé"),
        (desk.log, PHRASE, "n'est pas une sauvegarde de ce module"),
    ):
        _give(page, file, phrase)
        assert words in page.locator("#ennui").inner_text()
        assert desk.rows("SELECT max(id) FROM import") == before
        assert list(desk.home.glob(".restauration-*")) == []


def _note_a_meeting(page: Page, desk: Desk) -> None:
    page.goto("/communes/13900/reunions")
    page.get_by_label("Jour de la réunion").first.fill("2026-03-01")
    page.get_by_role("button", name="Noter la réunion").first.click()
    wait_until(lambda: desk.rows("SELECT 1 FROM audit WHERE action = 'reunion_changed'"), message="the meeting")


def _enter(browser: Browser, desk: Desk) -> Visitor:
    visitor = Visitor(browser, f"http://{LOOPBACK}:{desk.port}", java_script_enabled=False)
    visitor.page.goto(desk.opening)
    return visitor


def _save(page: Page, phrase: str, again: str) -> None:
    page.get_by_label("Phrase de passe", exact=True).fill(phrase)
    page.get_by_label("La même phrase").fill(again)
    page.get_by_role("button", name="Sauvegarder", exact=True).click()


def _give(page: Page, file: Path, phrase: str) -> None:
    page.get_by_label("Fichier de la sauvegarde").set_input_files(file)
    page.get_by_label("Phrase de passe de cette sauvegarde").fill(phrase)
    page.get_by_role("button", name="Vérifier la sauvegarde").click()


def _look(browser: Browser, desk: Desk) -> None:
    """Check the page with everything that it can contain, in light and dark mode, and narrow."""
    for options in ({"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": NARROW}):
        visitor = Visitor(browser, f"http://{LOOPBACK}:{desk.port}", **options)
        visitor.page.goto(desk.opening)
        visitor.page.goto(PAGE)
        assert visitor.page.locator("#verifiee").count() == 1
        assert violations(visitor.page) + wide(visitor.page) == []
        visitor.close()


def test_a_form_of_another_session_saves_nothing(desks: tuple[Desk, Desk]) -> None:
    old, _ = desks
    old.open()
    for path in (PAGE, f"{PAGE}/verifier", f"{PAGE}/restaurer", f"{PAGE}/laisser"):
        assert old.ask("POST", path, jeton="x", phrase=PHRASE, confirmation=PHRASE)[0] == 403
        assert old.ask("GET", path.replace("13900", "13055"))[0] in {404, 405}
    stranger = Desk(old.home)
    stranger.port = old.port
    assert stranger.ask("GET", PAGE)[0] == 401
