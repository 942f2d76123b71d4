"""The state of requests and of their files, as a producer reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from common.cli import ExitCode
from common.french import describe_missing
from schemas.file_state import STATE_RULES, FileState, find_state, is_usable
from schemas.vocabulary import (
    CopieFile,
    ExportKind,
    ExportStatus,
    RequestOutcome,
    Severity,
    Verdict,
)


class PieceFile(NamedTuple):
    """A file in the commune's directory of the exports volume."""

    file_name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class ExportState:
    """One file: its request, state and result. Sizes are in bytes, instants in UTC.

    For a tableau, `electeurs` and `lines_written` count mouvements. For a list file, `type_tableau`, `presentation` and
    `edition` are empty.
    """

    export_id: int
    source: str
    event_id: str
    requested_by: str
    requested_at: datetime
    code_commune: str
    nom_commune: str
    liste: str
    format: str
    label: str
    status: ExportStatus
    electeurs: int | None
    lines_written: int
    mineurs: int
    bloquantes: int
    remarques: int
    file_name: str
    size: int | None
    sha256: str | None
    error_code: str
    error_message: str
    started_at: datetime | None
    finished_at: datetime | None
    kind: ExportKind
    type_tableau: str
    presentation: str
    edition: str
    pages: int | None
    secteur: int = 0
    """For a tableau of Paris, Lyon or Marseille: its secteur; 0: of the whole commune."""
    purged_at: datetime | None = None
    provisoire_until: date | None = None
    """For a tableau that was requested before its date: that date, from which it must be made again."""
    rests_on: Sequence[Mapping[str, Any]] | None = None
    """The imports that the file was made from, `import_id` and `taken_on`; None for a file of an earlier release."""
    recalled_at: datetime | None = None
    """When one of these imports was undone or redated: the file must be made again."""
    recalled_because: str = ""
    fault: str = ""
    """How the file was last found to differ from its record: `missing`, `altered` …; empty if it did not."""
    outdated_at: datetime | None = None
    """When its list was imported again after the request."""
    deposited_on: date | None = None
    published_on: date | None = None
    """For a tableau: the first day it is posted or open to consultation."""
    published_until: date | None = None
    certified_on: date | None = None
    a_completer: int = 0
    """For a tableau: mouvements whose date or motif is missing, which prevents publication."""
    verdict: str = ""
    """The platform's verdict; empty before its reply."""
    pieces: Mapping[str, PieceFile] = field(default_factory=dict)
    anomalies: Sequence[Mapping[str, Any]] = ()
    """Anomalies by code: `code`, `severity`, `column`, `count`; `messages` for anomalies of the whole file."""

    @property
    def blocking_messages(self) -> list[str]:
        """The blocking anomalies of the whole file, such as an incomplete period of a tableau, with the remedy."""
        return [
            said
            for it in self.anomalies
            if it["severity"] == Severity.BLOCKING
            for said in it.get("messages", ())
        ]

    @property
    def missing(self) -> str:
        """The data missing from a tableau: `12 dates, 4 motifs`."""
        return describe_missing(self.anomalies) if self.a_completer else ""

    @property
    def is_incomplete(self) -> bool:
        """Whether data are missing, and no agent has published the tableau anyway."""
        return bool(self.a_completer) and self.published_on is None

    @property
    def is_finished(self) -> bool:
        """Whether the file is ready and usable: not blocked, incomplete, provisional, rejected or recalled."""
        is_wrong = (
            self.bloquantes
            or self.provisoire_until
            or self.recalled_at
            or self.verdict == Verdict.REJETE
        )
        return self.status is ExportStatus.READY and not is_wrong and not self.is_incomplete

    @property
    def state(self) -> FileState:
        """The state of the file; all pages and commands use this property."""
        return find_state(self.status, self._facts)

    @property
    def is_usable(self) -> bool:
        """Whether nothing that is known speaks against its use, as programs read it (`usable`)."""
        return is_usable(self.status, self._facts)

    @property
    def _facts(self) -> Mapping[str, object]:
        return {rule.column: getattr(self, rule.column) for rule in STATE_RULES}

    @property
    def is_to_make_again(self) -> bool:
        """Whether a retry of its request makes it again: it has no good bytes, or is recalled."""
        if self.status is not ExportStatus.READY:
            return self.status.is_terminal
        return bool(self.recalled_at or self.purged_at or self.fault)

    @property
    def is_available(self) -> bool:
        """Whether it may be downloaded: ready, not purged, and not a recalled copy, which may show an address."""
        is_withdrawn = self.edition == CopieFile.COPIE and self.recalled_at is not None
        return self.status is ExportStatus.READY and self.purged_at is None and not is_withdrawn

    @property
    def path(self) -> str:
        """Path of the file, relative to the exports volume."""
        return f"{self.code_commune}/{self.file_name}"


@dataclass(frozen=True)
class RequestState:
    """The state of one request; `outcome` is None until a worker has read it."""

    outcome: RequestOutcome | None = None
    reason: str = ""
    exports: tuple[ExportState, ...] = ()

    @property
    def is_terminal(self) -> bool:
        """Whether the state of the request is final."""
        if self.outcome is RequestOutcome.REFUSED:
            return True
        return bool(self.exports) and all(export.status.is_terminal for export in self.exports)


class KindWords(NamedTuple):
    """The French words for a kind of file."""

    counted: str
    consequence: str


WORDS = {
    ExportKind.LISTE: KindWords("électeurs", "la liste serait fausse, ou rejetée"),
    ExportKind.TABLEAU: KindWords("mouvements", "le tableau serait faux"),
}


def exit_code_of(request: RequestState) -> ExitCode:
    """Return the exit code of a command that waited for a request."""
    if not request.is_terminal:
        return ExitCode.TIMEOUT
    if not request.exports or any(
        export.status is not ExportStatus.READY for export in request.exports
    ):
        return ExitCode.FAILED
    return (
        ExitCode.ANOMALIES
        if any(export.bloquantes for export in request.exports)
        else ExitCode.DONE
    )
