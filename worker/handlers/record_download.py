"""Somebody has taken a file: who and when stand on its row and in the audit trail."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, update

from common.clock import PARIS
from schemas.declarations import FileDownloaded
from schemas.envelope import CloudEvent
from schemas.vocabulary import Piece
from worker.exports.audit import Action
from worker.exports.models import Export
from worker.exports.naming import report_name
from worker.handlers.declaration import Declaration, find_files
from worker.handlers.rights import Rights
from worker.handlers.services import Services
from worker.handlers.wanted import read_data

_LATE_SECONDS = 60
"""An event that waited longer than this says in its line when the file was taken."""


@dataclass(frozen=True)
class Download(Declaration):
    """One piece of one export, at an instant of the sender's clock."""

    piece: Piece
    taken_at: datetime

    def apply(self, connection: Connection, now: datetime) -> None:
        """Write it down; what is told late takes the place of no later download."""
        (file,) = self.files
        taken_at = min(self.taken_at, now)
        is_latest = or_(Export.downloaded_at.is_(None), Export.downloaded_at <= taken_at)
        values = {"downloaded_at": taken_at, "downloaded_by": self.requested_by}
        connection.execute(update(Export).where(Export.id == file.id, is_latest).values(values))
        self.note(connection, Action.FILE_DOWNLOADED, file, self._detail(file, taken_at, now))

    def _detail(self, file: Export, taken_at: datetime, now: datetime) -> str:
        name = (file.report_name or report_name(file.file_name)) if self.piece is Piece.RAPPORT else file.file_name
        detail = f"{name} (dossier de dépôt)" if self.piece is Piece.DOSSIER else name
        if (now - taken_at).total_seconds() <= _LATE_SECONDS:
            return detail
        return f"{detail}, le {taken_at.astimezone(PARIS):%d/%m/%Y à %H:%M:%S}"


def read_download(event: CloudEvent, services: Services, rights: Rights) -> Download:
    """Read the declaration.

    Raises:
        RefusedError: it cannot be recorded, and why.
    """
    asked = read_data(event, FileDownloaded)
    files = find_files(asked.commune, [asked.export], services, rights)
    return Download(asked.commune, asked.requested_by, files, asked.piece, event.time)
