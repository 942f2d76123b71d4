"""« Vérifier un fichier »: which export an uploaded file is, and whether it is intact."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from tempfile import SpooledTemporaryFile
from typing import IO, Self

from sqlalchemy import column, exists, or_, table
from starlette.responses import Response

from common.apart import ChildFailedError, TooMuchWorkError
from producers.web.exports.query import DERNIERS_EXPORTS, AskedFile, read_all, select_made
from producers.web.exports.stored_file import FileAlteredError, FileGoneError, open_asked
from producers.web.forms import order_faults, uploaded
from producers.web.page_context import UNPROCESSABLE, PageContext
from producers.web.verifier.diagnosis import (
    CsvComparison,
    UploadedFile,
    compare_apart,
    examine_apart,
    explain,
)
from schemas.profiles.platform import FileForm
from schemas.vocabulary import PIECES

_PIECES = table("pieces", *(column(name) for name in ("export_id", "file_name", "sha256")))
_OF_A_DOSSIER = frozenset({"LISEZ-MOI.txt", "RAPPROCHEMENT.txt", "SHA256SUMS"})


class Recognition(StrEnum):
    INTACT = "intact"
    PIECE = "piece"
    PIECE_ALTERED = "piece_altered"
    ALTERED = "altered"
    UNKNOWN = "unknown"
    ACCOMPANYING = "accompanying"


@dataclass(frozen=True)
class VerifiedUpload:
    uploaded: UploadedFile
    recognition: Recognition
    file: AskedFile | None = None
    label: str = ""
    """For a file that accompanies another one: its label."""
    reasons: list[str] = field(default_factory=list)

    @property
    def is_renamed(self) -> bool:
        is_intact = self.recognition is Recognition.INTACT
        return is_intact and self.file is not None and self.uploaded.name != self.file.file_name


def verify(context: PageContext) -> Response:
    """Show what the uploaded file is; nothing is stored."""
    upload = uploaded(context.form, "fichier")
    if upload is None:
        return show(context, fault="choisissez un fichier")
    try:
        if isinstance(upload.file, SpooledTemporaryFile):
            upload.file.rollover()  # the child process needs a file on disk
        return _verify(context, upload.file, upload.filename or "")
    except (TooMuchWorkError, ChildFailedError):
        return show(
            context,
            fault="ce fichier est trop long à lire pour être une liste ou un tableau du module",
        )


def _verify(context: PageContext, content: IO[bytes], name: str) -> Response:
    uploaded, inside, unreadable = examine_apart(content, name)
    known = _KnownFiles.look_up(context, [uploaded])
    made = known.by_name(uploaded)
    comparison = (
        _compare(context, made, uploaded, content)
        if made and not known.by_sha256(uploaded)
        else None
    )
    verified = _recognise(uploaded, known, context.platform.form, comparison)
    if verified.recognition is not Recognition.UNKNOWN:
        return show(context, verified)
    known, form = _KnownFiles.look_up(context, inside), context.platform.form
    entries = [
        VerifiedUpload(it, Recognition.ACCOMPANYING)
        if it.name in _OF_A_DOSSIER
        else _recognise(it, known, form)
        for it in inside
    ]
    return show(context, verified, entries, fault=unreadable)


def show(
    context: PageContext,
    verified: VerifiedUpload | None = None,
    entries: Sequence[VerifiedUpload] = (),
    *,
    fault: str = "",
) -> Response:
    faults = order_faults(["fichier"], {"fichier": fault} if fault else {})
    status = (
        UNPROCESSABLE if fault and not verified else 200
    )  # an archive that is not read was looked for
    return context.render(
        "verifier/verifier.html", status, verified=verified, entries=entries, faults=faults
    )


@dataclass(frozen=True)
class _KnownFiles:
    digests: Mapping[str, Sequence[AskedFile]]
    names: Mapping[str, AskedFile]

    @classmethod
    def look_up(cls, context: PageContext, uploaded: Sequence[UploadedFile]) -> Self:
        """Look for them, and for those with a piece that has one of these digests or names; the last one comes last."""
        wanted, names = (
            {it.sha256 for it in uploaded},
            {name for it in uploaded for name in it.likely_names},
        )
        view, piece = DERNIERS_EXPORTS.c, _PIECES.c
        of_file, of_piece = (
            or_(it.sha256.in_(wanted), it.file_name.in_(names)) for it in (view, piece)
        )
        beside = exists().where(piece.export_id == view.export_id, of_piece)
        made = select_made(context.commune.code).where(or_(of_file, beside))
        found = read_all(context.services.state, made.order_by(view.export_id))
        digests: dict[str, list[AskedFile]] = {}
        for file in found:
            for sha256 in {it.sha256 for it in file.files}:
                digests.setdefault(sha256, []).append(file)
        return cls(digests, {it.file_name: file for file in found for it in reversed(file.files)})

    def by_sha256(self, uploaded: UploadedFile) -> AskedFile | None:
        """Return the file with these bytes; of several (a list requested twice in one day), by name, else the last."""
        same = self.digests.get(uploaded.sha256, ())
        likely = uploaded.likely_names  # the most likely first
        named = (
            file
            for name in likely
            for file in same
            if any(it.file_name == name for it in file.files)
        )
        return next(named, same[-1] if same else None)

    def by_name(self, uploaded: UploadedFile) -> AskedFile | None:
        return next(
            (self.names[name] for name in uploaded.likely_names if name in self.names), None
        )


def _recognise(
    uploaded: UploadedFile,
    known: _KnownFiles,
    form: FileForm,
    comparison: CsvComparison | None = None,
) -> VerifiedUpload:
    """`form`: of the files that the module makes now, for a file that it does not know."""
    file = known.by_sha256(uploaded)
    if file and file.sha256 == uploaded.sha256:
        return VerifiedUpload(uploaded, Recognition.INTACT, file)
    if file:
        same = next(kind for kind, it in file.pieces.items() if it.sha256 == uploaded.sha256)
        return VerifiedUpload(uploaded, Recognition.PIECE, file, PIECES[same].label)
    made = known.by_name(uploaded)
    for kind, it in made.pieces.items() if made else ():
        if it.file_name in uploaded.likely_names:
            return VerifiedUpload(uploaded, Recognition.PIECE_ALTERED, made, PIECES[kind].label)
    return VerifiedUpload(
        uploaded,
        Recognition.ALTERED if made else Recognition.UNKNOWN,
        made,
        reasons=explain(uploaded, made, comparison, made.form if made else form),
    )


def _compare(
    context: PageContext, made: AskedFile, uploaded: UploadedFile, content: IO[bytes]
) -> CsvComparison | None:
    if made.format != "csv" or uploaded.extension != "csv" or uploaded.is_zip or made.purged_at:
        return None
    with (
        suppress(FileGoneError, FileAlteredError),
        open_asked(context.services.settings.exports_dir, made).file as kept,
    ):
        return compare_apart(kept, content, uploaded, made.form)
    return None
