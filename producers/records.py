"""What a producer can know of its requests and of their files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple, Self

from common.cli import ExitCode
from common.french import count_of
from common.incomplete import describe_missing
from schemas.vocabulary import ExportKind, ExportStatus, Piece, RequestOutcome, Severity, Verdict


class Toned(StrEnum):
    """A state, with its label as a clerk reads it, and the look of its badge: a class of the style sheet."""

    _value_: str
    label: str
    tone: str

    def __new__(cls, value: str, label: str = "", tone: str = "") -> Self:
        """Make a member; a lookup names the value alone."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.label, member.tone = label, tone
        return member


class FileState(Toned):
    """Where a file stands in a clerk's work: one state each, and what cannot be used is never called ready."""

    QUEUED = "queued", "en attente", "queued"
    RUNNING = "running", "en préparation", "running"
    FAILED = "failed", "en échec", "failed"
    CANCELLED = "cancelled", "annulé", "cancelled"
    REJECTED = "rejected", "rejeté", "error"
    TO_REDO = "to_redo", "à refaire", "error"
    CERTIFIED = "certified", "certifié", "ok"
    PUBLISHED = "published", "publié", "info"
    ACCEPTED = "accepted", "accepté", "ok"
    DEPOSITED = "deposited", "déposé", "info"
    PURGED = "purged", "effacé", "idle"
    TO_CORRECT = "to_correct", "à corriger", "error"
    PROVISOIRE = "provisoire", "provisoire", "warning"
    TO_COMPLETE = "to_complete", "à compléter", "warning"
    OUTDATED = "outdated", "ancien", "warning"
    READY = "ready", "prêt", "ready"


class StateRule(NamedTuple):
    """A file that was made is in this state when this column of its record is `value`, or says anything at all."""

    state: FileState
    column: str
    value: str | None = None


STATE_RULES = (
    StateRule(FileState.REJECTED, "verdict", Verdict.REJETE),
    StateRule(FileState.TO_REDO, "recalled_at"),
    StateRule(FileState.CERTIFIED, "certified_on"),
    StateRule(FileState.PUBLISHED, "published_on"),
    StateRule(FileState.ACCEPTED, "verdict", Verdict.ACCEPTE),
    StateRule(FileState.DEPOSITED, "deposited_on"),
    StateRule(FileState.PURGED, "purged_at"),
    StateRule(FileState.TO_CORRECT, "bloquantes"),
    StateRule(FileState.PROVISOIRE, "provisoire_until"),
    StateRule(FileState.TO_COMPLETE, "a_completer"),
    StateRule(FileState.OUTDATED, "outdated_at"),
)
"""In this order: the first that holds is the state, and a file of which none holds is ready."""


class PieceFile(NamedTuple):
    """A file of the volume, in the directory of its commune."""

    file_name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class ExportState:
    """One file: what was asked, where it stands, and what was made. Sizes in bytes, instants in UTC.

    Of a tableau, `electeurs` and `lines_written` are mouvements. Of a list file, `type_tableau`, `presentation` and
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
    purged_at: datetime | None = None
    provisoire_until: date | None = None
    """Of a tableau that was asked for before its date: that date. It is to be made again then."""
    rests_on: Sequence[Mapping[str, Any]] | None = None
    """The imports that it was made from, `import_id` and `taken_on`; None of a file of an earlier release."""
    recalled_at: datetime | None = None
    """When one of them was undone or redated: it is to be made again."""
    recalled_because: str = ""
    outdated_at: datetime | None = None
    """When the register of its list was imported again after it was asked for."""
    deposited_on: date | None = None
    published_on: date | None = None
    """Of a tableau: since when it is posted, or open to consultation."""
    published_until: date | None = None
    certified_on: date | None = None
    """When its certificate of publication was signed."""
    a_completer: int = 0
    """Of a tableau: mouvements whose date or motif is missing. It is not to be published."""
    verdict: str = ""
    """What the platform answered; empty while it has not."""
    pieces: Mapping[str, PieceFile] = field(default_factory=dict)
    """What stands beside it, by the kind."""
    anomalies: Sequence[Mapping[str, Any]] = ()
    """By nature: `code`, `severity`, `column`, `count`; `messages` of what is said of the file as a whole."""

    @property
    def blocking_messages(self) -> list[str]:
        """What is wrong with the file as a whole, and what to do: what is not known of a tableau's period."""
        return [said for it in self.anomalies if it["severity"] == Severity.BLOCKING for said in it.get("messages", ())]

    @property
    def missing(self) -> str:
        """What a tableau to be completed lacks: `12 dates, 4 motifs`."""
        return describe_missing(self.anomalies) if self.a_completer else ""

    @property
    def is_incomplete(self) -> bool:
        """Whether something is missing, and no agent decided to publish the tableau all the same."""
        return bool(self.a_completer) and self.published_on is None

    @property
    def is_finished(self) -> bool:
        """Whether it was made and can be used: nothing blocking or missing, not provisional, not to be made again."""
        is_wrong = self.bloquantes or self.provisoire_until or self.recalled_at or self.verdict == Verdict.REJETE
        return self.status is ExportStatus.READY and not is_wrong and not self.is_incomplete

    @property
    def state(self) -> FileState:
        """Where it stands: the one place that says so, whoever shows it."""
        if self.status is not ExportStatus.READY:
            return FileState(self.status)
        return next((rule.state for rule in STATE_RULES if self._is(rule)), FileState.READY)

    def _is(self, rule: StateRule) -> bool:
        known = getattr(self, rule.column)
        return bool(known) if rule.value is None else known == rule.value

    @property
    def is_available(self) -> bool:
        """Whether its file was made, and was not purged since."""
        return self.status is ExportStatus.READY and self.purged_at is None

    @property
    def path(self) -> str:
        """Where the file is, relative to the exports volume."""
        return f"{self.code_commune}/{self.file_name}"

    @property
    def report_path(self) -> str | None:
        """Where its report of anomalies is, when it has one."""
        report = self.pieces.get(Piece.RAPPORT)
        return f"{self.code_commune}/{report.file_name}" if report else None


@dataclass(frozen=True)
class RequestState:
    """What became of one request; `outcome` is None while no worker has read it."""

    outcome: RequestOutcome | None = None
    reason: str = ""
    exports: tuple[ExportState, ...] = ()

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more will happen to it."""
        if self.outcome is RequestOutcome.REFUSED:
            return True
        return bool(self.exports) and all(export.status.is_terminal for export in self.exports)


class KindWords(NamedTuple):
    """How a kind of file is spoken of."""

    counted: str
    """What it is made of."""
    consequence: str
    """What its blocking anomalies would cause."""

    def so_many(self, number: int) -> str:
        """So many of them."""
        return count_of(number, self.counted.removesuffix("s"), self.counted)


WORDS = {
    ExportKind.LISTE: KindWords("électeurs", "le dépôt serait rejeté"),
    ExportKind.TABLEAU: KindWords("mouvements", "le tableau serait faux"),
}


def exit_code_of(request: RequestState) -> ExitCode:
    """The code of a command that waited for a request until now."""
    if not request.is_terminal:
        return ExitCode.TIMEOUT
    if not request.exports or any(export.status is not ExportStatus.READY for export in request.exports):
        return ExitCode.FAILED
    return ExitCode.ANOMALIES if any(export.bloquantes for export in request.exports) else ExitCode.DONE
