"""The report of a batch: one line per commune, for a spreadsheet."""

import csv
from collections.abc import Iterable
from pathlib import Path

from producers.batch.records import CommuneOutcome
from schemas.vocabulary import RequestOutcome

HEADER = (
    *("Commune", "Nom", "État", "Fichiers prêts", "Fichiers en échec", "Fichiers annulés", "Fichiers à venir"),
    *("Anomalies bloquantes", "Remarques", "Motif"),
)
_FORMULA_STARTS = ("=", "+", "-", "@")


def write_report(path: Path, outcomes: Iterable[CommuneOutcome]) -> None:
    """Write it anew."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
        writer.writerow(HEADER)
        writer.writerows(_line(outcome) for outcome in outcomes)


def _line(outcome: CommuneOutcome) -> tuple[str | int, ...]:
    reasons = " ".join(filter(None, [outcome.reason, *(failure.reason for failure in outcome.failures)]))
    return (
        outcome.commune,
        _harmless(outcome.nom),
        _state(outcome),
        outcome.ready,
        outcome.failed,
        outcome.cancelled,
        outcome.unfinished,
        outcome.bloquantes,
        outcome.remarques,
        reasons,
    )


def _state(outcome: CommuneOutcome) -> str:
    if outcome.outcome is None:
        return "pas encore lue"
    if outcome.outcome is RequestOutcome.REFUSED:
        return "refusée"
    if not outcome.is_settled:
        return "en cours"
    if not outcome.is_whole:
        return "incomplète"
    return "à corriger" if outcome.bloquantes else "prête"


def _harmless(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
