"""Renders a message as plain text, for mails and chats, and as HTML, for mails: neither adds a fact to its content.

The HTML has its styles in the tags, no image, no external resource, and no tracking of readers.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from common.texte import clean
from worker.notifier.messages.content import Block, Content, Duties, Heading, LabelledValue, Note, PageLink, Steps

_WIDTH = 92
_FOOTER = "-- \nModule Préfecture. Message automatique, merci de ne pas y répondre."

_SAFE_REFERENCE = re.compile(r"[A-Za-z0-9._:/-]{1,100}")
"""The sender chose it: it must not mention all members of a chat (`@here`), nor be a link."""

_TEMPLATES = Path(__file__).parent / "templates"
_COLON = re.compile(r" (?=[:»])|(?<=«) ")
_NARROW = re.compile(r" (?=[;!?])")
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")


def render_text(content: Content) -> str:
    """Return the whole text of a mail."""
    return "\n\n".join(_paragraphs(content)) + "\n"


def render_chat(content: Content) -> str:
    """Return a few lines, without the files, which their page lists. The subject is sent separately as the title."""
    lines = [content.summary] if not content.items else [f"{item.title} : {item.state}" for item in content.items[:6]]
    if len(content.items) > len(lines):
        lines.append(f"… et {len(content.items) - len(lines)} de plus")
    if content.link:
        lines.append(content.link.url)
    if content.reference and _SAFE_REFERENCE.fullmatch(content.reference[1]):
        lines.append(f"{content.reference[0]} : {content.reference[1]}")
    return "\n".join(clean(line) for line in lines)


def _paragraphs(content: Content) -> Iterator[str]:
    yield "Bonjour,"
    yield content.summary
    if content.circumstances:
        yield "\n".join(_lines(content.circumstances))
    for item in content.items:
        yield "\n".join([f"{clean(item.title)} — {item.state}", *_lines(item.facts, indent="  ")])
    yield from map(_block, content.warnings)
    if content.link:
        yield _link(content.link)
    yield from map(_block, content.advice)
    if content.reference:
        yield from _lines([content.reference])
    yield _FOOTER


def _lines(facts: Iterable[LabelledValue], indent: str = "") -> list[str]:
    """Return one line per fact, whatever its value contains."""
    return [f"{indent}{name} : {clean(value)}" for name, value in facts]


def _link(link: PageLink) -> str:
    return f"{link.intro} :\n{link.url}"


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"{text} :"
        case Note(lead, text):
            return "\n".join(line for line in (lead, _wrap(text)) if line)
        case Steps(items):
            return "\n".join(_wrap(item, f"{number}. ".ljust(3), "   ") for number, item in enumerate(items, start=1))
        case Duties(title, facts):
            return "\n".join([title, *_lines(facts, indent="  ")])


def _wrap(text: str, first: str = "", others: str = "") -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )


def render_html(content: Content) -> str:
    """Return the whole HTML part of a mail."""
    return _template().render(content=content)


def typeset(text: str) -> str:
    """Return the cleaned text with French typography: apostrophes, and spaces and hyphens that do not break."""
    text = _APOSTROPHE.sub("\u2019", clean(text)).replace("e-listelec", "e\u2011listelec")
    return _NARROW.sub("\u202f", _COLON.sub("\u00a0", text))


def _finalize(value: object) -> object:
    return typeset(value) if type(value) is str else value  # the output of a macro is a subclass: it is kept unchanged


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
