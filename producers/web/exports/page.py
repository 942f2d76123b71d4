"""The pages of files: all files of a commune, one file, its differences, its bytes."""

from starlette.exceptions import HTTPException
from starlette.responses import Response

from producers.web.exports.query import (
    ETATS,
    PAGE,
    TRIS,
    AskedFile,
    count_files,
    read_first_year,
    read_page,
)
from producers.web.exports.stored_file import (
    Download,
    FileAlteredError,
    FileGoneError,
    attachment,
    open_asked,
    report_lost,
)
from producers.web.forms import Paging, page_number, read_day
from producers.web.journal import ACTIONS, read_history
from producers.web.page_context import AWAY, BROKEN, CONFLICT, GONE, NOT_FOUND, PageContext
from schemas.cures import Refusal
from schemas.file_state import FileState
from schemas.vocabulary import PIECES, ExportKind, Liste, Piece

_FILTERS = ("cherche", "genre", "liste", "etat", "annee", "du", "au")
"""Parameters of the URL that select files."""
_CURES = {
    "purged": FileState.PURGED,
    "recalled": Refusal.COPIE,
    "gone": FileState.MISSING,
    "altered": FileState.ALTERED,
    "unnoted": Refusal.UNNOTED,
}
"""What cures a refused download, where the recorded state of the file does not say it."""


def show_all(context: PageContext) -> Response:
    """Show all files; invalid filters of the URL are ignored."""
    asked = {name: context.query.get(name, "").strip()[:200] for name in (*_FILTERS, "tri")}
    days = {name: read_day(asked[name]) for name in ("du", "au")}
    page = page_number(context.query.get("page", ""))
    state, commune = context.services.state, context.commune.code
    files = read_page(state, commune, page, asked)
    total = count_files(state, commune, asked)
    paging = Paging.of(context.url("exports"), asked, page=page, total=total, size=PAGE)
    first_year = read_first_year(state, commune) or context.today.year
    return context.render(
        "exports/exports.html",
        files=files,
        last_page=paging.before if total and not files else "",
        paging=paging,
        asked=asked | {name: day or "" for name, day in days.items()},
        is_filtered=any(asked[name] for name in _FILTERS),
        years={str(it): it for it in range(context.today.year, first_year - 1, -1)},
        tris=TRIS,
        kinds={ExportKind.LISTE.value: "Listes électorales", ExportKind.TABLEAU.value: "Tableaux"},
        listes={liste.value: liste.label for liste in Liste},
        etats={name: words for name, (words, _condition) in ETATS.items()},
        unread=[name for name, day in days.items() if asked[name] and day is None],
    )


def show(context: PageContext) -> Response:
    file = context.file()
    history = read_history(context.services.state, context.commune.code, file.export_id)
    return context.render(
        "exports/export.html", file=file, PIECES=PIECES, history=history, actions=ACTIONS
    )


def show_differences(context: PageContext) -> Response:
    file = context.file()
    if not file.is_ready or file.is_tableau:
        raise HTTPException(NOT_FOUND)
    return context.render("exports/differences.html", file=file, found=file.differences)


def download(context: PageContext) -> Response:
    return _deliver(context, context.file(), Piece.FICHIER)


def download_piece(context: PageContext) -> Response:
    asked, wanted = context.file(), context.request.path_params["piece"]
    if wanted not in PIECES or (asked.is_ready and wanted not in asked.pieces):
        raise HTTPException(NOT_FOUND)
    return _deliver(context, asked, Piece(wanted))


def _deliver(context: PageContext, asked: AskedFile, piece: Piece) -> Response:
    if not asked.is_ready:
        return _refuse(context, asked, CONFLICT, "not_ready")
    if not asked.is_available:
        return _refuse(context, asked, GONE, "purged" if asked.purged_at else "recalled")
    try:
        delivery = open_asked(context.services.settings.exports_dir, asked, piece)
    except (FileGoneError, FileAlteredError) as error:
        report_lost(context.services, asked, context.agent.name)
        if isinstance(error, FileGoneError):
            return _refuse(context, asked, GONE, "gone")
        return _refuse(context, asked, BROKEN, "altered")
    recorded, media_type = delivery.recorded, (PIECES.get(piece) or asked).media_type
    headers = attachment(recorded.file_name, recorded.size) | {"ETag": f'"{recorded.sha256}"'}
    download = Download(context.services, context.agent.name, piece, [asked])
    sent = download.send(context.request, delivery, headers=headers, media_type=media_type)
    return sent or _refuse(context, asked, AWAY, "unnoted")


def _refuse(context: PageContext, asked: AskedFile, status_code: int, why: str) -> Response:
    cure = asked.find_cure(_CURES.get(why, asked.state))
    return context.render(
        "exports/telechargement.html", status_code, file=asked, why=why, cure_link=cure
    )
