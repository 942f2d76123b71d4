"""A browser without scripts: pages as trees, forms sent with all their fields, links that must lead to something."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urldefrag, urljoin

import httpx2
from lxml import html
from lxml.html import HtmlElement

Upload = tuple[str, bytes]
"""The name of a file and its content."""

_SPACES = re.compile(r"[\s\u00a0\u202f]+")


class DeadEndError(Exception):
    """The screen leads nowhere: what was expected, and what was found. The walker's own faults are other errors."""


def plain(text: str) -> str:
    """Return the text with each run of white space as one space."""
    return _SPACES.sub(" ", text).strip()


def words_of(element: HtmlElement) -> str:
    """Return what a person reads of the element."""
    return plain(" ".join(str(it) for it in element.itertext()))


@dataclass
class Form:
    """A form as its page shows it. A field that the caller does not fill keeps the value of the page."""

    page: "Page"
    element: HtmlElement
    values: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self._fields():
            self.values.setdefault(one.get("name", ""), [])
            self.values[one.get("name", "")] += self._sent(one)

    @property
    def action(self) -> str:
        return str(urljoin(self.page.address, self.element.get("action") or self.page.address))

    @property
    def method(self) -> str:
        return (self.element.get("method") or "get").upper()

    @property
    def words(self) -> str:
        return words_of(self.element)

    @property
    def around(self) -> str:
        """The words of the part of the page that holds the form."""
        return words_of(self.element.getparent())

    def has(self, name: str) -> bool:
        return name in self.values

    def choices(self, name: str) -> list[str]:
        """Return the values that a group of boxes or a select offers."""
        options = self.element.xpath(".//select[@name=$name]/option/@value", name=name)
        return [*options, *self.element.xpath(".//input[@name=$name]/@value", name=name)]

    def fill(self, name: str, *values: str) -> None:
        """Set a field of the form.

        Raises:
            DeadEndError: the form has no such field.
        """
        offered = self.choices(name) if self._is_choice(name) else values
        if name not in self.values or not set(values) <= set(offered):
            raise DeadEndError(f"{self.page.address}: the form has no field {name} for {values}")
        self.values[name] = list(values)

    def buttons(self) -> list[HtmlElement]:
        return list(self.element.xpath(".//button[@type='submit' or not(@type)]"))

    def faults(self) -> Iterator[str]:
        """Yield what a browser would say before it sends the form."""
        for one in self._fields():
            name = one.get("name", "")
            given = [it for it in self.values.get(name, []) if it] or [
                *self.files.get(name, ("",))[:1]
            ]
            if one.get("required") is not None and not any(given):
                yield f"{name} is required"
            last = one.get("max")
            if one.get("type") == "date" and last and any(it > last for it in given):
                yield f"{name} is after {last}"

    def _is_choice(self, name: str) -> bool:
        wanted = ".//select[@name=$n] | .//input[@name=$n and (@type='radio' or @type='checkbox')]"
        return bool(self.element.xpath(wanted, n=name))

    def _fields(self) -> list[HtmlElement]:
        found = self.element.xpath(".//input[@name] | .//select[@name] | .//textarea[@name]")
        return [it for it in found if it.get("type") not in {"submit", "button", "image"}]

    @staticmethod
    def _sent(one: HtmlElement) -> list[str]:
        """Return what a browser sends for a field that the person leaves alone."""
        if one.tag == "textarea":
            return [str(one.text or "")]
        if one.tag == "select":
            options = one.xpath("./option")
            chosen = [it for it in options if it.get("selected") is not None] or options[:1]
            return [it.get("value", words_of(it)) for it in chosen]
        if one.get("type") in {"checkbox", "radio"}:
            return [one.get("value", "on")] if one.get("checked") is not None else []
        return [] if one.get("type") == "file" else [one.get("value", "")]


@dataclass
class Page:
    """A page that was read."""

    address: str
    status: int
    tree: HtmlElement
    fragment: str = ""

    @property
    def main(self) -> HtmlElement:
        return next(iter(self.tree.xpath("//main")), self.tree)

    @property
    def words(self) -> str:
        return words_of(self.main)

    @property
    def title(self) -> str:
        return " ".join(words_of(it) for it in self.tree.xpath("//h1"))

    @property
    def faults(self) -> list[str]:
        """The errors that the page shows."""
        shown = self.main.xpath("//*[contains(@class, 'error-text')] | //*[@role='alert']")
        return [words_of(it) for it in shown]

    def forms(self, action: str = "", having: str = "") -> list[Form]:
        """Return the forms that go to an address with this ending, and have this field."""
        found = [Form(self, it) for it in self.main.xpath(".//form")]
        return [
            it
            for it in found
            if it.action.partition("?")[0].endswith(action) and (not having or it.has(having))
        ]

    def form(self, action: str = "", having: str = "") -> Form:
        """Return the first such form.

        Raises:
            DeadEndError: the page has none.
        """
        for it in self.forms(action, having):
            return it
        raise DeadEndError(
            f"{self.address} has no form to {action or 'anywhere'} with {having or 'fields'}"
        )

    @property
    def errors(self) -> tuple[str, ...]:
        """What the page says is wrong with its thing."""
        return tuple(
            words_of(it) for it in self.main.xpath(".//*[contains(@class, 'notice-error')]")
        )

    def links(self, ending: str = "") -> list[tuple[str, str]]:
        """Return the addresses and words of the links of the main part to a path with this ending."""
        found = [(str(it.get("href")), words_of(it)) for it in self.main.xpath(".//a[@href]")]
        return [it for it in found if urldefrag(it[0])[0].partition("?")[0].endswith(ending)]

    def require_link(self, ending: str) -> str:
        """Return the address of the first such link.

        Raises:
            DeadEndError: the page has none.
        """
        for address, _ in self.links(ending):
            return address
        raise DeadEndError(f"{self.address} does not lead to {ending}: {self.words[:600]}")


class Browser:
    """One clerk's browser. It keeps the walk: each page that was opened and each form that was sent.

    `settle` is called once a form was sent, before the next page is read.
    """

    def __init__(
        self, client: httpx2.Client, agent: str, walk: list[str], settle: Callable[[], None]
    ) -> None:
        self._client, self.agent, self._walk = client, agent, walk
        self._settle = settle

    def open(self, address: str) -> Page:
        """Follow a link.

        Raises:
            DeadEndError: there is no page, or the page has not the part that the link names.
        """
        address, fragment = urldefrag(address)
        self._walk.append(f"{self.agent} GET {address}{'#' + fragment if fragment else ''}")
        page = self._read(self._client.get(address, headers=self._headers), fragment)
        if page.status not in {200, 409}:
            raise DeadEndError(f"{address} answers {page.status}: {page.words[:300]}")
        if fragment and not page.tree.xpath("//*[@id=$id]", id=fragment):
            raise DeadEndError(f"{address} has no part #{fragment}")
        return page

    def send(self, form: Form, button: str = "") -> Page:
        """Press a button of the form, by a word of it; return the page that the browser shows then.

        Raises:
            DeadEndError: the browser or the server refuses the form.
        """
        page = self.try_to_send(form, button)
        if page.status != 200:
            raise DeadEndError(
                f"{form.action} answers {page.status}: {page.faults or page.words[:300]}"
            )
        return page

    def try_to_send(self, form: Form, button: str = "") -> Page:
        """Press a button; the page may be the form again with what is wrong."""
        pressed = next((it for it in form.buttons() if button in words_of(it)), None)
        if pressed is None:
            raise DeadEndError(
                f"{form.page.address}: the form to {form.action} has no button {button}"
            )
        if pressed.get("formnovalidate") is None and (faults := list(form.faults())):
            raise DeadEndError(
                f"{form.page.address}: the browser does not send: {', '.join(faults)}"
            )
        data = {name: values for name, values in form.values.items() if values and name}
        if pressed.get("name"):
            data[pressed.get("name")] = [pressed.get("value", "")]
        shown = {name: it for name, it in data.items() if name not in {"jeton", "formulaire"}}
        shown |= {name: [it[0]] for name, it in form.files.items()}
        self._walk.append(f"{self.agent} {form.method} {form.action} {shown}")
        if form.method == "GET":
            return self._read(self._client.get(form.action, params=data, headers=self._headers))
        files = {name: (it[0], it[1]) for name, it in form.files.items()}
        is_multipart = form.element.get("enctype") == "multipart/form-data"
        answer = self._client.post(
            form.action,
            data=data,
            files=files if files or not is_multipart else None,
            headers=self._headers | {"Origin": str(self._client.base_url).rstrip("/")},
        )
        self._settle()
        if answer.status_code == 303:
            return self.open(urljoin(form.action, answer.headers["location"]))
        return self._read(answer)

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-Remote-User": self.agent}

    def _read(self, answer: httpx2.Response, fragment: str = "") -> Page:
        is_page = "html" in answer.headers.get("content-type", "")
        tree = html.fromstring(answer.text if is_page and answer.text.strip() else "<html></html>")
        return Page(
            str(answer.url.copy_with(scheme="", host="").raw_path.decode()),
            answer.status_code,
            tree,
            fragment,
        )
