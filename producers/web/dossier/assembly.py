"""The dossier de dépôt: the files to deposit as one ZIP, with what explains and proves them.

No elector is named beside the files, but those who are in a list or in a tableau only. The same files make the same
bytes: every date comes from the record, and nothing says when or by whom it was taken.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from textwrap import wrap
from typing import Any

from common.calendrier import civil_time
from common.files import CHUNK
from common.french import count_of, format_moment, short_date, typo
from producers.records import WORDS, FileState
from producers.web.dossier.reconciliation import JSON_NAME, TEXT_NAME, Sealed, write_reconciliation
from producers.web.exports.query import AskedFile
from producers.web.exports.stored_file import Delivery, open_asked
from schemas.vocabulary import FORMATS, Liste, Piece

LARGEST = 2**32 - 1
"""Bytes of an archive without the extensions for large ones."""

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION = 10
"""Of the format: 1.0, stored entries."""
_UNIX, _MODE = 3 << 8, 0o100644 << 16


class ArchiveTooLargeError(Exception):
    """The files do not fit in one archive."""


class ContentChangedError(Exception):
    """A file is not any more what it was when its header was written; the archive stays unfinished."""


@dataclass(frozen=True)
class ArchiveEntry:
    """A file of the archive: its path (ASCII), its size, CRC-32 and content, and the date that it bears."""

    path: str
    size: int
    crc: int
    moment: datetime
    content: Iterable[bytes]

    @classmethod
    def of_text(cls, path: str, text: bytes, moment: datetime) -> "ArchiveEntry":
        """A small file that is at hand."""
        return cls(path, len(text), zlib.crc32(text), moment, [text])

    @property
    def name(self) -> bytes:
        """The path as the archive holds it."""
        return self.path.encode("ascii")

    @property
    def stamp(self) -> tuple[int, int]:
        """Time and date as MS-DOS wrote them, to two seconds."""
        it = self.moment
        return it.hour << 11 | it.minute << 5 | it.second // 2, (it.year - 1980) << 9 | it.month << 5 | it.day


def archive_size(entries: Sequence[ArchiveEntry]) -> int:
    """How many bytes `write_archive` gives.

    Raises:
        ArchiveTooLargeError: more than such an archive can hold.
    """
    headers = sum(_LOCAL.size + _CENTRAL.size + 2 * len(entry.name) for entry in entries)
    size = headers + sum(entry.size for entry in entries) + _END.size
    if size > LARGEST:
        raise ArchiveTooLargeError
    return size


def write_archive(entries: Sequence[ArchiveEntry]) -> Iterator[bytes]:
    """The bytes of the archive, in pieces.

    Raises:
        ContentChangedError: a content has not the size or the CRC-32 that were announced.
    """
    directory: list[bytes] = []
    offset = 0
    for entry in entries:
        sizes = entry.crc, entry.size, entry.size
        yield _LOCAL.pack(b"PK\3\4", _VERSION, 0, 0, *entry.stamp, *sizes, len(entry.name), 0) + entry.name
        yield from _checked(entry)
        made_by, names = _UNIX | _VERSION, (len(entry.name), 0, 0, 0, 0)
        fixed = (made_by, _VERSION, 0, 0, *entry.stamp, *sizes, *names, _MODE, offset)
        directory.append(_CENTRAL.pack(b"PK\1\2", *fixed) + entry.name)
        offset += _LOCAL.size + len(entry.name) + entry.size
    central = b"".join(directory)
    yield central + _END.pack(b"PK\5\6", 0, 0, len(entries), len(entries), len(central), offset, 0)


def _checked(entry: ArchiveEntry) -> Iterator[bytes]:
    crc, size = 0, 0
    for chunk in entry.content:
        crc, size = zlib.crc32(chunk, crc), size + len(chunk)
        yield chunk
    if (crc, size) != (entry.crc, entry.size):
        raise ContentChangedError(entry.path)


TO_DEPOSIT, NOT_TO_DEPOSIT = "a-deposer", "ne-pas-deposer"
MANIFEST_VERSION = 1

_WIDTH = 88
"""Letters of a line: Notepad does not fold long ones."""

_STEP_OF_TABLEAUX = "Déposez ensuite les tableaux (PDF) du même dossier."
_STEPS = f"""\
Extrayez ce dossier (clic droit, « Extraire tout »). N'ouvrez aucun fichier CSV ou XML, surtout pas avec un \
tableur, et ne renommez rien : un fichier modifié, même sans le vouloir, est rejeté.
Connectez-vous à e-listelec, la plateforme où votre préfecture reçoit les listes.
Déposez d'abord les listes du dossier « a-deposer », une par une : la liste principale, puis les listes \
complémentaires. Une liste sans électeur se dépose aussi.
{_STEP_OF_TABLEAUX}
La plateforme envoie aussitôt un accusé de réception : il dit que le fichier est arrivé, pas qu'il est accepté.
Elle contrôle chaque électeur dans la nuit. Sa réponse arrive par courriel, en général le lendemain matin.
Revenez dans le Module Préfecture, page « Dépôts » : marquez les fichiers comme déposés, puis notez la réponse.
"""
_REJECTED = (
    "Si un fichier est rejeté : corrigez le registre (REU), déposez son nouvel export, redemandez le "
    "fichier et déposez-le en entier. Le dernier dépôt remplace le précédent."
)
_VERIFY = (
    "Pour savoir si un fichier est intact : page « Vérifier un fichier » du Module Préfecture. SHA256SUMS, "
    "manifest.json et reconciliation.json sont pour les logiciels qui le font sans vous."
)
_PRIVACY = (
    "Ces fichiers contiennent les données de tous les électeurs : effacez-les de ce poste une fois le dépôt accepté."
)


@dataclass(frozen=True)
class SealedFile:
    """A file of the record, found intact and held open, so that it cannot be swapped before it leaves."""

    file: AskedFile
    delivery: Delivery
    crc: int
    differences: Sequence[dict[str, Any]] = ()
    """Of a tableau: who differs from the list of the day, as the worker named them."""

    @property
    def path(self) -> str:
        """Where it stands in the archive: apart what is not to be deposited."""
        it = self.file
        is_apart = it.is_never_deposited or it.provisoire_until or it.is_incomplete or it.recalled_at or it.is_rejected
        folder = NOT_TO_DEPOSIT if is_apart else TO_DEPOSIT
        return f"{folder}/{self.delivery.recorded.name}"

    @property
    def moment(self) -> datetime:
        """When it was made, in the civil time of its commune."""
        return civil_time(self.file.finished_at or self.file.requested_at, self.file.code_commune)


@dataclass(frozen=True)
class Dossier:
    """A dossier that is ready to leave: `chunks` once, `size` bytes."""

    name: str
    size: int
    sealed: Sequence[SealedFile]
    entries: Sequence[ArchiveEntry]

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


_TO_TAKE = frozenset({FileState.READY, FileState.DEPOSITED, FileState.ACCEPTED})


def by_liste(files: Iterable[AskedFile]) -> dict[Liste, list[AskedFile]]:
    """The list files that may be deposited, those that were asked for last first."""
    listes = [it for it in files if not it.is_tableau and not it.is_never_deposited]
    newest_first = sorted(listes, key=lambda file: (-file.request_id, file.export_id))
    return {liste: [it for it in newest_first if it.liste == liste] for liste in Liste}


def pick(files: Sequence[AskedFile]) -> AskedFile | None:
    """Of the files of one list, the newest first: the one that a dossier should hold; None when the last one is unfit.

    A file that the platform refused is never taken, nor the same list in the other format.
    """
    if not files or any(it.is_rejected for it in files if it.request_id == files[0].request_id):
        return None
    return files[0] if files[0].state in _TO_TAKE else None


def why_lacking(files: Sequence[AskedFile]) -> str:
    """Why no file of a list is in a dossier, the newest first."""
    if not files:
        return "aucun fichier n'est fait"
    last = next((it for it in files if it.is_rejected and it.request_id == files[0].request_id), files[0])
    match last.state:
        case FileState.REJECTED:
            on = f" le {short_date(last.verdict_on)}" if last.verdict_on else ""
            return f"la plateforme l'a rejetée{on}"
        case FileState.TO_CORRECT if not last.outdated_at:
            return count_of(last.bloquantes, "anomalie bloquante", "anomalies bloquantes")
        case FileState.TO_REDO:
            return f"à refaire, {last.recalled_because}"
        case FileState.OUTDATED | FileState.TO_CORRECT:
            return "le registre a été importé de nouveau depuis"
    return "elle n'a pas été choisie"


def seal(root: Path, commune: str, nom: str, files: Sequence[AskedFile], lacking: Sequence[str] = ()) -> Dossier:
    """Check every byte of every file, in this order; then the archive can leave. Closed by `close`.

    `lacking` says, a sentence each, what the dossier should hold and does not.

    Raises:
        FileGoneError: a file is not there any more.
        FileAlteredError: a file is not what its record says.
        ArchiveTooLargeError: they do not fit in one archive.
    """
    with ExitStack() as opened:
        sealed = [_seal(root, file, opened) for file in files]
        moment = max(it.moment for it in sealed)
        manifest = write_manifest(commune, nom, sealed)
        proof, page = write_reconciliation(commune, nom, [Sealed(it.path, it.file, it.differences) for it in sealed])
        readme = write_readme(commune, nom, [(it.path, it.file) for it in sealed], lacking)
        known = [(it.path, it.delivery.recorded.sha256) for it in sealed]
        texts = {"LISEZ-MOI.txt": readme, TEXT_NAME: page, "manifest.json": manifest, JSON_NAME: proof}
        sums = write_sums(known, texts)
        entries = [
            ArchiveEntry.of_text("LISEZ-MOI.txt", readme, moment),
            ArchiveEntry.of_text(TEXT_NAME, page, moment),
            *(ArchiveEntry(it.path, it.delivery.recorded.size, it.crc, it.moment, it.delivery) for it in sealed),
            ArchiveEntry.of_text("SHA256SUMS", sums, moment),
            ArchiveEntry.of_text("manifest.json", manifest, moment),
            ArchiveEntry.of_text(JSON_NAME, proof, moment),
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
        **({"recalled_because": file.recalled_because} if file.recalled_at else {}),
        **({"provisoire_until": file.provisoire_until.isoformat()} if file.provisoire_until else {}),
        "mouvements" if file.is_tableau else "electeurs": file.electeurs,
        "bloquantes": file.bloquantes,
        **({"a_completer": file.a_completer} if file.is_incomplete else {}),
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
    return SealedFile(file, delivery, crc, _read_differences(root, file))


def _read_differences(root: Path, file: AskedFile) -> Sequence[dict[str, Any]]:
    """The electors who differ, from the intact file beside a tableau; empty when it has none."""
    if Piece.RECONCILIATION not in file.pieces:
        return ()
    with closing(open_asked(root, file, Piece.RECONCILIATION)) as delivery:
        found: list[dict[str, Any]] = json.loads(delivery.file.read())["differences"]
    return found


def write_readme(commune: str, nom: str, files: Sequence[tuple[str, AskedFile]], lacking: Sequence[str] = ()) -> bytes:
    """For a person, and for the oldest Notepad: with a byte order mark and CRLF."""
    lines = [f"Dossier de dépôt – {nom} ({commune})", "", "CE QUE CONTIENT CE DOSSIER", ""]
    for path, file in files:
        lines += [path, f"    {file.label}", f"    {_counts(file)}"]
        lines += [f"    {typo(warning)}" for warning in _warnings(file)]
        lines.append("")
    if lacking:
        lines += ["CE QUI MANQUE À CE DOSSIER", ""]
        lines += [line for said in lacking for line in wrap(typo(said), _WIDTH, subsequent_indent="   ")] + [""]
    lines += ["CE QU'IL FAUT FAIRE", ""]
    steps = [step for step in _STEPS.splitlines() if step != _STEP_OF_TABLEAUX or any(it.is_tableau for _, it in files)]
    for number, step in enumerate(steps, 1):
        lines += [*wrap(f"{number}. {typo(step)}", _WIDTH, subsequent_indent="   "), ""]
    for paragraph in (_REJECTED, _VERIFY, _PRIVACY):
        lines += [*wrap(typo(paragraph), _WIDTH), ""]
    return "\ufeff".encode() + "\r\n".join(lines).encode()


def write_sums(files: Iterable[tuple[str, str]], texts: Mapping[str, bytes]) -> bytes:
    """Paths and SHA-256, as `sha256sum` writes and reads them."""
    digests = [*files, *((path, hashlib.sha256(text).hexdigest()) for path, text in texts.items())]
    return "".join(f"{digest}  {path}\n" for path, digest in digests).encode("ascii")


def _counts(file: AskedFile) -> str:
    made = format_moment(file.finished_at or file.requested_at, file.code_commune)
    number = WORDS[file.kind].so_many(file.electeurs or 0)
    remarques = count_of(file.remarques, "remarque", "remarques")
    return f"{number}, {remarques} ; préparé le {made}, demandé par {file.requested_by}"


def _warnings(file: AskedFile) -> list[str]:
    found = []
    if file.bloquantes:
        count = count_of(file.bloquantes, "anomalie bloquante", "anomalies bloquantes")
        found.append(f"ATTENTION : {count} ; {WORDS[file.kind].consequence} si rien n'est corrigé.")
    if file.is_rejected:
        found.append("NE PAS DÉPOSER : la plateforme a rejeté ce fichier, et le rejetterait encore.")
    if file.recalled_at:
        found.append(f"NE PAS DÉPOSER NI AFFICHER : à refaire, {file.recalled_because}.")
    if file.provisoire_until:
        found.append(
            f"NE PAS DÉPOSER NI AFFICHER : provisoire, à refaire à partir du {short_date(file.provisoire_until)}."
        )
    if file.is_incomplete:
        found.append(f"NE PAS DÉPOSER NI AFFICHER : à compléter, {file.missing}.")
    if not FORMATS[file.format].may_be_deposited:
        found.append("NE PAS DÉPOSER : la plateforme ne prend pas ce format.")
    if file.is_for_commission:
        found.append("NE PAS DÉPOSER NI AFFICHER : exemplaire de la commission, avec les motifs complets.")
    return found
