"""What became of a batch: a summary for people, a document for programs, a line per commune for a spreadsheet."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common.cli import ExitCode
from common.files import ENCODING, SheetWriter
from common.french import count_of, format_number
from producers.batch.batch import Batch, CommuneFault, CommuneOutcome
from producers.cli.render import make_console, print_document
from producers.records import WORDS, KindWords
from schemas.topology import REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import ExportKind, RequestOutcome

_NAMED = 5
_COUNTED = (
    *("ready", "provisional", "to_correct", "to_complete", "recalled", "failed", "cancelled", "unfinished"),
    *("bloquantes", "remarques"),
)


def show_result(
    batch: Batch,
    faults: Sequence[CommuneFault],
    outcomes: Sequence[CommuneOutcome] | None,
    report: Path | None,
    *,
    as_json: bool,
) -> ExitCode:
    """Show what is known, write the report if there is to be one, and give the exit code; None: nobody waited."""
    code = ExitCode.DONE if outcomes is None else judge_batch(outcomes)
    if outcomes is not None and report:
        write_report(report, outcomes)
    if as_json:
        print_document(batch_document(batch, faults, outcomes, code))
        return code
    console = make_console()
    for line in summarize(batch, outcomes):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if report:
        console.print(f"Détail par commune : {report}", markup=False, highlight=False, soft_wrap=True)
    return code


def judge_batch(outcomes: Iterable[CommuneOutcome]) -> ExitCode:
    """The code of a command that waited until now: that of the worst of its requests."""
    codes = {_judge(outcome) for outcome in outcomes}
    return next(
        code for code in (ExitCode.TIMEOUT, ExitCode.FAILED, ExitCode.ANOMALIES, ExitCode.DONE) if code in codes
    )


def _judge(outcome: CommuneOutcome) -> ExitCode:
    if not outcome.is_settled:
        return ExitCode.TIMEOUT
    if not outcome.is_whole:
        return ExitCode.FAILED
    return ExitCode.ANOMALIES if outcome.bloquantes else ExitCode.DONE


def batch_document(
    batch: Batch, faults: Sequence[CommuneFault], outcomes: Sequence[CommuneOutcome] | None, code: ExitCode
) -> dict[str, Any]:
    """A batch that was sent; `counts` is null when nobody waited for it."""
    known = batch.asked if outcomes is None else outcomes
    return {
        "batch": {"name": batch.name, "source": batch.source, "type": batch.events[0].type},
        "rejects": [fault._asdict() for fault in faults],
        "exit_code": code.value,
        "counts": None if outcomes is None else {name: _total(outcomes, name) for name in _COUNTED},
        "requests": [_document(outcome) for outcome in known],
    }


def _document(outcome: CommuneOutcome) -> dict[str, Any]:
    fields = asdict(outcome)
    return {"commune": fields.pop("commune"), "id": fields.pop("event_id"), **fields}


def summarize(batch: Batch, outcomes: Sequence[CommuneOutcome] | None) -> Iterator[str]:
    """In French, the counts first, then each thing that somebody has to do something about."""
    communes = count_of(len(batch.events), "commune", "communes")
    if outcomes is None:
        yield (
            f"Lot {batch.name} envoyé, {communes} ; RabbitMQ l'a pris. Où il en est : la même commande avec "
            f"--resume {batch.name} --wait"
        )
        return
    usable = count_of(_total(outcomes, "usable"), "fichier prêt", "fichiers prêts")
    wrong = _total(outcomes, "to_correct")
    yield f"Lot {batch.name} : {communes}, {usable}" + (f", {format_number(wrong)} à corriger" if wrong else "")
    yield from _failures(outcomes)
    yield from _refusals(outcomes)
    words = WORDS[ExportKind.TABLEAU if batch.events[0].type == REQUEST_TABLEAUX_RENDER else ExportKind.LISTE]
    yield from _what_else(batch, outcomes, words)


def _failures(outcomes: Sequence[CommuneOutcome]) -> Iterator[str]:
    files: defaultdict[str, int] = defaultdict(int)
    communes: defaultdict[str, list[str]] = defaultdict(list)
    reasons: dict[str, str] = {}
    for outcome in outcomes:
        for failure in outcome.failures:
            files[failure.code] += failure.files
            communes[failure.code].append(outcome.commune)
            reasons.setdefault(failure.code, failure.reason)
    for code, reason in reasons.items():
        yield f"En échec : {count_of(files[code], 'fichier', 'fichiers')} ({_name(communes[code])}) : {reason}"


def _refusals(outcomes: Sequence[CommuneOutcome]) -> Iterator[str]:
    refused: defaultdict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.reason:
            refused[outcome.reason.replace(outcome.commune, "…")].append(outcome.commune)
    for reason, communes in refused.items():
        number = count_of(len(communes), "demande refusée", "demandes refusées")
        yield f"{number} ({_name(communes)}) : {reason}"


def _what_else(batch: Batch, outcomes: Sequence[CommuneOutcome], words: KindWords) -> Iterator[str]:
    if cancelled := [it.commune for it in outcomes if it.cancelled]:
        yield f"{count_of(_total(outcomes, 'cancelled'), 'fichier annulé', 'fichiers annulés')} ({_name(cancelled)})"
    if recalled := [it.commune for it in outcomes if it.recalled]:
        found = count_of(_total(outcomes, "recalled"), "fichier est à refaire", "fichiers sont à refaire")
        yield (
            f"{found} ({_name(recalled)}) : ce sur quoi ils reposent a été repris depuis. Les redemander sans "
            "--resume, qui ne les refait pas"
        )
    if coming := [it.commune for it in outcomes if it.provisional]:
        found = count_of(_total(outcomes, "provisional"), "fichier provisoire", "fichiers provisoires")
        yield f"{found} ({_name(coming)}) : à refaire quand sa période sera terminée"
    if lacking := [it.commune for it in outcomes if it.to_complete]:
        found = count_of(_total(outcomes, "to_complete"), "tableau à compléter", "tableaux à compléter")
        yield f"{found} ({_name(lacking)}) : il manque des dates ou des motifs"
    if wrong := [it.commune for it in outcomes if it.bloquantes]:
        found = count_of(_total(outcomes, "bloquantes"), "anomalie bloquante", "anomalies bloquantes")
        yield f"{found} ({_name(wrong)}) : {words.consequence}"
    if late := [it.commune for it in outcomes if not it.is_settled]:
        if not any(it.outcome for it in outcomes):
            yield "Aucune demande n'est encore lue : un worker tourne-t-il ?"
        yield (
            f"Délai dépassé, à venir : {count_of(len(late), 'commune', 'communes')} ({_name(late)}). Pour attendre "
            f"encore : la même commande avec --resume {batch.name}"
        )


def _total(outcomes: Iterable[CommuneOutcome], name: str) -> int:
    return sum(getattr(outcome, name) for outcome in outcomes)


def _name(communes: Sequence[str]) -> str:
    """Which communes, the first few of them."""
    more = len(communes) - _NAMED
    return ", ".join([*communes[:_NAMED], *([f"et {more} de plus"] if more > 0 else [])])


HEADER = (
    *("Commune", "Nom", "État", "Fichiers prêts", "Fichiers provisoires", "Fichiers à corriger"),
    *("Fichiers à compléter", "Fichiers à refaire", "Fichiers en échec", "Fichiers annulés", "Fichiers à venir"),
    *("Anomalies bloquantes", "Remarques", "Motif"),
)


def write_report(path: Path, outcomes: Iterable[CommuneOutcome]) -> None:
    """Write it anew."""
    with path.open("w", encoding=ENCODING, newline="") as file:
        writer = SheetWriter(file)
        writer.write(HEADER)
        for outcome in outcomes:
            writer.write(_report_line(outcome))


def _report_line(outcome: CommuneOutcome) -> tuple[str | int, ...]:
    reasons = " ".join(filter(None, [outcome.reason, *(failure.reason for failure in outcome.failures)]))
    return (
        outcome.commune,
        outcome.nom,
        _report_state(outcome),
        outcome.usable,
        outcome.provisional,
        outcome.to_correct,
        outcome.to_complete,
        outcome.recalled,
        outcome.failed,
        outcome.cancelled,
        outcome.unfinished,
        outcome.bloquantes,
        outcome.remarques,
        reasons,
    )


def _report_state(outcome: CommuneOutcome) -> str:
    if outcome.outcome is None:
        return "pas encore lue"
    if outcome.outcome is RequestOutcome.REFUSED:
        return "refusée"
    if not outcome.is_settled:
        return "en cours"
    if not outcome.is_whole:
        return "à refaire" if outcome.recalled else "incomplète"
    states = {
        "à corriger": outcome.bloquantes,
        "provisoire": outcome.provisional,
        "à compléter": outcome.to_complete,
    }
    return next((state for state, number in states.items() if number), "prête")
