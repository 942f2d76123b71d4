"""What a producer can know of its requests and of their files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from common.cli import ExitCode
from schemas.vocabulary import ExportKind, ExportStatus, RequestOutcome, Severity


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
    report_name: str | None
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
    anomalies: Sequence[Mapping[str, Any]] = ()
    """By nature: `code`, `severity`, `column`, `count`; `messages` of what is said of the file as a whole."""

    @property
    def blocking_messages(self) -> list[str]:
        """What is wrong with the file as a whole, and what to do: what is not known of a tableau's period."""
        return [said for it in self.anomalies if it["severity"] == Severity.BLOCKING for said in it.get("messages", ())]

    @property
    def is_finished(self) -> bool:
        """Whether it was made and can be used: nothing blocking in it, not provisional, not to be made again."""
        return self.status is ExportStatus.READY and not (self.bloquantes or self.provisoire_until or self.recalled_at)

    @property
    def state(self) -> str:
        """Where it stands, in a word that people read: what cannot be used is never called ready."""
        if self.status is ExportStatus.READY and self.recalled_at:
            return "à refaire"
        if self.status is ExportStatus.READY and not self.is_finished:
            return ", ".join(
                word
                for word, holds in (("provisoire", self.provisoire_until), ("à corriger", self.bloquantes))
                if holds
            )
        return self.status.label

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
        return f"{self.code_commune}/{self.report_name}" if self.report_name else None


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
