"""What an import reports: its summary, its questions, and the CSV of rejected lines beside the imported file."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self

from common.files import ENCODING, SEPARATOR, SheetWriter
from common.french import capitalized, count_of, format_number
from schemas.vocabulary import ImportQuestion
from worker.errors import ImportRefusedError
from worker.registre.versions import ListeKey

LISTED = 5
"""Maximum number of similar items that a message names."""


@dataclass(frozen=True)
class ListeCount:
    """One list of one commune: its electors now, and before (None: it was not in the register)."""

    code_commune: str
    liste: str
    electeurs: int
    before: int | None
    mineurs: int = 0
    """Electors registered in advance who are still minors: the list file leaves them out."""

    @property
    def key(self) -> ListeKey:
        """The list."""
        return ListeKey(self.code_commune, self.liste)


class Rejection(NamedTuple):
    """A line that cannot enter the register; the reason is in French and quotes no data of an elector."""

    line: int
    column: str
    reason: str


class Question(NamedTuple):
    """A question that an agent must confirm before an import: the change, and its likely cause, both in French."""

    kind: ImportQuestion
    code_commune: str
    liste: str
    """Empty if the question concerns the whole file."""
    found: str
    cause: str
    absorbed: str = ""
    """The commune whose electors arrive on this list, for the kind ABSORBED."""

    @property
    def label(self) -> str:
        """The label for the audit trail: `bureau disparu (liste P de 13055)`."""
        return (
            f"{self.kind.label} (liste {self.liste} de {self.code_commune})"
            if self.liste
            else self.kind.label
        )


class Gap(NamedTuple):
    """Unknown changes of a list between two exports: the second one was not compared with the first."""

    import_id: int
    """The import of the second export."""
    code_commune: str
    liste: str
    since: date
    until: date


@dataclass(frozen=True)
class Comparison:
    """The changes of an import in the lists that it replaced, as numbers of electors."""

    jour: date
    """The day the export was taken: the date of its mouvements."""
    listes: int
    """Number of lists compared; lists that were not in the register before are not compared."""
    inscriptions: int
    radiations: int
    changements: int
    """Electors who vote in another bureau."""
    others: int
    """Electors with other changes (address, name of use, spelling), which make no mouvement."""
    doubts: int
    """Pairs of a radiation and an inscription that may be one person: a corrected civil status."""


@dataclass(frozen=True)
class ImportSummary:
    """An import that succeeded. If `unchanged`, the register already held this file and nothing was done."""

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
    """The day an export of the REU was taken."""
    is_dated: bool = False
    """Whether that day was given; else it is the day of the import."""
    kept: tuple[ListeCount, ...] = ()
    """Lists of the same communes that the file does not contain: they stay unchanged."""
    gaps: tuple[Gap, ...] = ()
    """Gaps between the exports before it and this one, where it was not compared."""
    questions: tuple[Question, ...] = ()
    """The confirmed questions; in a preview, the questions to confirm."""


@dataclass(frozen=True)
class ImportPreview:
    """The result of an import that was rolled back: `summary.import_id` is the id of no import."""

    summary: ImportSummary
    state: str
    """The state of the register that the file was compared with, see `read_state`."""
    rejections: tuple[Rejection, ...] = ()
    """The first rejected lines."""
    blocking: Mapping[str, int] = field(default_factory=dict)
    """Electors of the file who block the file of a list, by the message for the agent."""


def name_some(texts: Iterable[str]) -> str:
    """Join the first texts, and state how many are left."""
    rest = iter(texts)
    named = " ; ".join(islice(rest, LISTED))
    left = sum(1 for _ in rest)
    return f"{named} ; et {format_number(left)} de plus" if left else named


def describe_reasons(reasons: Mapping[str, int]) -> str:
    """Return the reasons of rejection with their counts, the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda pair: -pair[1])
    return name_some(f"{reason} ({format_number(count)})" for reason, count in ordered)


def ask_in_words(questions: Iterable[tuple[str, str]]) -> str:
    """Join the first questions, each with its likely cause, and state how many are left."""
    said = [f"{capitalized(found)}. {cause}" for found, cause in questions]
    more = [f"Et {count_of(len(said) - LISTED, 'autre question')}."] if len(said) > LISTED else []
    return " ".join([*said[:LISTED], *more])


def describe_answers(questions: Iterable[Question]) -> str:
    """Return the end of an audit entry that names the confirmed questions; empty if there are none."""
    labels = name_some(it.label for it in questions)
    return f" ; confirmé : {labels}" if labels else ""


def default_report(path: Path) -> Path:
    """Return the default path of the report of rejects, beside the file."""
    return path.with_name(f"{path.stem}-rejets.csv")


_HEADER = "Ligne", "Colonne", "Motif"

FIRST_REJECTIONS = 100
"""Maximum number of rejected lines that are kept for the screen, and of reasons: some quote the file."""


class RejectReport:
    """Counts the rejected lines by reason, and writes each line to a file as it arrives.

    Without lines it leaves no file; it replaces the report of an earlier attempt. Without a path it writes nothing: the
    caller shows the results elsewhere.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.reasons: Counter[str] = Counter()
        self.first: list[Rejection] = []
        self._writer: SheetWriter | None = None
        self._files = ExitStack()

    def __enter__(self) -> Self:
        with self._refusing():
            if (
                self.path and self.path.exists()
            ):  # of an earlier attempt, or another file if the path is mistyped
                first_line = SEPARATOR.join(_HEADER).encode(ENCODING)
                with self.path.open("rb") as file:
                    is_ours = file.readline(len(first_line)) == first_line
                if not is_ours:
                    raise ImportRefusedError(
                        f"{self.path} existe et n'est pas un rapport de rejets ; donnez un autre --report"
                    )
                self.path.unlink()
        return self

    def __exit__(self, *_error: object) -> None:
        with self._refusing():
            self._files.close()

    @property
    def written(self) -> Path | None:
        """The path of the report, if a line was written."""
        return self.path if self._writer else None

    def add(self, rejection: Rejection) -> None:
        """Count and write one rejected line; no value can become a formula of the spreadsheet."""
        is_named = rejection.reason in self.reasons or len(self.reasons) < FIRST_REJECTIONS
        self.reasons[rejection.reason if is_named else "autres motifs"] += 1
        if len(self.first) < FIRST_REJECTIONS:
            self.first.append(rejection)
        if self.path is None:
            return
        with self._refusing():
            if self._writer is None:
                file = self._files.enter_context(self.path.open("w", encoding=ENCODING, newline=""))
                self._writer = SheetWriter(file)
                self._writer.write(_HEADER)
            self._writer.write(rejection)

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ImportRefusedError(
                f"{self.path} ne peut pas être écrit ({error.strerror}) ; choisissez un autre endroit avec --report"
            ) from None
