"""A clerk's actions on pages: by mouse, by keyboard, without scripts; elements are found by their visible names."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path

from playwright.sync_api import Error, Locator, Page, expect

from tests.parts.browser import PATIENCE_MS, reload_until
from tests.parts.firefox import BrowserRefusedError, Element, Firefox
from tests.parts.wait import wait_until

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
        link = self.page.get_by_role("navigation", name=_NAVIGATION).get_by_role("link", name=page, exact=True)
        self._leave(link)
        expect(link).to_have_attribute("aria-current", "page")

    def press(self, button: str) -> None:
        self._leave(self._button(button))

    def tick(self, label: str, *, within: str = "", ticked: bool = True) -> None:
        place = self.page.get_by_role("region", name=within) if within else self.page.get_by_role("main")
        named = re.compile(f"^{re.escape(label)}")
        either = place.get_by_role("checkbox", name=named).or_(place.get_by_role("radio", name=named))
        self._set(either.first, ticked)

    def write(self, label: str, value: str | date) -> None:
        field = self.page.get_by_role("main").get_by_label(label)
        self._fill(field.first, value)

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
        either = self.page.get_by_role("link", name=name).or_(self.page.get_by_role("button", name=name))
        with self.page.expect_download(timeout=PATIENCE_MS) as waited:
            self._activate(either.first)
        path = self._downloads / waited.value.suggested_filename
        waited.value.save_as(path)
        return path

    def _button(self, name: str) -> Locator:
        return self.page.get_by_role("main").get_by_role("button", name=name).first

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
        for order in ("%d%m%Y", "%m%d%Y"):  # in the browser's own language
            self.page.keyboard.type(value.strftime(order))
            if field.input_value() == value.isoformat():
                return
            for _ in "dmY":
                self.page.keyboard.press("ArrowLeft")
        raise AssertionError(f"{value} cannot be typed in {field}")

    def _choose(self, box: Locator, option: str) -> None:
        self._reach(box)
        self.page.keyboard.type(option)
        expect(box.locator("option:checked")).to_have_text(option)

    def _press(self, target: Locator, key: str) -> None:
        self._reach(target)
        self.page.keyboard.press(key)

    def _reach(self, target: Locator) -> None:
        """Press Tab until it has the focus; each stop must be visible."""
        expect(target).to_be_attached()
        for _ in range(_MOST_STOPS):
            self.page.keyboard.press("Tab")
            self._see()
            if target.evaluate("it => it === document.activeElement"):
                return
        raise AssertionError(f"{target} is not reached by Tab")

    def _reach_any(self, group: Locator) -> None:
        """Press Tab until one of them has the focus."""
        names = {it.get_attribute("name") for it in group.all()}
        for _ in range(_MOST_STOPS):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("document.activeElement.name") in names:
                return
        raise AssertionError(f"{group} is not reached by Tab")

    def _see(self) -> None:
        """A part of the page that is being replaced may hide it for a moment."""
        try:
            self.page.wait_for_function(_IS_SEEN)
        except Error:
            element = self.page.evaluate("document.activeElement.outerHTML.slice(0, 300)")
            raise AssertionError(f"what has the focus is not seen: {element}") from None


_FIND = r"""
const [selector, words, how, within] = arguments;
const plain = text => (text || '').replace(/\s+/g, ' ').trim();
const nameOf = it => plain(it.getAttribute('aria-label')
  || (it.labels && it.labels.length ? [...it.labels].map(label => label.textContent).join(' ') : it.textContent));
const places = within ? [...document.querySelectorAll('main section[aria-labelledby]')].filter(
  it => plain(document.getElementById(it.getAttribute('aria-labelledby')).textContent) === plain(within)) : [document];
const isIt = {exact: it => it === plain(words), begins: it => it.startsWith(plain(words)),
  holds: it => it.includes(plain(words))}[how];
return places.flatMap(place => [...place.querySelectorAll(selector)]).filter(
  it => it.checkVisibility() && isIt(nameOf(it)));
"""
"""Visible elements by their accessible names."""

_LEAVE = "document.documentElement.dataset.isLeft = ''"
_IS_LEFT = "return document.readyState === 'complete' && !('isLeft' in document.documentElement.dataset)"
_SAID = r"return document.querySelector('main').innerText.replace(/\s+/g, ' ')"
_FIELDS = "main input:not([type=hidden]):not([type=checkbox]):not([type=radio]), main textarea, main select"


class Fox:
    """The same actions by mouse in Firefox."""

    def __init__(self, browser: Firefox, origin: str) -> None:
        self._browser, self._origin = browser, origin

    def open(self, path: str) -> None:
        self._browser.command("Navigate", url=f"{self._origin}{path}")

    def follow(self, link: str) -> None:
        self._leave("main a[href]", link)

    def go(self, page: str) -> None:
        selector = f"nav[aria-label='{_NAVIGATION}'] a[href]"
        self._leave(selector, page, "exact")
        wait_until(lambda: self._find(f"{selector}[aria-current=page]", page, "exact"), message=f"the page {page}")

    def press(self, button: str) -> None:
        self._leave("main button", button)

    def tick(self, label: str, *, within: str = "", ticked: bool = True) -> None:
        selector = "main input[type=checkbox], main input[type=radio]" if not within else "input"
        box = self._one(selector, label, "begins", within)
        if self._browser.run("return arguments[0].checked", box) != ticked:
            self._on("ElementClick", box)

    def write(self, label: str, value: str | date) -> None:
        field = self._one(_FIELDS, label)
        self._on("ElementClear", field)
        self._on("ElementSendKeys", field, text=value.isoformat() if isinstance(value, date) else value)

    def choose_all(self, label: str, options: Mapping[str, str]) -> int:
        boxes = self._find("main select", label, "begins")
        for box in boxes:
            name = self._browser.run("return arguments[0].getAttribute('aria-label')", box)
            wanted = next(option for word, option in options.items() if word in name)
            find = "return [...arguments[0].options].find(it => it.text === arguments[1])"
            self._on("ElementClick", self._browser.run(find, box, wanted))
        return len(boxes)

    def attach(self, label: str, path: Path) -> None:
        self._on("ElementSendKeys", self._one("main input[type=file]", label, "begins"), text=str(path))

    def sees(self, words: str) -> None:
        plain = " ".join(words.split())
        try:
            wait_until(lambda: plain in self._said(), message=words)
        except AssertionError as late:
            raise AssertionError(f"{late}, in {self._said()}") from None

    def download(self, name: str) -> Path:
        folder = self._browser.downloads
        before = set(folder.iterdir())
        self._click("main a[href], main button", name)

        def whole() -> Path | None:
            new = [path for path in folder.iterdir() if path not in before]
            is_whole = len(new) == 1 and new[0].suffix != ".part" and new[0].stat().st_size
            return new[0] if is_whole else None

        path = wait_until(whole, message=f"the file of {name}")
        assert path
        return path

    def _said(self) -> str:
        with suppress(BrowserRefusedError):  # between two pages
            return str(self._browser.run(_SAID))
        return ""

    def _leave(self, selector: str, words: str, how: str = "holds") -> None:
        """Go to another page, and wait for it."""
        self._browser.run(_LEAVE)
        self._click(selector, words, how)
        wait_until(self._has_left, message=f"the page behind {words}")

    def _has_left(self) -> bool:
        with suppress(BrowserRefusedError):  # between two pages
            return bool(self._browser.run(_IS_LEFT))
        return False

    def _click(self, selector: str, words: str, how: str = "holds") -> None:
        self._on("ElementClick", self._one(selector, words, how))

    def _one(self, selector: str, words: str, how: str = "holds", within: str = "") -> Element:
        found = wait_until(lambda: self._find(selector, words, how, within), message=f"{selector} called {words}")
        return found[0]

    def _find(self, selector: str, words: str, how: str, within: str = "") -> list[Element]:
        with suppress(BrowserRefusedError):
            found: list[Element] = self._browser.run(_FIND, selector, words, how, within)
            return found
        return []

    def _on(self, command: str, element: Element, **parameters: str) -> None:
        (reference,) = element.values()
        self._browser.command(command, id=reference, **parameters)
