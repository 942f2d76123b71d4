"""The dossier de dépôt: the files to deposit as one ZIP, with what explains and proves them; no elector is named.

The same files make the same bytes: every date comes from the record, and nothing says when or by whom it was taken.
"""

import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from common.clock import PARIS
from common.files import CHUNK
from producers.web.archive import Entry, archive_size, write_archive
from producers.web.dossier_texts import write_readme, write_sums
from producers.web.files import Delivery, open_asked
from producers.web.reading.exports import AskedFile

TO_DEPOSIT, NOT_TO_DEPOSIT = "a-deposer", "ne-pas-deposer"
MANIFEST_VERSION = 1


@dataclass(frozen=True)
class SealedFile:
    """A file of the record, found intact and held open, so that nobody can change it before it leaves."""

    file: AskedFile
    delivery: Delivery
    crc: int

    @property
    def path(self) -> str:
        """Where it stands in the archive: the commission's own copy is kept apart."""
        folder = NOT_TO_DEPOSIT if self.file.is_for_commission else TO_DEPOSIT
        return f"{folder}/{self.delivery.recorded.name}"

    @property
    def moment(self) -> datetime:
        """When it was made, in Paris."""
        return (self.file.finished_at or self.file.requested_at).astimezone(PARIS)


@dataclass(frozen=True)
class Dossier:
    """A dossier that is ready to leave: `chunks` once, `size` bytes."""

    name: str
    size: int
    sealed: Sequence[SealedFile]
    entries: Sequence[Entry]

    def chunks(self) -> Iterator[bytes]:
        """The archive.

        Raises:
            ContentChangedError: a file was altered after it was found intact; what has left is no archive.
        """
        return write_archive(self.entries)

    def close(self) -> None:
        """Let go of the files."""
        for it in self.sealed:
            it.delivery.close()

    @property
    def is_complete(self) -> bool:
        """Whether the last byte of every file was taken."""
        return all(it.delivery.is_complete for it in self.sealed)


def seal(root: Path, commune: str, nom: str, files: Sequence[AskedFile]) -> Dossier:
    """Check every byte of every file, in this order; then the archive can leave. Closed by `close`.

    Raises:
        FileGoneError: a file is not there any more.
        FileAlteredError: a file is not what its record says.
        ArchiveTooLargeError: they do not fit in one archive.
    """
    with ExitStack() as opened:
        sealed = [_seal(root, file, opened) for file in files]
        moment = max(it.moment for it in sealed)
        manifest = write_manifest(commune, nom, sealed)
        readme = write_readme(commune, nom, [(it.path, it.file) for it in sealed])
        known = [(it.path, it.delivery.recorded.sha256) for it in sealed]
        sums = write_sums(known, {"LISEZ-MOI.txt": readme, "manifest.json": manifest})
        entries = [
            Entry.of_text("LISEZ-MOI.txt", readme, moment),
            *(Entry(it.path, it.delivery.recorded.size, it.crc, it.moment, it.delivery) for it in sealed),
            Entry.of_text("SHA256SUMS", sums, moment),
            Entry.of_text("manifest.json", manifest, moment),
        ]
        size = archive_size(entries)
        opened.pop_all()
    return Dossier(f"dossier-{commune}-{moment:%Y%m%d-%H%M%S}.zip", size, sealed, entries)


def write_manifest(commune: str, nom: str, sealed: Sequence[SealedFile]) -> bytes:
    """What the archive holds, for a program: documented in docs/producers.md."""
    document = {
        "version": MANIFEST_VERSION,
        "commune": {"code": commune, "nom": nom},
        "files": [_describe(it) for it in sealed],
    }
    return f"{json.dumps(document, ensure_ascii=False, indent=2)}\n".encode()


def _describe(sealed: SealedFile) -> dict[str, Any]:
    file = sealed.file
    kind = {"type_tableau": file.type_tableau, "presentation": file.presentation, "edition": file.edition}
    return {
        "path": sealed.path,
        "label": file.label,
        "export_id": file.export_id,
        "kind": file.kind.value,
        "liste": file.liste,
        "format": file.format,
        **(kind if file.is_tableau else {}),
        "mouvements" if file.is_tableau else "electeurs": file.electeurs,
        "bloquantes": file.bloquantes,
        "remarques": file.remarques,
        "size": sealed.delivery.recorded.size,
        "sha256": sealed.delivery.recorded.sha256,
        "made_at": sealed.moment.isoformat(timespec="seconds"),
        "requested_by": file.requested_by,
    }


def _seal(root: Path, file: AskedFile, opened: ExitStack) -> SealedFile:
    delivery = open_asked(root, file)
    opened.callback(delivery.close)
    crc = 0
    while chunk := delivery.file.read(CHUNK):
        crc = zlib.crc32(chunk, crc)
    delivery.file.seek(0)
    return SealedFile(file, delivery, crc)
