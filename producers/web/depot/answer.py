"""The platform's reply about a file, with the electors of the file that it names and their anomalies.

Reply and file are read again for each request of an authorised agent; the result is not stored.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import IO, NamedTuple

from starlette.exceptions import HTTPException
from starlette.responses import Response

from common.calendrier import MAJORITE
from common.files import SEPARATOR
from producers.web.anomalies.report import AnomalyLine, UnreadableReportError, find_about, fold
from producers.web.exports.query import AskedFile
from producers.web.exports.stored_file import FileAlteredError, FileGoneError, open_asked
from producers.web.page_context import NOT_FOUND, PageContext
from schemas.vocabulary import Format, Piece

MOST_FOUND = 200
"""Maximum number of electors on the page."""

_WORD = re.compile(r"\w+")
_DATE = re.compile(r"\b\d{2}/\d{2}/\d{4}\b")
_NUMBER = re.compile(r"\b(?:n\s?[°o]|numero(?: general)?|electeur)\s*:?\s*(\d{1,9})\b")
_PLACES = 6, 8, 10, 11, 17
"""Columns of general number, birth name, first names, date of birth and bureau, from 0, in the order of the arrêté of
12 November 2013."""


class ListedElecteur(NamedTuple):
    numero: str
    nom: str
    prenoms: str
    naissance: str
    bureau: str


@dataclass(frozen=True)
class AnswerLine:
    """A line of the reply, with the words, dates and numbers that may identify an elector."""

    text: str
    words: frozenset[str]
    dates: frozenset[str]
    numbers: frozenset[str]

    @classmethod
    def read(cls, text: str, said_on: date) -> "AnswerLine":
        """Parse a line: words without accents, possible dates of birth, and numbers introduced as an elector's."""
        folded = fold(text)
        dates = {day for day in _DATE.findall(folded) if int(day[-4:]) <= said_on.year - MAJORITE}
        return cls(text, frozenset(_WORD.findall(folded)), frozenset(dates), frozenset(_NUMBER.findall(folded)))

    def names(self, electeur: ListedElecteur) -> bool:
        """Whether the line names the elector: by number, by whole name and birth date, or first name without dates.

        A homonym with another date of birth does not match.
        """
        if electeur.numero and electeur.numero in self.numbers:
            return True
        nom = _WORD.findall(fold(electeur.nom))
        if not nom or not self.words.issuperset(nom):
            return False
        if self.dates:
            return electeur.naissance in self.dates
        prenoms = _WORD.findall(fold(electeur.prenoms))
        return bool(prenoms) and prenoms[0] in self.words


@dataclass(frozen=True)
class Named:
    """An elector named by the reply, with the line that names them and their anomalies."""

    electeur: ListedElecteur
    said: str
    anomalies: Sequence[AnomalyLine] = ()


def match(answer: str, said_on: date, electeurs: Iterable[ListedElecteur]) -> tuple[list[Named], list[str]]:
    """Return the electors named by the reply, in the order of the file, and the lines that name none."""
    lines = [AnswerLine.read(line.strip(), said_on) for line in answer.splitlines() if line.strip()]
    words = frozenset().union(*(line.words for line in lines))
    numbers = frozenset().union(*(line.numbers for line in lines))
    found: list[Named] = []
    matched: set[str] = set()
    for electeur in electeurs:
        first = _WORD.match(fold(electeur.nom))
        if not (electeur.numero in numbers or (first and first[0] in words)):
            continue
        for line in lines:
            if line.names(electeur):
                found.append(Named(electeur, line.text))
                matched.add(line.text)
                break
        if len(found) == MOST_FOUND:
            break
    return found, [line.text for line in lines if line.text not in matched]


def read_electeurs(file: IO[bytes]) -> Iterator[ListedElecteur]:
    """Yield the electors of a list file in CSV, in order; the format has no quotes, and no separator within values."""
    text = io.TextIOWrapper(file, "utf-8", newline="")
    try:
        rows = csv.reader(text, delimiter=SEPARATOR, quoting=csv.QUOTE_NONE)
        next(rows, ())
        for row in rows:
            yield ListedElecteur(*(row[place] for place in _PLACES))
    finally:
        text.detach()


def show(context: PageContext) -> Response:
    file = context.file()
    if not file.verdict:
        raise HTTPException(NOT_FOUND)
    found, others, why_not = _look(context, file)
    return context.render("depot/answer.html", file=file, found=found, others=others, why_not=why_not, most=MOST_FOUND)


def _look(context: PageContext, file: AskedFile) -> tuple[list[Named], list[str], str]:
    """Return the named electors and the other lines; or the reason why no search was done."""
    if not file.answer:
        return [], [], ""
    if file.is_tableau or file.format != Format.CSV:
        return [], [], "Les électeurs ne sont cherchés que dans les listes en CSV."
    root = context.services.settings.exports_dir
    try:
        with closing(open_asked(root, file)) as delivery:
            found, others = match(file.answer, file.verdict_on or context.today, read_electeurs(delivery.file))
        if file.report and found:
            with closing(open_asked(root, file, Piece.RAPPORT)) as report:
                about = find_about(report.file, {it.electeur[1:4] for it in found})
            found = [Named(it.electeur, it.said, about.get(it.electeur[1:4], ())) for it in found]
    except (FileGoneError, FileAlteredError, UnreadableReportError):
        return [], [], "Le fichier n'est plus lisible sur le disque : les électeurs n'ont pas été cherchés."
    return found, others, ""
