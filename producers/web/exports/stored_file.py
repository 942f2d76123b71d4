"""Sends files of the exports volume: found by their record, never by a name of the URL, and never if altered."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from common.files import CHUNK, hash_file, open_beneath
from producers.records import PieceFile
from producers.web.exports.query import AskedFile
from producers.web.page_context import WebServices
from schemas.declarations import DeclarationNoted, FileDownloaded
from schemas.envelope import CloudEvent, Data
from schemas.requests import check_code_commune
from schemas.screen_notes import DownloadBegun, FileNotServed, ScreenNoted
from schemas.vocabulary import Piece


class FileGoneError(Exception):
    """The volume does not have the file, or refuses access."""


class FileAlteredError(Exception):
    """The file differs from its record: another size or other bytes, or not a regular file."""


@dataclass
class Delivery:
    """A verified file to send: iterates over the bytes of one open file, which cannot be replaced."""

    recorded: PieceFile
    file: BinaryIO
    start: int = 0
    stop: int | None = None
    """End of the range (exclusive); None: end of the file."""
    is_complete: bool = field(default=False, init=False)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes, once; close the file at the end or after an error."""
        left = (self.recorded.size if self.stop is None else self.stop) - self.start
        try:
            self.file.seek(self.start)
            while left and (chunk := self.file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk
            self.is_complete = left == 0
        finally:
            self.close()

    def close(self) -> None:
        self.file.close()


def record_of(asked: AskedFile, piece: Piece = Piece.FICHIER) -> PieceFile | None:
    """Return the record of a file or of one that accompanies it; None if it is not made, or if there is none."""
    if not asked.is_ready:
        return None
    return asked.files[0] if piece is Piece.FICHIER else asked.pieces.get(piece)


def open_asked(root: Path, asked: AskedFile, piece: Piece = Piece.FICHIER) -> Delivery:
    """Open a requested file, or one that accompanies it, and check its size and every byte against the record.

    Symbolic links are not followed. The returned file stays open, so that a later replacement has no effect.

    Raises:
        FileGoneError: the file was not made; it or the volume does not exist; or this account may not read it.
        FileAlteredError: the file differs from its record.
    """
    recorded = record_of(asked, piece)
    if recorded is None:
        raise FileGoneError(asked.file_name)
    return open_file(root, asked.code_commune, recorded)


def open_file(root: Path, code_commune: str, recorded: PieceFile) -> Delivery:
    """Open and check a file by its record, as `open_asked` does."""
    name = recorded.file_name
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise FileGoneError(name)
    try:
        file = BufferedReader(open_beneath(root, check_code_commune(code_commune), name))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        raise FileGoneError(recorded.file_name) from None
    except OSError:  # a link (ELOOP), a socket (ENXIO), a directory
        raise FileAlteredError(recorded.file_name) from None
    try:
        is_intact = (
            os.fstat(file.fileno()).st_size == recorded.size
            and hash_file(file)[1] == recorded.sha256
        )
        file.seek(0)
    except BaseException:
        file.close()
        raise
    if not is_intact:
        file.close()
        raise FileAlteredError(recorded.file_name)
    return Delivery(recorded, file)


def report_lost(services: WebServices, asked: AskedFile, who: str) -> None:
    """Have a worker look at a file that could not be sent, and record what it finds for all who ask for it."""
    note = FileNotServed(export=asked.export_id)
    data = ScreenNoted(commune=asked.code_commune, note=note, requested_by=who)
    services.spool.send(
        CloudEvent.wrap(data, source=services.settings.source, correlationid=asked.correlation_id)
    )


def attachment(name: str, size: int) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(size),
        "Accept-Ranges": "none",
    }


@dataclass(frozen=True)
class Download:
    """What a person or a program takes: files, or one that accompanies them, such as a dossier."""

    services: WebServices
    who: str
    piece: Piece
    files: Sequence[AskedFile]

    def send(
        self,
        request: Request,
        delivery: Delivery,
        *,
        headers: Mapping[str, str],
        media_type: str,
        status: int = 200,
    ) -> Response | None:
        """Send the bytes after recording who takes them, and record the end; None if it cannot be recorded."""
        if request.method == "HEAD":
            delivery.close()
            return Response(status_code=status, headers=headers, media_type=media_type)
        if not self._note_begun():
            delivery.close()
            return None
        after = BackgroundTask(self._note_end, delivery)
        return StreamingResponse(iter(delivery), status, headers, media_type, after)

    def _note_begun(self) -> bool:
        events = []
        for file in self.files:
            note = DownloadBegun(export=file.export_id, piece=self.piece)
            events.append(
                self._about(
                    file, ScreenNoted(commune=file.code_commune, note=note, requested_by=self.who)
                )
            )
        return self.services.spool.send(*events)

    def _note_end(self, delivery: Delivery) -> None:
        delivery.close()
        for file in (
            self.files
            if delivery.is_complete and delivery.stop in {None, delivery.recorded.size}
            else ()
        ):
            note, exports = FileDownloaded(piece=self.piece), [file.export_id]
            data = DeclarationNoted(
                commune=file.code_commune, exports=exports, note=note, requested_by=self.who
            )
            self.services.spool.send(self._about(file, data))

    def _about(self, file: AskedFile, data: Data) -> CloudEvent:
        return CloudEvent.wrap(
            data, source=self.services.settings.source, correlationid=file.correlation_id
        )
