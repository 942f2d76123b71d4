"""The dossier de dépôt: the files to deposit as one ZIP, with what explains and proves them.

No elector is named beside the files, but those who are in a list or in a tableau only. The same files make the same
bytes: every date comes from the record, and nothing says when or by whom it was taken.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from textwrap import wrap
from typing import Any

from common.clock import PARIS
from common.files import CHUNK
from common.french import count_of, format_moment, short_date, typo
from producers.records import WORDS
from producers.web.dossier.archive import ArchiveEntry, archive_size, write_archive
from producers.web.dossier.reconciliation import JSON_NAME, TEXT_NAME, Sealed, write_reconciliation
from producers.web.exports.query import AskedFile
from producers.web.exports.stored_file import Delivery, Recorded, open_asked, open_file

TO_DEPOSIT, NOT_TO_DEPOSIT = "a-deposer", "ne-pas-deposer"
MANIFEST_VERSION = 1

_WIDTH = 88
"""Letters of a line: Notepad does not fold long ones."""

_STEPS = """\
Extrayez ce dossier (clic droit, « Extraire tout »). N'ouvrez aucun fichier CSV ou XML, surtout pas avec un \
tableur, et ne renommez rien : un fichier modifié, même sans le vouloir, est rejeté.
Connectez-vous à e-listelec, la plateforme où votre préfecture reçoit les listes.
Déposez d'abord les listes du dossier « a-deposer », une par une : la liste principale, puis les listes \
complémentaires. Une liste sans électeur se dépose aussi.
Déposez ensuite les tableaux (PDF) du même dossier.
La plateforme envoie aussitôt un accusé de réception : il dit que le fichier est arrivé, pas qu'il est accepté.
Elle contrôle chaque électeur dans la nuit. Sa réponse arrive par courriel, en général le lendemain matin.
Revenez dans le Module Préfecture, page « Dépôts » : marquez les fichiers comme déposés, puis notez la réponse.
"""
_REJECTED = (
    "Si un fichier est rejeté : corrigez le registre (REU), faites importer de nouveau son export, redemandez le "
    "fichier et déposez-le en entier. Le dernier dépôt remplace le précédent."
)
_VERIFY = (
    "Pour savoir si un fichier est intact : page « Vérifier un fichier » du Module Préfecture ; ou, sous Linux, "
    "« sha256sum --check SHA256SUMS » dans ce dossier."
)
_PRIVACY = (
    "Ces fichiers contiennent les données de tous les électeurs : effacez-les de ce poste une fois le dépôt accepté."
)


@dataclass(frozen=True)
class SealedFile:
    """A file of the record, found intact and held open, so that nobody can change it before it leaves."""

    file: AskedFile
    delivery: Delivery
    crc: int
    differences: Sequence[dict[str, Any]] = ()
    """Of a tableau: who differs from the list of the day, as the worker named them."""

    @property
    def path(self) -> str:
        """Where it stands in the archive: the commission's copy, what is provisional or to be redone are kept apart."""
        is_apart = self.file.is_for_commission or self.file.provisoire_until or self.file.recalled_at
        folder = NOT_TO_DEPOSIT if is_apart else TO_DEPOSIT
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
        proof, page = write_reconciliation(commune, nom, [Sealed(it.path, it.file, it.differences) for it in sealed])
        readme = write_readme(commune, nom, [(it.path, it.file) for it in sealed])
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
    """Who differs, from the file beside a tableau, intact; nobody where it has none."""
    known = (file.reconciliation or {}).get("proof")
    if not known:
        return ()
    delivery = open_file(root, Recorded(file.code_commune, known["name"], known["size"], known["sha256"]))
    with closing(delivery):
        found: list[dict[str, Any]] = json.loads(delivery.file.read())["differences"]
    return found


def write_readme(commune: str, nom: str, files: Sequence[tuple[str, AskedFile]]) -> bytes:
    """For a person, and for the oldest Notepad: with a byte order mark and CRLF."""
    lines = [f"Dossier de dépôt – {nom} ({commune})", "", "CE QUE CONTIENT CE DOSSIER", ""]
    for path, file in files:
        lines += [path, f"    {file.label}", f"    {_counts(file)}"]
        lines += [f"    {typo(warning)}" for warning in _warnings(file)]
        lines.append("")
    lines += ["CE QU'IL FAUT FAIRE", ""]
    for number, step in enumerate(_STEPS.splitlines(), 1):
        lines += [*wrap(f"{number}. {typo(step)}", _WIDTH, subsequent_indent="   "), ""]
    for paragraph in (_REJECTED, _VERIFY, _PRIVACY):
        lines += [*wrap(typo(paragraph), _WIDTH), ""]
    return "\ufeff".encode() + "\r\n".join(lines).encode()


def write_sums(files: Iterable[tuple[str, str]], texts: Mapping[str, bytes]) -> bytes:
    """Paths and SHA-256, as `sha256sum` writes and reads them."""
    digests = [*files, *((path, hashlib.sha256(text).hexdigest()) for path, text in texts.items())]
    return "".join(f"{digest}  {path}\n" for path, digest in digests).encode("ascii")


def _counts(file: AskedFile) -> str:
    made = format_moment(file.finished_at or file.requested_at)
    counted = WORDS[file.kind].counted
    number = count_of(file.electeurs or 0, counted.removesuffix("s"), counted)
    remarques = count_of(file.remarques, "remarque", "remarques")
    return f"{number}, {remarques} ; fabriqué le {made}, demandé par {file.requested_by}"


def _warnings(file: AskedFile) -> list[str]:
    found = []
    if file.bloquantes:
        count = count_of(file.bloquantes, "anomalie bloquante", "anomalies bloquantes")
        found.append(f"ATTENTION : {count} ; {WORDS[file.kind].consequence} si rien n'est corrigé.")
    if file.recalled_at:
        found.append(f"NE PAS DÉPOSER NI AFFICHER : à refaire, {file.recalled_because}.")
    if file.provisoire_until:
        found.append(
            f"NE PAS DÉPOSER NI AFFICHER : provisoire, à refaire à partir du {short_date(file.provisoire_until)}."
        )
    if file.is_for_commission:
        found.append("NE PAS DÉPOSER NI AFFICHER : exemplaire de la commission, avec les motifs complets.")
    return found
