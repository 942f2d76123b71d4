"""The main path by keyboard alone: Tab, Space and Enter; what has the focus is always seen."""

import hashlib

import pytest
from playwright.sync_api import Error, Locator, Page, expect

from tests.parts.wait import wait_until
from tests.web.conftest import Visit
from tests.web.neighbours import GRANDVILLE, STRANGER
from tests.web.site import Site

pytestmark = pytest.mark.web

_MOST_STOPS = 120
_IS_SEEN = """() => {
  const it = document.activeElement, box = it.getBoundingClientRect(), style = getComputedStyle(it);
  return it === document.body || (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
    && box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth);
}"""


class Keyboard:
    """A page without a mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def reach(self, target: Locator) -> None:
        """Press Tab until it has the focus; at each stop, one sees where one is."""
        expect(target).to_be_attached()
        for _ in range(_MOST_STOPS):
            self.page.keyboard.press("Tab")
            self._see()
            if target.evaluate("it => it === document.activeElement"):
                return
        raise AssertionError(f"{target} is not reached by Tab")

    def _see(self) -> None:
        """A part of the page that changes just now may move it away for a moment."""
        try:
            self.page.wait_for_function(_IS_SEEN)
        except Error:
            element = self.page.evaluate("document.activeElement.outerHTML.slice(0, 300)")
            raise AssertionError(f"what has the focus is not seen: {element}") from None

    def reach_any(self, group: Locator) -> None:
        """Press Tab until one of them has the focus."""
        names = {it.get_attribute("name") for it in group.all()}
        for _ in range(_MOST_STOPS):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("document.activeElement.name") in names:
                return
        raise AssertionError(f"{group} is not reached by Tab")

    def press(self, target: Locator, key: str = "Enter") -> None:
        self.reach(target)
        self.page.keyboard.press(key)

    def type(self, target: Locator, text: str) -> None:
        self.reach(target)
        self.page.keyboard.type(text)


@pytest.mark.slow
def test_from_the_door_to_the_deposit(visit: Visit, site: Site) -> None:
    page = visit(STRANGER).page
    keys, role = Keyboard(page), page.get_by_role
    page.goto("/")
    keys.press(role("link", name="Aller au contenu"))
    expect(page.locator("main")).to_be_focused()
    page.goto("/")
    keys.press(role("navigation", name="Navigation principale").get_by_role("link", name="Liste électorale"))
    expect(role("heading", name="Liste électorale", exact=True)).to_be_visible()
    for other in ("Liste principale", "Liste complémentaire européenne"):
        keys.press(role("checkbox", name=other), "Space")
    keys.press(role("button", name="Génération du fichier"))
    query = "SELECT * FROM derniers_exports WHERE code_commune = :here AND status = 'ready' AND deposited_on IS NULL"
    made = wait_until(lambda: site.town.rows(query, here=GRANDVILLE), message="the file")
    export = made[-1]
    expect(page.get_by_text(f"Prêt : {export['label']}")).to_be_attached()
    with page.expect_download() as waited:
        keys.press(role("link", name=f"Télécharger {export['label']}").first)
    assert hashlib.sha256(waited.value.path().read_bytes()).hexdigest() == export["sha256"]

    page.goto("/")
    keys.press(role("navigation", name="Navigation principale").get_by_role("link", name="Dépôts"))
    expect(role("heading", name="Dépôts", exact=True)).to_be_visible()
    keys.press(role("checkbox", name=export["label"]), "Space")
    keys.type(page.get_by_label("Remarque"), "Au clavier.")
    keys.press(role("button", name="Marquer comme déposé"))
    query = "SELECT 1 FROM derniers_exports WHERE export_id = :export AND remarque = 'Au clavier.'"
    wait_until(lambda: site.town.rows(query, export=export["export_id"]), message="the deposit")
