"""The report of anomalies of a list file or a tableau: a CSV that an agent opens in a spreadsheet.

It is not the official file: values are quoted, it starts with a byte order mark, and no value can become a formula.
"""

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from common.files import SheetWriter
from schemas.vocabulary import Severity
from worker.domain.anomaly import Anomaly
from worker.writers import Sink

HEADER = (
    "Gravité",
    "Bureau",
    "Numéro",
    "Nom de naissance",
    "Prénoms",
    "Date de naissance",
    "Colonne",
    "Anomalie",
    "Code",
)
_BLOCK = 500


@dataclass
class Tally:
    """Counts of anomalies by kind, without data of electors."""

    counts: Counter[tuple[str, Severity, str]] = field(default_factory=Counter)
    messages: dict[tuple[str, Severity, str], list[str]] = field(default_factory=dict)
    """The messages about the file as a whole."""

    def add(self, anomaly: Anomaly) -> None:
        """Count one anomaly."""
        kind = anomaly.code, anomaly.severity, anomaly.column
        self.counts[kind] += 1
        if anomaly.is_of_file:
            self.messages.setdefault(kind, []).append(anomaly.message)

    def total(self, severity: Severity) -> int:
        """Return the number of anomalies of one severity."""
        return sum(number for (_, kind, _), number in self.counts.items() if kind is severity)

    def to_record(self) -> list[dict[str, Any]]:
        """Return the JSON for the database: code, severity, column, count, and the messages about the whole file."""
        return [
            {"code": kind[0], "severity": kind[1].value, "column": kind[2], "count": number}
            | ({"messages": self.messages[kind]} if kind in self.messages else {})
            for kind, number in self.counts.items()
        ]


def write_report(anomalies: Iterable[Anomaly], sink: Sink) -> Tally:
    """Write each anomaly as one line, in the given order, and return the counts."""
    tally = Tally()
    sink.write("\ufeff".encode())
    text = io.StringIO(newline="")
    writer = SheetWriter(text)
    writer.write(HEADER)
    for number, anomaly in enumerate(anomalies, 1):
        tally.add(anomaly)
        writer.write(_line(anomaly))
        if number % _BLOCK == 0:
            _flush(text, sink)
    _flush(text, sink)
    return tally


def _line(anomaly: Anomaly) -> tuple[str, ...]:
    return (
        anomaly.severity.label,
        anomaly.bureau,
        anomaly.numero,
        anomaly.nom,
        anomaly.prenoms,
        _jour(anomaly.naissance),
        anomaly.column,
        anomaly.message,
        anomaly.code,
    )


def _jour(naissance: str) -> str:
    year, _, rest = naissance.partition("-")
    month, _, day = rest.partition("-")
    return f"{day}/{month}/{year}" if day else naissance


def _flush(text: io.StringIO, sink: Sink) -> None:
    sink.write(text.getvalue().encode())
    text.seek(0)
    text.truncate()
