"""How the screen writes dates, durations, numbers and sizes: in French, in Paris."""

import re
import unicodedata
from datetime import date, datetime, timedelta

from jinja2 import Environment
from jinja2.ext import Extension

from common.clock import jour_a_paris
from common.french import (
    capitalized,
    count_of,
    format_elapsed,
    format_moment,
    format_number,
    format_size,
    short_date,
    typo,
    weekday_date,
)
from producers.records import WORDS
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import ExportKind, Liste

_NOT_WORDS = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|<[^>]*>)", re.DOTALL)

_ACCENTED = """
    caractères département électeur exportés française général incohérente nationalité nettoyés numéro obsolète prénoms
    remplacé séparateur
"""
_ACCENTS = {unicodedata.normalize("NFD", word).encode("ascii", "ignore").decode(): word for word in _ACCENTED.split()}
_JOINED = {
    "commune naissance": "commune de naissance",
    "date absente": "date de naissance absente",
    "département naissance": "département de naissance",
    "nom usage": "nom d'usage",
    "pays naissance": "pays de naissance",
}
"""The words of the pre-check's codes that a clerk reads otherwise."""


def iso(instant: datetime) -> str:
    """For the attribute `datetime` of `<time>`."""
    return instant.isoformat(timespec="seconds")


def duration(span: timedelta) -> str:
    """`8 s`, `3 min 20 s`, `2 h 05 min`."""
    return format_elapsed(span.total_seconds())


def counted(kind: ExportKind) -> str:
    """What a file of that kind is made of, in the plural: `électeurs`, `mouvements`."""
    return WORDS[kind].counted


class FrenchSpaces(Extension):
    """The words of a template get the same spaces; its tags and expressions stay as they are."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Called by Jinja when it reads a template."""
        del name, filename
        pieces = _NOT_WORDS.split(source)
        return "".join(piece if index % 2 else typo(piece) for index, piece in enumerate(pieces))


def jour_of(instant: datetime) -> str:
    """`25/11/2026`, the day of an instant in Paris."""
    return short_date(jour_a_paris(instant))


def day_of(text: str) -> str:
    """A day of a JSON document: `2027-04-11` gives `dimanche 11 avril 2027`."""
    return weekday_date(date.fromisoformat(text))


def kept_until(finished_at: datetime, days: int) -> datetime:
    """When a file that was made then will be removed."""
    return finished_at + timedelta(days=days)


def code_words(code: str) -> str:
    """A code of the pre-check, as words: `prenoms_absents` gives `Prénoms absents`."""
    words = " ".join(_ACCENTS.get(word, word) for word in code.split("_"))
    for short, full in _JOINED.items():
        words = words.replace(short, full)
    return capitalized(words)


def add_words(environment: Environment) -> None:
    """Let templates use them."""
    environment.add_extension(FrenchSpaces)
    for word in (jour_of, day_of, iso, duration, kept_until, typo, counted, code_words):
        environment.filters[word.__name__] = word
    environment.filters |= {
        "jour": short_date,
        "long_jour": weekday_date,
        "moment": format_moment,
        "number": format_number,
        "size": format_size,
        "agree": count_of,
    }
    environment.globals.update(Liste=Liste, TypeTableau=TypeTableau, Presentation=Presentation, Edition=Edition)
