"""The report of anomalies beside a file, read as a page: filtered, counted, blocking first, memory flat.

The report is a CSV of the worker's (UTF-8 with a byte order mark, `;`); its columns are named in `Line`, in its order.
"""

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import IO, NamedTuple

from common.spreadsheet import ENCODING, SEPARATOR, rearm
from schemas.vocabulary import Severity

PAGE = 50
"""Lines on one page."""

_Row = Sequence[str]
_COMBINING = re.compile("[\u0300-\u036f]+")
_TWO_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "ł": "l", "ø": "o", "đ": "d"})
_WORD = re.compile(r"\w+")


class UnreadableReportError(Exception):
    """The file is not a report that this version knows."""


class AnomalyLine(NamedTuple):
    """One anomaly: of an elector, of a bureau, or of the whole file (then without what would say whose)."""

    severity: str
    bureau: str
    numero: str
    nom: str
    prenoms: str
    naissance: str
    column: str
    message: str
    code: str

    @property
    def is_blocking(self) -> bool:
        """Whether the platform would reject the file for it."""
        return self.severity == Severity.BLOCKING


class AnomalyKind(NamedTuple):
    """What all lines of one kind in one bureau share; no elector."""

    severity: str
    bureau: str
    column: str
    message: str
    code: str


_WIDTH = len(AnomalyLine._fields)
_NOM, _PRENOMS = AnomalyLine._fields.index("nom"), AnomalyLine._fields.index("prenoms")
_kind_of: Callable[[_Row], tuple[str, ...]] = itemgetter(
    *(AnomalyLine._fields.index(name) for name in AnomalyKind._fields)
)


@dataclass(frozen=True)
class Criteria:
    """What is looked for; None and empty texts leave everything in. An empty `bureau` is that of no bureau."""

    severity: str = ""
    bureau: str | None = None
    column: str = ""
    code: str = ""
    text: str = ""
    """Words of a name, which must not stand in an address."""

    def __bool__(self) -> bool:
        return bool(self.severity or self.bureau is not None or self.column or self.code or self.text)

    def accepts(self, kind: AnomalyKind) -> bool:
        """Whether lines of a kind are looked for, as far as the kind says."""
        return (
            (not self.severity or kind.severity == self.severity)
            and (self.bureau is None or kind.bureau == self.bureau)
            and (not self.column or kind.column == self.column)
            and (not self.code or kind.code == self.code)
        )


@dataclass(frozen=True)
class Summary:
    """What the whole report holds, counted by kind and bureau, and how many of its lines are looked for."""

    counts: Counter[AnomalyKind]
    matching: frozenset[AnomalyKind]
    found: Counter[bool]
    """By whether they are blocking."""

    @property
    def pages(self) -> int:
        """How many pages the lines looked for fill; one when there are none."""
        return max(1, -(-self.found.total() // PAGE))


def summarize(report: IO[bytes], criteria: Criteria) -> Summary:
    """Read the whole report, once; twice to look for a name.

    Raises:
        UnreadableReportError: it is not one.
    """
    with _rows(report) as rows:
        counts = Counter({AnomalyKind(*kind): number for kind, number in Counter(map(_kind_of, rows)).items()})
    matching = frozenset(kind for kind in counts if criteria.accepts(kind))
    found: Counter[bool] = Counter()
    if criteria.text:
        with _rows(report) as rows:
            found.update(_is_blocking(row) for row in _select(rows, matching, criteria.text))
    else:
        for kind in matching:
            found[_is_blocking(kind)] += counts[kind]
    return Summary(counts, matching, found)


def read_page(report: IO[bytes], summary: Summary, text: str, page: int) -> list[AnomalyLine]:
    """The lines of one page (the first is 1): blocking ones in the order of the report, then the remarks.

    Raises:
        UnreadableReportError: it is not a report.
    """
    first = (page - 1) * PAGE
    blocking = summary.found[True]
    skipped = {True: min(first, blocking), False: max(0, first - blocking)}
    room = max(0, min(PAGE, blocking - first))
    matching = {True: room, False: max(0, min(PAGE - room, summary.found[False] - skipped[False]))}
    kept: dict[bool, list[AnomalyLine]] = {True: [], False: []}
    with _rows(report) as rows:
        for row in _select(rows, summary.matching, text):
            is_blocking = _is_blocking(row)
            if skipped[is_blocking]:
                skipped[is_blocking] -= 1
            elif len(kept[is_blocking]) < matching[is_blocking]:
                kept[is_blocking].append(AnomalyLine(*map(rearm, row[:_WIDTH])))
            elif len(kept[not is_blocking]) == matching[not is_blocking]:
                break
    return kept[True] + kept[False]


def fold(text: str) -> str:
    """A name as one looks for it: without accents, in small letters."""
    if text.isascii():
        return text.lower()
    return _COMBINING.sub("", unicodedata.normalize("NFKD", text).lower()).translate(_TWO_LETTERS)


def _select(rows: Iterator[_Row], matching: frozenset[AnomalyKind], text: str) -> Iterator[_Row]:
    words = _WORD.findall(fold(text))
    for row in rows:
        if _kind_of(row) in matching:
            if words:
                names = fold(f"{row[_NOM]} {row[_PRENOMS]}")
                if not all(word in names for word in words):
                    continue
            yield row


def _is_blocking(row: _Row) -> bool:
    return row[0] == Severity.BLOCKING


@contextmanager
def _rows(report: IO[bytes]) -> Iterator[Iterator[_Row]]:
    """The lines under the titles, from the first one."""
    report.seek(0)
    text = io.TextIOWrapper(report, ENCODING, newline="")
    try:
        rows = csv.reader(text, delimiter=SEPARATOR)
        if len(next(rows, ())) < _WIDTH:
            raise UnreadableReportError
        yield rows
    except (UnicodeDecodeError, csv.Error, IndexError):
        raise UnreadableReportError from None
    finally:
        text.detach()
