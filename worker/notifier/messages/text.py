"""The words of a message to people, in French: a mail is one of the templates. No text names an elector."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from common.texte import clean

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701 — plain text
    finalize=lambda value: clean(value) if isinstance(value, str) else value,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_LINES_OF_A_SUMMARY = 6


class Topic(StrEnum):
    """The subject of a message: its most serious result."""

    READY = "pret"
    FAILED = "echec"
    DEADLINE = "echeance"
    REFUSED = "refus"
    CANCELLED = "annule"
    RECALLED = "a_refaire"


class Line(NamedTuple):
    """A file or a deadline, its state, and what a clerk must know about it."""

    title: str
    state: str
    details: Sequence[str] = ()


@dataclass(frozen=True)
class Text:
    """The words of one message: the subject, the body of a mail, and its few lines in the mail of a day."""

    topic: Topic
    subject: str
    mail: str
    short: str
    reference: str = ""
    """The correlation id of the request, for a header of the mail."""


def write(
    template: str,
    topic: Topic,
    subject: str,
    *,
    summary: str,
    lines: Sequence[Line] = (),
    url: str = "",
    reference: str = "",
    **values: object,
) -> Text:
    """Render a template of mails with these values; a value never adds a line. `url`: a page of the screen, if any."""
    mail = _TEMPLATES.get_template(template).render(summary=summary, lines=lines, url=url, **values)
    said = [f"{it.title} : {it.state}" for it in lines[:_LINES_OF_A_SUMMARY]] or [summary]
    more = (
        [f"… et {len(lines) - _LINES_OF_A_SUMMARY} de plus"]
        if len(lines) > _LINES_OF_A_SUMMARY
        else []
    )
    short = "\n".join(map(clean, filter(None, (*said, *more, url))))
    return Text(topic, clean(subject), mail, short, clean(reference))


def link(public_url: str, path: str) -> str:
    """Return the address of a page of the screen; empty when the address of the screen is not set."""
    return f"{public_url.rstrip('/')}/{path}" if public_url else ""
