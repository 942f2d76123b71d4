"""How the screen writes dates, durations, numbers and sizes: in French, in Paris."""

import re
import unicodedata
from datetime import date, datetime, timedelta

from jinja2 import Environment
from jinja2.ext import Extension

from common.clock import PARIS
from producers.texts import NARROW, NBSP, WORDS, count_of, format_count, format_elapsed, format_size
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import ExportKind, Liste

_MONTHS = (
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
)
_DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_BEFORE_MARK = re.compile(r" (?=[;:!?](?:\s|$|<))")
_IN_QUOTES = re.compile(r"(?<=«) | (?=»)")
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


def jour(day: date) -> str:
    """`25/11/2026`."""
    return f"{day:%d/%m/%Y}"


def long_jour(day: date) -> str:
    """`dimanche 1er novembre 2026`."""
    number = "1er" if day.day == 1 else str(day.day)
    return f"{_DAYS[day.weekday()]} {number}{NBSP}{_MONTHS[day.month - 1]} {day.year}"


def moment(instant: datetime) -> str:
    """`25/11/2026 à 10:04`, in Paris."""
    return f"{instant.astimezone(PARIS):%d/%m/%Y à %H:%M}"


def iso(instant: datetime) -> str:
    """For the attribute `datetime` of `<time>`."""
    return instant.isoformat(timespec="seconds")


def duration(span: timedelta) -> str:
    """`8 s`, `3 min 20 s`, `2 h 05 min`."""
    return format_elapsed(span.total_seconds())


def number(value: int | None) -> str:
    """`1 840 917`, with narrow no-break spaces."""
    return format_count(value)


def size(value: int | None) -> str:
    """In thousands of bytes: `51,2 ko`."""
    return format_size(value)


def agree(value: int, one: str, many: str) -> str:
    """The number with its noun; in French 0 is singular: `0 anomalie`, `2 anomalies`."""
    return count_of(value, one, many)


def typo(text: str) -> str:
    """Spaces that do not break where French puts one: before ; ! ? : and », after «."""
    return _IN_QUOTES.sub(NBSP, _BEFORE_MARK.sub(NARROW, text))


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
    return jour(instant.astimezone(PARIS).date())


def day_of(text: str) -> str:
    """A day of a JSON document: `2027-04-11` gives `dimanche 11 avril 2027`."""
    return long_jour(date.fromisoformat(text))


def kept_until(finished_at: datetime, days: int) -> datetime:
    """When a file that was made then will be removed."""
    return finished_at + timedelta(days=days)


def code_words(code: str) -> str:
    """A code of the pre-check, as words: `prenoms_absents` gives `Prénoms absents`."""
    words = " ".join(_ACCENTS.get(word, word) for word in code.split("_"))
    for short, full in _JOINED.items():
        words = words.replace(short, full)
    return words[:1].upper() + words[1:]


def add_words(environment: Environment) -> None:
    """Let templates use them."""
    environment.add_extension(FrenchSpaces)
    days = (jour, jour_of, day_of, long_jour, moment, iso, duration, kept_until)
    for word in (*days, number, size, agree, typo, counted, code_words):
        environment.filters[word.__name__] = word
    environment.globals.update(Liste=Liste, TypeTableau=TypeTableau, Presentation=Presentation, Edition=Edition)
