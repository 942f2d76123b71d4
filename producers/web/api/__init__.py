"""The HTTP API for programs that do not mount the exports volume: a file and its bytes, with a token for communes.

`schemas/http.py` defines the contract and the OpenAPI document. Files are requested through the broker. A file outside
the token's communes gives the same 404 as a file that does not exist.
"""

import base64
import hmac
import re
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import column, select, table
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from producers.errors import StateAwayError
from producers.records import PieceFile
from producers.web.exports.query import AskedFile, find_file
from producers.web.exports.stored_file import (
    Delivery,
    Download,
    FileAlteredError,
    FileGoneError,
    attachment,
    open_asked,
    record_of,
)
from producers.web.forms import read_number
from producers.web.page_context import BROKEN, CONFLICT, GONE, NOT_FOUND, WebServices
from producers.web.security.limits import client_address
from schemas.events import AnsweredRequest, TableauReference
from schemas.http import (
    EXPORT_PATH,
    FILE_PATH,
    OPENAPI_PATH,
    PREFIX,
    PROBLEM_JSON,
    TOKEN_ACTOR,
    TOKEN_PREFIX,
    ExportDocument,
    Problem,
    digest_secret,
    openapi,
)
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import FORMATS, FileFormat, Liste, Piece

UNAUTHORIZED, NOT_MODIFIED, PARTIAL, OUT_OF_RANGE, AWAY = 401, 304, 206, 416, 503

_TOKEN = re.compile(rf"Bearer +{TOKEN_PREFIX}([0-9a-f]{{8}})_([A-Za-z0-9_-]{{43}})", re.ASCII | re.IGNORECASE)
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_JETONS = table("jetons", *(column(name) for name in ("jeton", "name", "secret_hash", "code_commune")))
_EVERY_COMMUNE = "*"
_SAME_FOR_ALL = "Aucun fichier de ce numéro parmi ceux que ce jeton ouvre."
_SAID = {
    400: ("requete_illisible", "La requête n'est pas lisible."),
    404: ("adresse_inconnue", "Cette adresse ne mène à rien : openapi.json dit lesquelles il y a."),
    405: ("methode_refusee", "Seules GET et HEAD sont admises : on demande des fichiers par un événement."),
    429: ("trop_de_requetes", "Trop de requêtes : attendre ce que dit Retry-After."),
}
_TITLES = {
    400: "Requête illisible",
    UNAUTHORIZED: "Jeton refusé",
    NOT_FOUND: "Introuvable",
    405: "Méthode refusée",
    CONFLICT: "Fichier pas prêt",
    GONE: "Fichier effacé",
    OUT_OF_RANGE: "Plage impossible",
    429: "Trop de requêtes",
    BROKEN: "Erreur interne",
    AWAY: "Base injoignable",
}


class ProblemError(HTTPException):
    """The API refuses the request; the detail is French."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)
        self.code = code


class Bearer(NamedTuple):
    """The holder of a valid token, and the communes that it gives access to."""

    name: str
    communes: frozenset[str]

    def opens(self, commune: str) -> bool:
        return bool(self.communes & {commune, _EVERY_COMMUNE})


def create_api(services: WebServices) -> Mount:
    """Return the API, with its own error handlers: errors are JSON, not HTML."""
    api = Starlette(
        routes=[
            Route(OPENAPI_PATH, show_openapi, methods=["GET"]),
            Route(EXPORT_PATH, show_export, methods=["GET"]),
            Route(FILE_PATH, send_file, methods=["GET"]),
        ],
        exception_handlers={
            HTTPException: _show_http,
            StateAwayError: _show_away,
            Exception: _show_bug,
        },
    )
    api.state.services = services
    return Mount(PREFIX, api)


def show_openapi(_request: Request) -> Response:
    return JSONResponse(openapi())


def show_export(request: Request) -> Response:
    asked = _find(request, _require_bearer(request))
    return JSONResponse(describe(asked, _services(request)).model_dump(mode="json", exclude_none=True))


def send_file(request: Request) -> Response:
    """Send the file or one range of it, after checking the bytes against the record."""
    services, bearer = _services(request), _require_bearer(request)
    asked = _find(request, bearer)
    if (recorded := record_of(asked)) is None:
        raise ProblemError(CONFLICT, "fichier_pas_pret", f"Ce fichier est {asked.status.label}.")
    if asked.purged_at:
        raise ProblemError(GONE, "fichier_efface", "Ce fichier a été effacé après son délai ; le redemander.")
    etag = f'"{recorded.sha256}"'
    if etag in {it.strip().removeprefix("W/") for it in request.headers.get("if-none-match", "").split(",")}:
        return Response(status_code=NOT_MODIFIED, headers={"ETag": etag})
    start, stop = _read_range(request, recorded.size, etag)
    is_part = (start, stop) != (0, recorded.size)
    headers = attachment(recorded.file_name, stop - start) | _file_headers(recorded)
    if is_part:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{recorded.size}"
    status, media_type = PARTIAL if is_part else 200, FORMATS[asked.format].media_type
    delivery = _open(services, asked).only(start, stop)
    download = Download(services, f"{TOKEN_ACTOR}{bearer.name}", Piece.FICHIER, [asked])
    if sent := download.send(request, delivery, headers=headers, media_type=media_type, status=status):
        return sent
    raise ProblemError(AWAY, "trace_impossible", "Qui prend un fichier ne peut pas être noté : revenir plus tard.")


def describe(asked: AskedFile, services: WebServices) -> ExportDocument:
    recorded, base = record_of(asked), services.settings.public_url.rstrip("/")
    is_there = recorded is not None and asked.purged_at is None
    tableau = None
    if asked.is_tableau:
        tableau = TableauReference(
            type=TypeTableau(asked.type_tableau),
            presentation=Presentation(asked.presentation),
            edition=Edition(asked.edition),
        )
    return ExportDocument(
        export_id=asked.export_id,
        request=AnsweredRequest(source=asked.source, id=asked.event_id),
        requested_at=asked.requested_at,
        commune=asked.code_commune,
        liste=Liste(asked.liste),
        format=FileFormat(asked.format),
        tableau=tableau,
        label=asked.label,
        status=asked.status,
        code=asked.error_code or None,
        reason=asked.error_message or None,
        url=f"{base}{PREFIX}{FILE_PATH.format(export_id=asked.export_id)}" if is_there else None,
        name=recorded.file_name if recorded else None,
        size=recorded.size if recorded else None,
        sha256=recorded.sha256 if recorded else None,
        electeurs=asked.electeurs,
        pages=asked.pages,
        anomalies_bloquantes=asked.bloquantes,
        a_completer=asked.a_completer,
        remarques=asked.remarques,
        provisoire_until=asked.provisoire_until,
        recalled_because=asked.recalled_because or None,
        purged_at=asked.purged_at,
    )


def _services(request: Request) -> WebServices:
    services: WebServices = request.app.state.services
    return services


def _require_bearer(request: Request) -> Bearer:
    """Authenticate the token.

    Raises:
        ProblemError: 401, the token is missing or invalid.
        HTTPException: 429, too many invalid tokens from this address, or too many requests with this token.
    """
    services, address = _services(request), client_address(request.scope)
    services.rates.require_left("token", address=address)
    shown = _TOKEN.fullmatch(request.headers.get("authorization", ""))
    bearer = _find_bearer(services, *shown.groups()) if shown else None
    if bearer is None:
        services.rates.count("token", address=address)
        raise ProblemError(
            UNAUTHORIZED,
            "jeton_refuse",
            "Un jeton en service est attendu : « Authorization: Bearer prefecture_… ». L'exploitant en fait.",
            {"WWW-Authenticate": 'Bearer realm="prefecture"' + (', error="invalid_token"' if shown else "")},
        )
    services.rates.count("download", agent=f"{TOKEN_ACTOR}{bearer.name}", address=address)
    request.state.agent = f"{TOKEN_ACTOR}{bearer.name}"
    return bearer


def _find_bearer(services: WebServices, token_id: str, secret: str) -> Bearer | None:
    rows = services.state.read(select(_JETONS).where(_JETONS.c.jeton == token_id.lower()))
    if not rows or not hmac.compare_digest(rows[0].secret_hash, digest_secret(secret)):
        return None
    return Bearer(rows[0].name, frozenset(row.code_commune for row in rows))


def _find(request: Request, bearer: Bearer) -> AskedFile:
    number = read_number(request.path_params["export_id"])
    asked = find_file(_services(request).state, number) if number is not None else None
    if asked is None or not bearer.opens(asked.code_commune):
        raise ProblemError(NOT_FOUND, "fichier_inconnu", _SAME_FOR_ALL)
    return asked


def _file_headers(recorded: PieceFile) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(recorded.sha256)).decode()
    return {
        "ETag": f'"{recorded.sha256}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Digest": f"sha-256={digest}",
        "Accept-Ranges": "bytes",
    }


def _read_range(request: Request, size: int, etag: str) -> tuple[int, int]:
    """Return start and end (exclusive) of a valid range, else of the file. Raises `ProblemError` 416: outside of it."""
    wanted = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if wanted is None or wanted.groups() == ("", "") or request.headers.get("if-range", etag) != etag:
        return 0, size
    first, last = wanted.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        raise ProblemError(
            OUT_OF_RANGE,
            "plage_impossible",
            f"Ce fichier a {size} octets : la plage demandée n'en a aucun.",
            {"Content-Range": f"bytes */{size}"},
        )
    return start, stop


def _open(services: WebServices, asked: AskedFile) -> Delivery:
    try:
        return open_asked(services.settings.exports_dir, asked)
    except FileGoneError:
        raise ProblemError(GONE, "fichier_absent", "Ses octets ne sont plus là ; le redemander.") from None
    except FileAlteredError:
        raise ProblemError(
            BROKEN, "fichier_altere", "Ses octets ne sont plus ceux qui ont été faits ; le redemander."
        ) from None


def _problem(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    problem = Problem(title=_TITLES.get(status, "Erreur"), status=status, code=code, detail=detail)
    return Response(problem.model_dump_json(), status, headers, PROBLEM_JSON)


async def _show_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 — the registered type
    code, detail = _SAID.get(error.status_code, ("erreur", "La requête ne peut pas être servie."))
    if isinstance(error, ProblemError):
        code, detail = error.code, error.detail
    return _problem(error.status_code, code, detail, error.headers)


async def _show_away(_request: Request, _error: Exception) -> Response:
    return _problem(AWAY, "base_injoignable", "La base de données ne répond pas : recommencer.", {"Retry-After": "10"})


async def _show_bug(_request: Request, _error: Exception) -> Response:
    return _problem(BROKEN, "erreur_interne", "Erreur interne : si elle se répète, prévenir l'exploitant.")
