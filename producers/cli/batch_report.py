"""The report of a batch: one line per commune, for a spreadsheet."""

from collections.abc import Iterable
from pathlib import Path

from common.spreadsheet import ENCODING, SheetWriter
from producers.batch.records import CommuneOutcome
from schemas.vocabulary import RequestOutcome

HEADER = (
    *("Commune", "Nom", "État", "Fichiers prêts", "Fichiers en échec", "Fichiers annulés", "Fichiers à venir"),
    *("Anomalies bloquantes", "Remarques", "Motif"),
)


def write_report(path: Path, outcomes: Iterable[CommuneOutcome]) -> None:
    """Write it anew."""
    with path.open("w", encoding=ENCODING, newline="") as file:
        writer = SheetWriter(file)
        writer.write(HEADER)
        for outcome in outcomes:
            writer.write(_line(outcome))


def _line(outcome: CommuneOutcome) -> tuple[str | int, ...]:
    reasons = " ".join(filter(None, [outcome.reason, *(failure.reason for failure in outcome.failures)]))
    return (
        outcome.commune,
        outcome.nom,
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
