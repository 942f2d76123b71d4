"""A clerk's actions on pages: by mouse, by keyboard, without scripts; elements are found by their visible names."""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from playwright.sync_api import Error, Locator, Page, expect

from tests.parts.browser import PATIENCE_MS, reload_until

_NAVIGATION = "Navigation principale"
_MOST_STOPS = 120
_IS_SEEN = """() => {
  const it = document.activeElement, box = it.getBoundingClientRect(), style = getComputedStyle(it);
  return it === document.body || it.tabIndex < 0 || (style.outlineStyle !== 'none'
    && parseFloat(style.outlineWidth) >= 2 && box.width > 0
    && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth);
}"""


class Mouse:
    """Clicks; in a browser without scripts, reloads pages that do not change by themselves."""

    def __init__(self, page: Page, downloads: Path, *, is_live: bool = True) -> None:
        self.page, self._downloads, self._is_live = page, downloads, is_live

    def open(self, path: str) -> None:
        self.page.goto(path)

    def follow(self, link: str) -> None:
        self._leave(self.page.get_by_role("main").get_by_role("link", name=link).first)

    def go(self, page: str) -> None:
        link = self.page.get_by_role("navigation", name=_NAVIGATION).get_by_role(
            "link", name=page, exact=True
        )
        self._leave(link)
        expect(link).to_have_attribute("aria-current", "page")

    def press(self, button: str) -> None:
        self._leave(self.page.get_by_role("main").get_by_role("button", name=button).first)

    def tick(self, label: str, *, within: str = "", ticked: bool = True) -> None:
        place = (
            self.page.get_by_role("region", name=within)
            if within
            else self.page.get_by_role("main")
        )
        named = re.compile(f"^{re.escape(label)}")
        either = place.get_by_role("checkbox", name=named).or_(
            place.get_by_role("radio", name=named)
        )
        self._set(either.first, ticked)

    def write(self, label: str, value: str | date) -> None:
        field = self.page.get_by_role("main").get_by_label(label)
        typed = field.and_(
            self.page.locator("input, textarea")
        )  # a select's label holds its options
        self._fill(typed.first, value)

    def choose_all(self, label: str, options: Mapping[str, str]) -> int:
        chosen = 0
        for box in self.page.get_by_role("combobox", name=re.compile(f"^{label}")).all():
            name = box.get_attribute("aria-label") or ""
            self._choose(box, next(option for word, option in options.items() if word in name))
            chosen += 1
        return chosen

    def attach(self, label: str, path: Path) -> None:
        self.page.get_by_label(label, exact=True).set_input_files(path)

    def sees(self, words: str) -> None:
        main = self.page.get_by_role("main")
        if self._is_live:
            expect(main).to_contain_text(words, use_inner_text=True)
        elif self.page.get_by_text(words).count() == 0:
            reload_until(self.page.get_by_text(words), words)

    def download(self, name: str) -> Path:
        either = self.page.get_by_role("link", name=name).or_(
            self.page.get_by_role("button", name=name)
        )
        with self.page.expect_download(timeout=PATIENCE_MS) as waited:
            self._activate(either.first)
        path = self._downloads / waited.value.suggested_filename
        waited.value.save_as(path)
        return path

    def _leave(self, target: Locator) -> None:
        """Go to another page, and wait for it: input on the old page would be lost meanwhile."""
        with self.page.expect_event("domcontentloaded", timeout=PATIENCE_MS):
            self._activate(target)

    def _activate(self, target: Locator) -> None:
        target.click()

    def _set(self, box: Locator, ticked: bool) -> None:
        box.set_checked(ticked)

    def _fill(self, field: Locator, value: str | date) -> None:
        field.fill(value.isoformat() if isinstance(value, date) else value)

    def _choose(self, box: Locator, option: str) -> None:
        box.select_option(option)


class Counting(Mouse):
    """The same, counting acts and words: a line of a page is read once.

    An act is a click, a filled field, a choice in a list (two), or a file (three: button, file, « Ouvrir »).
    """

    def __init__(self, page: Page, downloads: Path) -> None:
        super().__init__(page, downloads)
        self.acts = self.words = 0
        self.read_on: dict[str, int] = {}
        """Words by title of the page."""
        self._known: set[str] = set()

    def open(self, path: str) -> None:
        super().open(path)
        self._read()

    def sees(self, words: str) -> None:
        super().sees(words)
        self._read()

    def attach(self, label: str, path: Path) -> None:
        super().attach(label, path)
        self.acts += 3

    def _leave(self, target: Locator) -> None:
        super()._leave(target)
        self._read()

    def _activate(self, target: Locator) -> None:
        super()._activate(target)
        self.acts += 1

    def _set(self, box: Locator, ticked: bool) -> None:
        self.acts += box.is_checked() != ticked
        super()._set(box, ticked)

    def _fill(self, field: Locator, value: str | date) -> None:
        super()._fill(field, value)
        self.acts += 1

    def _choose(self, box: Locator, option: str) -> None:
        super()._choose(box, option)
        self.acts += 2

    def _read(self) -> None:
        lines = {
            line.strip() for line in self.page.get_by_role("main").inner_text().splitlines()
        } - self._known
        self._known |= lines
        words, title = (
            sum(len(line.split()) for line in lines),
            self.page.title().partition(" – ")[0],
        )
        self.words += words
        self.read_on[title] = self.read_on.get(title, 0) + words


class Keys(Mouse):
    """Tab, Space, Enter, arrows and letters; at each stop the focused element must be visible."""

    def open(self, path: str) -> None:
        super().open(path)
        self._activate(self.page.get_by_role("link", name="Aller au contenu"))
        expect(self.page.locator("main")).to_be_focused()

    def attach(self, label: str, path: Path) -> None:
        with self.page.expect_file_chooser() as waited:
            self._activate(self.page.get_by_label(label, exact=True))
        waited.value.set_files(path)

    def _activate(self, target: Locator) -> None:
        self._press(target, "Enter")

    def _set(self, box: Locator, ticked: bool) -> None:
        if box.is_checked() == ticked:
            return
        if box.get_attribute("type") == "checkbox":
            self._press(box, "Space")
            return
        group = self.page.locator(f"input[type=radio][name={box.get_attribute('name')}]")
        self._reach_any(group)
        self.page.keyboard.press("Space")
        for _ in range(group.count()):
            if box.is_checked():
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"{box} is not chosen by the arrows")

    def _fill(self, field: Locator, value: str | date) -> None:
        self._reach(field)
        if isinstance(value, str):
            self.page.keyboard.type(value)
            return
        if field.get_attribute("type") == "text":
            self.page.keyboard.type(f"{value:%d%m%Y}")
            return
        for order in ("%d%m%Y", "%m%d%Y"):  # in the browser's own language
            self.page.keyboard.type(value.strftime(order))
            if field.input_value() == value.isoformat():
                return
            for _ in "dmY":
                self.page.keyboard.press("ArrowLeft")
        raise AssertionError(f"{value} cannot be typed in {field}")

    def _choose(self, box: Locator, option: str) -> None:
        """Type what begins the option. A letter with an accent is no key here: it would go to the last text field."""
        self._reach(box)
        self.page.keyboard.type(next(iter(re.findall(r"^[ -~]+", option)), ""))
        options = box.locator("option").all_inner_texts()
        for _ in options:
            if box.locator("option:checked").inner_text() == option:
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"{option} cannot be chosen among {options}")

    def _press(self, target: Locator, key: str) -> None:
        self._reach(target)
        self.page.keyboard.press(key)

    def _reach(self, target: Locator) -> None:
        """Press Tab until it has the focus; each stop must be visible."""
        expect(target).to_be_attached()
        for _ in range(_MOST_STOPS):
            self.page.keyboard.press("Tab")
            # a part of the page that is being replaced may hide it for a moment
            try:
                self.page.wait_for_function(_IS_SEEN)
                if target.evaluate("it => it === document.activeElement"):
                    return
            except Error as error:
                if (
                    "context was destroyed" in error.message
                ):  # the page loads itself again, with what was recorded
                    self.page.wait_for_load_state("domcontentloaded")
                    continue
                element = self.page.evaluate("document.activeElement.outerHTML.slice(0, 300)")
                raise AssertionError(f"what has the focus is not seen: {element}") from None
        raise AssertionError(f"{target} is not reached by Tab")

    def _reach_any(self, group: Locator) -> None:
        """Press Tab until one of them has the focus."""
        names = {it.get_attribute("name") for it in group.all()}
        for _ in range(_MOST_STOPS):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("document.activeElement.name") in names:
                return
        raise AssertionError(f"{group} is not reached by Tab")
