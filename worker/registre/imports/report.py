"""The reports of an import: CSV files that the clerk opens in a spreadsheet, beside the file that was imported."""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from common.files import ENCODING, SEPARATOR, SheetWriter
from common.french import capitalized, count_of, format_number
from schemas.vocabulary import ImportQuestion
from worker.errors import ImportRefusedError
from worker.registre.imports.lines import Rejection

LISTED = 5
"""How many of many similar things a message names."""


@dataclass(frozen=True)
class ListeCount:
    """One list of one commune: its electors now, and before (None: it was not in the register)."""

    code_commune: str
    liste: str
    electeurs: int
    before: int | None
    mineurs: int = 0
    """Of its electors, those entered in advance: the list file does not hold them yet."""


class Question(NamedTuple):
    """What a clerk has to confirm before an import: what would change, and the likely cause, both in French."""

    kind: ImportQuestion
    code_commune: str
    liste: str
    """Empty where the question is of the whole file."""
    found: str
    cause: str

    @property
    def label(self) -> str:
        """For the audit trail: `bureau disparu (liste P de 13055)`."""
        return f"{self.kind.label} (liste {self.liste} de {self.code_commune})" if self.liste else self.kind.label


class Gap(NamedTuple):
    """What changed in a list between two exports and is not known: the second one was not compared with the first."""

    import_id: int
    """Of the second one."""
    code_commune: str
    liste: str
    since: date
    until: date


@dataclass(frozen=True)
class Comparison:
    """What an import changed in the lists that it replaced, in numbers of electors."""

    jour: date
    """The day the export was taken, which its mouvements bear."""
    listes: int
    """Lists compared; those that were not in the register before are not."""
    inscriptions: int
    radiations: int
    changements: int
    """Electors who vote in another bureau."""
    others: int
    """Electors who changed otherwise (address, name of use, spelling): no mouvement."""
    homonyms: int
    """Identities that several electors of one list share."""
    spellings: int
    """Electors whose name or place of birth is spelled in another way than before."""
    doubts: int
    """Pairs of a radiation and an inscription that may be one person: a corrected civil status."""
    report: Path | None
    """Where homonyms, spellings and doubts are told one by one."""


@dataclass(frozen=True)
class ImportSummary:
    """An import that succeeded. When `unchanged`, the register already held this very file and nothing was done."""

    import_id: int
    file_name: str
    sha256: str
    unchanged: bool
    lines_read: int
    lines_kept: int
    lines_rejected: int
    values_cleaned: int
    listes: tuple[ListeCount, ...] = ()
    bureaux: int = 0
    bureaux_changed: int = 0
    notes: tuple[str, ...] = ()
    reasons: Mapping[str, int] = field(default_factory=dict)
    report: Path | None = None
    comparison: Comparison | None = None
    taken_on: date | None = None
    """Of an export of the REU: the day it was taken."""
    is_dated: bool = False
    """Whether somebody said that day; else it is the day of the import."""
    kept: tuple[ListeCount, ...] = ()
    """Lists of the same communes that the file does not hold: they stay as they are."""
    gaps: tuple[Gap, ...] = ()
    """Between the exports before it and this one, where it was not compared."""
    questions: tuple[Question, ...] = ()
    """Those that were answered by yes; of a preview: those that have to be."""


@dataclass(frozen=True)
class ImportPreview:
    """What an import would do, had it not been taken back: `summary.import_id` is of no import."""

    summary: ImportSummary
    state: str
    """The register that it was compared with, see `read_state`."""
    rejections: tuple[Rejection, ...] = ()
    """The first rejected lines."""
    blocking: Mapping[str, int] = field(default_factory=dict)
    """Electors of the file that no list can be deposited with, by what the clerk is to do."""


def name_some(texts: Iterable[str]) -> str:
    """The first of the texts, and how many are left."""
    rest = iter(texts)
    named = " ; ".join(islice(rest, LISTED))
    left = sum(1 for _ in rest)
    return f"{named} ; et {format_number(left)} de plus" if left else named


def describe_reasons(reasons: Mapping[str, int]) -> str:
    """Reasons of rejection with their counts, the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda pair: -pair[1])
    return name_some(f"{reason} ({format_number(count)})" for reason, count in ordered)


def ask_in_words(questions: Iterable[tuple[str, str]]) -> str:
    """The first questions, each what was found and its likely cause, and how many are left."""
    said = [f"{capitalized(found)}. {cause}" for found, cause in questions]
    left = len(said) - LISTED
    return " ".join([*said[:LISTED], *([f"Et {count_of(left, 'autre question')}."] if left > 0 else [])])


def describe_answers(questions: Iterable[Question]) -> str:
    """For the audit trail, after the number of an import: the questions that were answered by yes, or nothing."""
    labels = name_some(it.label for it in questions)
    return f" ; confirmé : {labels}" if labels else ""


class ReportKind(NamedTuple):
    """What tells reports of one kind from other files, and what is said when one cannot be written."""

    header: tuple[str, ...]
    name: str
    """« le rapport … »."""
    is_another_file: str
    """« … existe et … ; … »: why the file that is there is not replaced."""
    advice: str


REJECTS = ReportKind(
    ("Ligne", "Colonne", "Motif"),
    "le rapport des rejets",
    "n'est pas un rapport de rejets ; donnez un autre --report",
    "choisissez un autre endroit avec --report",
)


def default_report(path: Path) -> Path:
    """Where the report of an import of this file goes, unless told otherwise."""
    return path.with_name(f"{path.stem}-rejets.csv")


class ReportFile:
    """Writes lines as they come. Without one, no file is left; one of an earlier attempt is replaced.

    Without a path nothing is written: whoever asked reads what happened elsewhere.
    """

    def __init__(self, path: Path | None, kind: ReportKind) -> None:
        self.path = path
        self._kind = kind
        self._writer: SheetWriter | None = None
        self._files = ExitStack()

    def __enter__(self) -> Self:
        try:
            if self.path and self.path.exists():
                self._remove_former(self.path)
        except OSError as error:
            raise self._not_written(error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._files.close()
        except OSError as fault:
            raise self._not_written(fault) from None

    @property
    def written(self) -> Path | None:
        """The report, when there is one."""
        return self.path if self._writer else None

    def write(self, line: Iterable[object]) -> None:
        """Write one line, in which no value can become a formula of the spreadsheet.

        Raises:
            ImportRefusedError: the report cannot be written.
        """
        if self.path is None:
            return
        try:
            if self._writer is None:
                file = self._files.enter_context(self.path.open("w", encoding=ENCODING, newline=""))
                self._writer = SheetWriter(file)
                self._writer.write(self._kind.header)
            self._writer.write(line)
        except OSError as error:
            raise self._not_written(error) from None

    def _remove_former(self, path: Path) -> None:
        """Remove the report of an earlier attempt, and nothing else: the path may have been mistyped."""
        first_line = SEPARATOR.join(self._kind.header).encode(ENCODING)
        with path.open("rb") as file:
            is_ours = file.readline(len(first_line)) == first_line
        if not is_ours:
            raise ImportRefusedError(f"{path} existe et {self._kind.is_another_file}")
        path.unlink()

    def _not_written(self, error: OSError) -> ImportRefusedError:
        return ImportRefusedError(
            f"{self._kind.name} {self.path} ne peut pas être écrit ({error.strerror}) ; {self._kind.advice}"
        )


FIRST_REJECTIONS = 100
"""Rejected lines that are told one by one where there is no file to write them to."""


class RejectReport(ReportFile):
    """Writes each rejected line, and counts them by reason."""

    def __init__(self, path: Path | None) -> None:
        super().__init__(path, REJECTS)
        self.reasons: Counter[str] = Counter()
        self.first: list[Rejection] = []

    def add(self, rejection: Rejection) -> None:
        """Write one line.

        Raises:
            ImportRefusedError: the report cannot be written.
        """
        self.reasons[rejection.reason] += 1
        if len(self.first) < FIRST_REJECTIONS:
            self.first.append(rejection)
        self.write(rejection)

    def refusal(self, lines_read: int, advice: str) -> ImportRefusedError:
        """The refusal of a file whose rejected lines are not accepted; `advice`: what the clerk can do."""
        rejected = (
            f"{count_of(self.reasons.total(), 'ligne rejetée')} sur {format_number(lines_read)} : "
            f"{describe_reasons(self.reasons)}"
        )
        return ImportRefusedError(
            f"{rejected}. Le détail est dans {self.path}. {advice}",
            on_screen=f"{rejected}. Corrigez-les dans le REU, ou téléchargez de nouveau l'export",
        )


CORRECT_OR_ACCEPT = "Corrigez le fichier, ou acceptez de perdre ces lignes avec --accept-rejects."
"""The usual advice."""
