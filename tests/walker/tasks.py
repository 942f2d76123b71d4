"""The tasks of « À faire », as its page shows them."""

import re
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from lxml.html import HtmlElement

from tests.walker.browser import Page, words_of

_DUE = re.compile(r"Au plus tard le \w+ (\d+)(?:er)? (\w+) (\d{4})")
_MONTHS = (
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
)
_GROUPS = {"a": "to_do", "b": "to_come", "c": "unknown", "d": "done"}


class Task(NamedTuple):
    """One task: what it says, where its button leads, and its legal day."""

    group: str
    """to_do, to_come, unknown or done."""
    title: str
    why: str
    button: str
    href: str
    due: date | None

    @property
    def identity(self) -> tuple[str, ...]:
        """What is the same on the next reading if nothing has changed, even if a file was made again."""
        return self.group, self.title, self.why, re.sub(r"/\d+", "", self.href)

    def __str__(self) -> str:
        return (
            f"[{self.group}] {self.title} | {self.why} | {self.button} -> {self.href} | {self.due}"
        )


def read_tasks(page: Page) -> list[Task]:
    """Return the tasks in the order of the page."""
    found = page.main.xpath(".//li[.//h3[starts-with(@id, 'tache-')]]")
    return [_read(it) for it in found]


def open_ones(tasks: Sequence[Task]) -> list[Task]:
    return [it for it in tasks if it.group == "to_do"]


def _read(item: HtmlElement) -> Task:
    (heading,), paragraphs = item.xpath(".//h3"), item.xpath(".//p")
    (link,) = item.xpath(".//a[contains(@class, 'button')]")
    due = None
    for it in paragraphs:
        if said := _DUE.search(words_of(it)):
            due = date(int(said[3]), _MONTHS.index(said[2]) + 1, int(said[1]))
    group = _GROUPS[heading.get("id").removeprefix("tache-")[0]]
    return Task(
        group, words_of(heading), words_of(paragraphs[0]), words_of(link), link.get("href"), due
    )
