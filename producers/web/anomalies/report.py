"""Reads the report of anomalies of a file: filtered, counted, blocking first, in constant memory.

The worker writes the report as CSV (UTF-8 with a byte order mark, `;`); `AnomalyLine` names its columns in order.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, groupby
from operator import itemgetter
from typing import IO, NamedTuple

from common.files import ENCODING, SEPARATOR, rearm
from common.texte import fold
from schemas.vocabulary import Severity

PAGE = 25
"""Anomalies per page: a page has as many electors as have this number on average."""

_Row = Sequence[str]
_WORD = re.compile(r"\w+")


class UnreadableReportError(Exception):
    """The file is not a report of a known version."""


class AnomalyLine(NamedTuple):
    """One anomaly of an elector, of a bureau, or of the whole file (then the identifying columns are empty)."""

    severity: str
    """A `Severity.label`."""
    bureau: str
    numero: str
    nom: str
    prenoms: str
    naissance: str
    column: str
    message: str
    code: str
    cure: str
    """What cures it, as the report says it."""


class AnomalyKind(NamedTuple):
    """The values shared by all lines of one kind in one bureau; no data of electors."""

    severity: str
    bureau: str
    column: str
    message: str
    code: str


_WIDTH = len(AnomalyLine._fields)
_NOM, _PRENOMS = AnomalyLine._fields.index("nom"), AnomalyLine._fields.index("prenoms")
_whose: Callable[[_Row], tuple[str, ...]] = itemgetter(
    *(
        AnomalyLine._fields.index(name)
        for name in ("bureau", "numero", "nom", "prenoms", "naissance")
    )
)
_kind_of: Callable[[_Row], tuple[str, ...]] = itemgetter(
    *(AnomalyLine._fields.index(name) for name in AnomalyKind._fields)
)


@dataclass(frozen=True)
class Criteria:
    """Filters; None and empty texts match everything. An empty `bureau` matches lines without bureau."""

    severity: str = ""
    bureau: str | None = None
    column: str = ""
    code: str = ""
    text: str = ""
    """Words of a name, never put into a URL."""

    def __bool__(self) -> bool:
        return bool(
            self.severity or self.bureau is not None or self.column or self.code or self.text
        )

    def accepts(self, kind: AnomalyKind) -> bool:
        """Whether lines of a kind may match; the name is not checked."""
        return (
            (not self.severity or kind.severity == self.severity)
            and (self.bureau is None or kind.bureau == self.bureau)
            and (not self.column or kind.column == self.column)
            and (not self.code or kind.code == self.code)
        )


@dataclass(frozen=True)
class Summary:
    """The counts of the whole report by kind and bureau, and the number of matching lines."""

    counts: Counter[AnomalyKind]
    matching: frozenset[AnomalyKind]
    lines: Counter[bool]
    groups: Counter[bool]
    """Matching lines and groups, by whether the group has a blocking anomaly."""

    @property
    def size(self) -> int:
        """The number of groups on a page."""
        return max(
            1,
            min((PAGE * self.groups[it] // number for it, number in self.lines.items()), default=1),
        )

    @property
    def pages(self) -> int:
        return max(1, -(-self.groups.total() // self.size))


def summarize(report: IO[bytes], criteria: Criteria) -> Summary:
    """Read the whole report twice. Raises `UnreadableReportError` if it is not a report."""
    with _rows(report) as rows:
        counts = Counter(
            {AnomalyKind(*kind): number for kind, number in Counter(map(_kind_of, rows)).items()}
        )
    matching = frozenset(kind for kind in counts if criteria.accepts(kind))
    lines, groups = Counter[bool](), Counter[bool]()
    with _rows(report) as rows:
        for same in _group(_select(rows, matching, criteria.text)):
            lines[_has_blocking(same)] += len(same)
            groups[_has_blocking(same)] += 1
    return Summary(counts, matching, lines, groups)


def read_page(report: IO[bytes], summary: Summary, text: str, page: int) -> list[list[AnomalyLine]]:
    """Return the groups of one page, from 1: those with a blocking anomaly first, in the report's order.

    A group has the anomalies of one elector, one bureau or the whole file, blocking first. Each is shown once: an
    elector whose line the export holds twice has equal anomalies.
    """
    first = (page - 1) * summary.size
    places = {True: count(), False: count(summary.groups[True])}
    kept: dict[int, list[AnomalyLine]] = {}
    with _rows(report) as rows:
        for same in _group(_select(rows, summary.matching, text)):
            place = next(places[_has_blocking(same)])
            if first <= place < first + summary.size:
                lines = dict.fromkeys(map(_to_line, same))
                kept[place] = sorted(lines, key=lambda it: it.severity != Severity.BLOCKING)
            if len(kept) == summary.size:
                break
    return [kept[place] for place in sorted(kept)]


Person = tuple[str, str, str]
"""Birth name, first names and date of birth, as in the file and its report."""


def find_about(report: IO[bytes], people: Collection[Person]) -> Mapping[Person, list[AnomalyLine]]:
    """Return the report's lines about these electors, in order. Raises `UnreadableReportError`: it is no report."""
    found: dict[Person, list[AnomalyLine]] = {}
    with _rows(report) as rows:
        for row in rows:
            line = _to_line(row)
            if (person := (line.nom, line.prenoms, line.naissance)) in people:
                found.setdefault(person, []).append(line)
    return found


def _to_line(row: _Row) -> AnomalyLine:
    return AnomalyLine(*map(rearm, row[:_WIDTH]))


def _group(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    for _, same in groupby(rows, key=_whose):
        yield list(same)


def _has_blocking(rows: Iterable[_Row]) -> bool:
    return any(row[0] == Severity.BLOCKING for row in rows)


def _select(rows: Iterator[_Row], matching: frozenset[AnomalyKind], text: str) -> Iterator[_Row]:
    words = _WORD.findall(fold(text))
    for row in rows:
        if _kind_of(row) in matching:
            if words:
                names = fold(f"{row[_NOM]} {row[_PRENOMS]}")
                if not all(word in names for word in words):
                    continue
            yield row


@contextmanager
def _rows(report: IO[bytes]) -> Iterator[Iterator[_Row]]:
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
