"""A message as HTML, for mails: styles in the tags, no image, nothing fetched, nothing that tells who read it."""

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from worker.domain.texte import clean
from worker.notifier.content import Content

_TEMPLATES = Path(__file__).parent / "templates"
_COLON = re.compile(r" (?=[:»])|(?<=«) ")
_NARROW = re.compile(r" (?=[;!?])")
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")


def render_html(content: Content) -> str:
    """The whole HTML part of a mail."""
    return _template().render(content=content)


def typeset(text: str) -> str:
    """The text, clean, with the apostrophes and the spaces and hyphens that do not break of French typography."""
    text = _APOSTROPHE.sub("\u2019", clean(text)).replace("e-listelec", "e\u2011listelec")
    return _NARROW.sub("\u202f", _COLON.sub("\u00a0", text))


def _finalize(value: object) -> object:
    return typeset(value) if type(value) is str else value  # what a macro drew is a subclass, and stays as it is


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["kind"] = lambda block: type(block).__name__
    return environment.get_template("mail.html")
