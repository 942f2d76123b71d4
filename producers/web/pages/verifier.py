"""« Vérifier un fichier »: which export a dropped file is, and whether it is still the one that was made."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, Self

from starlette.datastructures import UploadFile
from starlette.responses import Response

from producers.web.bundle import UnreadableBundleError, examine_bundle
from producers.web.comparing import Comparison, compare
from producers.web.diagnosis import explain, is_workbook, shows_spreadsheet
from producers.web.dropped import Dropped, examine
from producers.web.files import FileAlteredError, FileGoneError, open_asked
from producers.web.reading.depots import find_by_name, find_by_sha256
from producers.web.reading.exports import AskedFile
from producers.web.visit import Visit

UNPROCESSABLE = 422
_OF_A_DOSSIER = frozenset({"LISEZ-MOI.txt", "SHA256SUMS", "manifest.json"})


class Finding(StrEnum):
    """What a dropped file is."""

    INTACT = "intact"
    RAPPORT = "rapport"
    RAPPORT_ALTERED = "rapport_altered"
    ALTERED = "altered"
    UNKNOWN = "unknown"
    ACCOMPANYING = "accompanying"


@dataclass(frozen=True)
class Verified:
    """A dropped file, the record that it is or should have been, and what happened to it."""

    dropped: Dropped
    verdict: Finding
    file: AskedFile | None = None
    reasons: list[str] = field(default_factory=list)
    is_from_spreadsheet: bool = False

    @property
    def is_renamed(self) -> bool:
        """Whether it is whole, under another name."""
        return self.verdict is Finding.INTACT and bool(self.file) and _base(self.dropped.name) != self._name

    @property
    def _name(self) -> str:
        return self.file.file_name if self.file else ""


def show(visit: Visit) -> Response:
    """The page."""
    return visit.render("verifier.html", verified=None, entries=(), error="")


def verify(visit: Visit) -> Response:
    """What the dropped file is; nothing of it is kept."""
    upload = visit.form.get("fichier")
    if not isinstance(upload, UploadFile) or not upload.filename:
        return visit.render("verifier.html", UNPROCESSABLE, verified=None, entries=(), error="Choisissez un fichier.")
    try:
        return _verify(visit, upload.file, upload.filename)
    finally:
        upload.file.close()


def _verify(visit: Visit, content: IO[bytes], name: str) -> Response:
    dropped = examine(content, name)
    known = _Known.look_up(visit, [dropped])
    made = known.by_name(dropped)
    comparison = _compare(visit, made, dropped, content) if made and not known.by_sha256(dropped) else None
    verified = _recognise(dropped, known, comparison)
    entries: list[Verified] = []
    error = ""
    if dropped.is_zip and verified.verdict is Finding.UNKNOWN and not is_workbook(dropped):
        try:
            entries = _recognise_each(visit, list(examine_bundle(content)))
        except UnreadableBundleError as unreadable:
            error = str(unreadable)
    return visit.render("verifier.html", verified=verified, entries=entries, error=error)


@dataclass(frozen=True)
class _Known:
    """The files of the commune that have one of the SHA-256, or one of the likely names, of what was dropped."""

    digests: Mapping[str, Sequence[AskedFile]]
    names: Mapping[str, AskedFile]

    @classmethod
    def look_up(cls, visit: Visit, dropped: Sequence[Dropped]) -> Self:
        state, commune = visit.screen.state, visit.commune.code
        digests: dict[str, list[AskedFile]] = {}
        for file in find_by_sha256(state, commune, [it.sha256 for it in dropped]):
            for sha256 in {file.sha256, file.report_sha256} - {None}:
                digests.setdefault(sha256 or "", []).append(file)
        found = find_by_name(state, commune, [name for it in dropped for name in it.likely_names])
        return cls(digests, {name: file for file in found for name in (file.report_name, file.file_name) if name})

    def by_sha256(self, dropped: Dropped) -> AskedFile | None:
        """Of several with the same bytes (a list asked for twice on one day), the one with that name, or the last."""
        same = self.digests.get(dropped.sha256, ())
        named = (it for it in same if {it.file_name, it.report_name} & set(dropped.likely_names))
        return next(named, same[-1] if same else None)

    def by_name(self, dropped: Dropped) -> AskedFile | None:
        return next((self.names[name] for name in dropped.likely_names if name in self.names), None)


def _recognise_each(visit: Visit, entries: Sequence[Dropped]) -> list[Verified]:
    known = _Known.look_up(visit, entries)
    return [Verified(it, Finding.ACCOMPANYING) if it.name in _OF_A_DOSSIER else _recognise(it, known) for it in entries]


def _recognise(dropped: Dropped, known: _Known, comparison: Comparison | None = None) -> Verified:
    file = known.by_sha256(dropped)
    if file:
        return Verified(dropped, Finding.INTACT if file.sha256 == dropped.sha256 else Finding.RAPPORT, file)
    made = known.by_name(dropped)
    if made and made.report_name in dropped.likely_names:
        return Verified(dropped, Finding.RAPPORT_ALTERED, made)
    return Verified(
        dropped,
        Finding.ALTERED if made else Finding.UNKNOWN,
        made,
        explain(dropped, made, comparison),
        shows_spreadsheet(dropped, comparison),
    )


def _compare(visit: Visit, made: AskedFile, dropped: Dropped, content: IO[bytes]) -> Comparison | None:
    """Beside the file that was made, while it is kept."""
    if made.format != "csv" or dropped.extension != "csv" or dropped.is_zip or made.purged_at:
        return None
    with suppress(FileGoneError, FileAlteredError), open_asked(visit.screen.settings.exports_dir, made).file as kept:
        return compare(kept, content, dropped)
    return None


def _base(name: str) -> str:
    return name.rpartition("/")[2]
