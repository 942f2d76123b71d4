"""What became of a request, as people are told of it."""

from dataclasses import dataclass
from typing import Self

from sqlalchemy.orm import Session, selectinload

from schemas.topology import REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import ExportKind, ExportStatus, RequestOutcome
from worker.exports.models import Export, Request
from worker.notifier.kinds import Topic, Wish
from worker.registre.models import Commune

_KINDS = {REQUEST_LISTE_EXPORT: ExportKind.LISTE, REQUEST_TABLEAUX_RENDER: ExportKind.TABLEAU}


@dataclass(frozen=True)
class News:
    """A settled request with its files, the name of its commune."""

    request: Request
    nom_commune: str

    @classmethod
    def read(cls, session: Session, request_id: int) -> Self:
        """Read everything at once, so that no transaction is open while mails are sent."""
        request = session.get_one(Request, request_id, options=[selectinload(Request.exports)])
        commune = session.get(Commune, request.code_commune)
        return cls(request, commune.nom if commune else "")

    @property
    def is_refused(self) -> bool:
        """Whether the request was refused when it was read: it has no files."""
        return self.request.outcome == RequestOutcome.REFUSED

    @property
    def kind(self) -> ExportKind | None:
        """What was asked for: a request is of one kind only. None for a refused one whose type nobody knows."""
        exports = self.request.exports
        return ExportKind(exports[0].kind) if exports else _KINDS.get(self.request.event_type)

    @property
    def topic(self) -> Topic:
        """The most serious thing that became of it."""
        if self.is_refused:
            return Topic.REFUSED
        if self.files(ExportStatus.FAILED):
            return Topic.FAILED
        return Topic.READY if self.files(ExportStatus.READY) else Topic.CANCELLED

    @property
    def wishes(self) -> frozenset[Wish]:
        """Whoever has one of these wishes is told."""
        has_ready = bool(self.files(ExportStatus.READY))
        is_all_ready = has_ready and len(self.files(ExportStatus.READY)) == len(self.request.exports)
        return frozenset(({Wish.READY} if has_ready else set()) | (set() if is_all_ready else {Wish.FAILED}))

    @property
    def bloquantes(self) -> int:
        """Blocking anomalies to correct; those of a list, or of a type of tableau for a list, count once.

        They are the same in each format, and in each presentation.
        """
        by_subject: dict[tuple[str, str], int] = {}
        for export in self.files(ExportStatus.READY):
            subject = (export.type_tableau, export.liste)
            by_subject[subject] = max(export.bloquantes, by_subject.get(subject, 0))
        return sum(by_subject.values())

    @property
    def lieu(self) -> str:
        """The commune as a clerk reads it: `LIBREVILLE (13900)`."""
        return f"{self.nom_commune} ({self.request.code_commune})" if self.nom_commune else self.request.code_commune

    def files(self, status: ExportStatus) -> list[Export]:
        """The files in that state."""
        return [export for export in self.request.exports if export.status == status]
