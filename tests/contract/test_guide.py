"""The clerk's guide matches the screen, and shows the pictures that `make pictures` makes."""

import re
from pathlib import Path

from producers.web.templating import NAVIGATION

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "guide-agent.md").read_text("utf-8")


def test_every_tab_is_told() -> None:
    assert [label for _, label in NAVIGATION if f"**{label}**" not in GUIDE.replace("\n", " ")] == []


def test_what_the_guide_quotes_is_said_by_the_screen() -> None:
    said = " ".join(
        _plain(path.read_text("utf-8"))
        for folder in ("producers/web", "schemas", "worker/handlers/requests")
        for path in (DOCS.parent / folder).rglob("*.*")
        if path.suffix in {".html", ".py"}
    )
    quoted = re.findall(r"« ([^»]+) »", _plain(GUIDE))
    assert len(quoted) > 10
    assert [words for words in quoted if words not in said] == []


def _plain(text: str) -> str:
    """The text without the characters that French typography adds, which the templates lack."""
    return re.sub(r"\s+", " ", text.replace(r"\u202f", " ")).lower()
