"""Downloads: the file of a record, byte for byte, or a page that says why not."""

from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from producers.web.files import FileAlteredError, FileGoneError, open_file, record_of
from producers.web.reading.exports import AskedFile, read_file
from producers.web.visit import NOT_FOUND, Visit
from schemas.vocabulary import Piece

CONFLICT, GONE, BROKEN = 409, 410, 500

_TYPES = {"csv": "text/csv; charset=utf-8", "xml": "application/xml", "pdf": "application/pdf"}


def file(visit: Visit) -> Response:
    """The file itself."""
    asked = _asked(visit)
    return _deliver(visit, asked, Piece.FICHIER)


def report(visit: Visit) -> Response:
    """Its report of anomalies; not found when there is none."""
    asked = _asked(visit)
    if asked.is_ready and asked.report_name is None:
        raise HTTPException(NOT_FOUND)
    return _deliver(visit, asked, Piece.RAPPORT)


def _asked(visit: Visit) -> AskedFile:
    asked = read_file(visit.screen.state, visit.commune.code, visit.number("export"))
    if asked is None:
        raise HTTPException(NOT_FOUND)
    return asked


def _deliver(visit: Visit, asked: AskedFile, piece: Piece) -> Response:
    recorded = record_of(asked, piece)
    if recorded is None:
        return _refuse(visit, asked, CONFLICT, "not_ready")
    if asked.purged_at:
        return _refuse(visit, asked, GONE, "purged")
    try:
        delivery = open_file(visit.screen.settings.exports_dir, recorded)
    except FileGoneError:
        return _refuse(visit, asked, GONE, "gone")
    except FileAlteredError:
        return _refuse(visit, asked, BROKEN, "altered")
    headers = {
        "Content-Disposition": f'attachment; filename="{recorded.name}"',
        "Content-Length": str(recorded.size),
        "ETag": f'"{recorded.sha256}"',
        "Accept-Ranges": "none",
    }
    media_type = _TYPES[recorded.name.rpartition(".")[2]]
    if visit.request.method == "HEAD":
        delivery.close()
        return Response(headers=headers, media_type=media_type)
    told = visit.download_of(asked, piece)
    after = BackgroundTask(delivery.then(lambda: visit.screen.spool.send(told)))
    return StreamingResponse(iter(delivery), headers=headers, media_type=media_type, background=after)


def _refuse(visit: Visit, asked: AskedFile, status_code: int, why: str) -> Response:
    return visit.render("telechargement.html", status_code, file=asked, why=why)
