"""The mail as most clerks see it: the facts of the text, nothing fetched, nothing that a value could add."""

import re
from html.parser import HTMLParser

import pytest

from tests.unit.mail_cases import CASES, MAILS
from tests.unit.mail_samples import export, page, refused, report, report_beside
from worker.notifier.messages.content import Content
from worker.notifier.messages.render import render_html, render_text, typeset
from worker.notifier.messages.request import RequestReport

INJECTION = "<script>alert(1)</script><img src=x onerror=alert(2)>\" style='x"
_BREAKS = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2019": "'", "\u2011": "-"})


class Page(HTMLParser):
    """The words, the tags and the addresses of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self._hidden = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._hidden += tag in {"style", "title"}

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"style", "title"}

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words)).translate(_BREAKS)


@pytest.mark.parametrize("name", CASES)
def test_the_page_is_this_one(name: str) -> None:
    assert render_html(CASES[name]).split("\n") == (MAILS / f"{name}.html").read_text("utf-8").split("\n")


@pytest.mark.parametrize("content", CASES.values(), ids=list(CASES))
def test_both_parts_say_the_same(content: Content) -> None:
    text = Page(render_html(content)).text
    for line in render_text(content).translate(_BREAKS).splitlines():
        for fact in re.split(r" : |^\d\. | — ", line.strip().rstrip(":").strip()):
            words = fact.strip()
            is_intro = content.link and words == content.link.intro  # the button has words of its own
            if words and not is_intro and words not in {"--", content.link.url if content.link else ""}:
                assert all(word in text for word in words.removeprefix("Module Préfecture. ").split()), line
    if content.link:
        assert f'href="{content.link.url}"' in render_html(content)


@pytest.mark.parametrize("content", CASES.values(), ids=list(CASES))
def test_nothing_is_fetched_and_nothing_runs(content: Content) -> None:
    seen = Page(render_html(content))
    assert not {"img", "script", "link", "iframe", "form", "object", "video", "svg", "base"} & set(seen.tags)
    assert [name for _, name, _ in seen.attributes if name == "src" or name.startswith("on")] == []
    links = {value for tag, name, value in seen.attributes if name == "href"}
    assert links == ({content.link.url} if content.link else set())
    assert "url(" not in render_html(content)
    assert "@import" not in render_html(content)


def test_the_page_is_in_french_for_screen_readers_too() -> None:
    html = page(report(export()), "https://exports.example.org/")
    seen = Page(html)
    assert html.startswith('<!DOCTYPE html>\n<html lang="fr"')
    assert seen.tags.count("h1") == 1
    layout = [value for tag, name, value in seen.attributes if (tag, name) == ("table", "role")]
    assert set(layout) == {"presentation"}
    assert seen.tags.count("th") == [value for tag, name, value in seen.attributes if tag == "th"].count("row")


@pytest.mark.parametrize(
    "about",
    [
        report(export(label=INJECTION, file_name=INJECTION, pieces=report_beside(INJECTION))),
        report(export(status="failed", error_message=INJECTION)),
        report(requested_by=INJECTION, correlation_id=INJECTION, nom_commune=INJECTION),
        refused(INJECTION, code_commune=INJECTION),
    ],
)
def test_a_value_cannot_add_a_tag(about: RequestReport) -> None:
    html = page(about, "https://exports.example.org/")
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html


def test_french_typography_does_not_break() -> None:
    assert typeset("L'export : « prêt » ; e-listelec ?") == (
        "L\u2019export\u00a0: «\u00a0prêt\u00a0»\u202f; e\u2011listelec\u202f?"
    )
