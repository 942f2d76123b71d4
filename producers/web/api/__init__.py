"""The HTTP API for programs without AMQP or exports volume: send events, read requests, take files.

`schemas/http.py` and `openapi.json` define the contract. A file outside the token's communes, and another sender's
request asked for by its source and id, give the same 404 as one that does not exist.
"""

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlencode

from anyio import CapacityLimiter, to_thread
from sqlalchemy import Row, String, column, literal, select, table, tuple_
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.instant import UtcDateTime
from producers.errors import PublishError, QueueFullError, StateAwayError
from producers.web.exports.query import DERNIERS_EXPORTS, AskedFile, find_file, read_all
from producers.web.exports.stored_file import (
    Download,
    FileAlteredError,
    FileGoneError,
    attachment,
    open_asked,
    record_of,
    report_lost,
)
from producers.web.forms import read_number
from producers.web.page_context import BROKEN, CONFLICT, GONE, NOT_FOUND, UNPROCESSABLE, WebServices
from producers.web.security.limits import limit_body
from schemas.checking import find_faults, read_envelope
from schemas.envelope import CloudEvent
from schemas.events import (
    AnsweredRequest,
    FileStage,
    FileStatus,
    RefusalFault,
    ended_fields,
    expected_fields,
    name_event,
    recalled_fields,
)
from schemas.faults import Fault, join_faults
from schemas.http import (
    ACCEPTS_RECALLED,
    EVENT_JSON,
    EVENTS_JSON,
    EVENTS_PATH,
    FILE_PATH,
    PREFIX,
    PROBLEM_JSON,
    RECALLED,
    REQUEST_PATH,
    REQUESTS_PATH,
    TOKEN_ACTOR,
    TOKEN_PREFIX,
    Again,
    Problem,
    digest_secret,
)
from schemas.topology import MAX_EVENT_BYTES, REQUEST_RETRY, REQUEST_TYPES, SOURCE
from schemas.vocabulary import ExportStatus, Piece

ACCEPTED, UNAUTHORIZED, NOT_MODIFIED, PARTIAL, CHANGED, OUT_OF_RANGE, AWAY = (
    202,
    401,
    304,
    206,
    412,
    416,
    503,
)

_TOKEN = re.compile(
    rf"Bearer +{TOKEN_PREFIX}([0-9a-f]{{8}})_([A-Za-z0-9_-]{{43}})", re.ASCII | re.IGNORECASE
)
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_JETONS = table(
    "jetons", *(column(name) for name in ("jeton", "name", "secret_hash", "code_commune"))
)
_ASKED = ("source", "event_id", "event_type", "code_commune", "sender", "outcome", "code", "reason")
_DEMANDES = table(
    "demandes",
    *(column(name, String) for name in _ASKED),
    column("request_id"),
    column("requested_at", UtcDateTime),
)
_EPOCH, _MICROSECOND = datetime.fromtimestamp(0, UTC), timedelta(microseconds=1)
_CURSOR = re.compile(r"(\d{1,17})-(\d{1,18})", re.ASCII)
_PAGE, _COMMITTED = 100, timedelta(seconds=5)
_ENDED = (ExportStatus.READY, ExportStatus.FAILED, ExportStatus.CANCELLED)
_EVERY_COMMUNE = "*"
_SAID = {
    400: ("requete_illisible", "La requête n'est pas lisible."),
    404: (
        "adresse_inconnue",
        "Cette adresse ne mène à rien : openapi.json dit lesquelles existent.",
    ),
    405: (
        "methode_refusee",
        "L'en-tête Allow dit les méthodes admises : POST est pour les événements seulement.",
    ),
    413: ("trop_grand", f"Un événement a {MAX_EVENT_BYTES} octets au plus."),
    429: ("trop_de_requetes", "Trop de requêtes : attendre ce que dit Retry-After."),
}
"""The code and the detail of errors that do not come from our handlers."""


class ProblemError(HTTPException):
    """The API refuses the request; the detail is French."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        *,
        faults: Sequence[Fault] = (),
        again: Again | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.code, self.faults, self.again = code, faults, again


class Bearer(NamedTuple):
    sender: str
    """The sender of its events, and the actor of its downloads."""
    communes: frozenset[str]

    def opens(self, commune: str) -> bool:
        return bool(self.communes & {commune, _EVERY_COMMUNE})


def create_api(services: WebServices) -> Mount:
    """Return the API, with its own error handlers: errors are JSON, not HTML."""
    api = Starlette(
        routes=[
            Route(EVENTS_PATH, exchange_events, methods=["GET", "POST"]),
            Route(FILE_PATH, send_file, methods=["GET"]),
            Route(REQUESTS_PATH, send_requests, methods=["GET"]),
            Route(REQUEST_PATH, send_request, methods=["GET"]),
        ],
        middleware=[Middleware(_RateFields, services)],
        exception_handlers=dict.fromkeys(
            (HTTPException, StateAwayError, PublishError, Exception), _show_problem
        ),
    )
    api.state.services = services
    api.state.publishing = CapacityLimiter(
        4
    )  # while the broker is away, the other threads serve the clerks
    return Mount(PREFIX, api)


class _RateFields:
    def __init__(self, app: ASGIApp, services: WebServices) -> None:
        self._app, self._rates = app, services.rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start" and (
                bearer := scope.get("state", {}).get("agent")
            ):
                MutableHeaders(scope=message).update(self._rates.describe(bearer))
            await send(message)

        await self._app(scope, receive, send_with_fields)


async def exchange_events(request: Request) -> Response:
    return await (
        _receive_event(request)
        if request.method == "POST"
        else run_in_threadpool(_send_events, request)
    )


async def _receive_event(request: Request) -> Response:
    bearer = await run_in_threadpool(_require_bearer, request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != EVENT_JSON:
        raise ProblemError(
            415, "type_de_contenu", f"Un événement est attendu, de type « {EVENT_JSON} »."
        )
    event = await run_in_threadpool(_read_event, await limit_body(request, MAX_EVENT_BYTES).body())
    request.state.correlation_id = event.correlationid
    publish, limiter = _services(request).publish, request.app.state.publishing
    await to_thread.run_sync(lambda: publish(event, token=bearer.sender), limiter=limiter)
    said = {"request": {"source": event.source, "id": event.id}}
    location = f"{PREFIX}{REQUEST_PATH}?{urlencode(said['request'])}"
    return JSONResponse(said, ACCEPTED, {"Location": location})


def _read_event(body: bytes) -> CloudEvent:
    said, faults = read_envelope(body)
    if not faults and said.get("type") not in REQUEST_TYPES:
        faults = [Fault("type", "type_inconnu", "une demande est attendue")]
    code = "evenement_illisible" if faults else "demande_invalide"
    if not faults and not (faults := find_faults(body)):
        return CloudEvent.from_bytes(body)
    raise ProblemError(UNPROCESSABLE, code, f"{join_faults(faults)}.", faults=faults)


def _send_events(request: Request) -> Response:
    """Send a page of the last event of each file, oldest first; `Link` has the address of the next page.

    The last event is the recall of a recalled file, else the end of the file. What has just happened waits: an earlier
    event may not be committed yet.
    """
    services, bearer = _services(request), _require_bearer(request)
    cursor = _CURSOR.fullmatch(request.query_params.get("after", "0-0"))
    if cursor is None:
        raise ProblemError(
            400, "parametre_faux", "« after » vient de l'en-tête Link de la réponse d'avant."
        )
    micros, last = map(int, cursor.groups())
    view, until = DERNIERS_EXPORTS.c, services.clock() - _COMMITTED
    query = select(DERNIERS_EXPORTS)
    if not bearer.opens(_EVERY_COMMUNE):
        query = query.where(view.code_commune.in_(bearer.communes))
    since = tuple_(literal(_EPOCH + micros * _MICROSECOND, UtcDateTime), last)
    ended = query.where(
        view.status.in_(_ENDED), view.purged_at.is_(None), view.recalled_at.is_(None)
    )
    recalled = query.where(view.recalled_at.is_not(None))
    files = list[AskedFile]()
    for which, at in ((ended, view.finished_at), (recalled, view.recalled_at)):
        some = which.where(tuple_(at, view.export_id) > since, at < until)
        files += read_all(services.state, some.order_by(at, view.export_id).limit(_PAGE))
    files = sorted(files, key=lambda it: (_said_at(it), it.export_id))[:_PAGE]
    if files:
        micros, last = (_said_at(files[-1]) - _EPOCH) // _MICROSECOND, files[-1].export_id
    body = [_describe_last(it, services.settings.public_url) for it in files]
    link = f'<{PREFIX}{EVENTS_PATH}?after={micros}-{last}>; rel="next"'
    return Response(f"[{','.join(body)}]", media_type=EVENTS_JSON, headers={"Link": link})


def _said_at(file: AskedFile) -> datetime:
    return file.recalled_at or file.finished_at or file.requested_at


def _describe_last(file: AskedFile, public_url: str) -> str:
    url = (
        f"{public_url.rstrip('/')}{PREFIX}{FILE_PATH.format(export_id=file.export_id)}"
        if public_url
        else None
    )
    about = expected_fields(file, file.export_id) | {"commune": file.code_commune}
    asked = AnsweredRequest(source=file.source, id=file.event_id)
    said = recalled_fields(file.recalled_because) if file.recalled_at else ended_fields(file, url)
    data = FileStatus(**about, request=asked, **said)
    event_id = name_event(
        file.source, file.event_id, file.export_id, data.EVENT_TYPE, _said_at(file)
    )
    event = CloudEvent.wrap(
        data,
        source=public_url or SOURCE,
        correlationid=file.correlation_id,
        causationid=file.event_id,
    )
    return event.model_copy(update={"id": event_id, "time": _said_at(file)}).model_dump_json(
        exclude_none=True
    )


def send_file(request: Request) -> Response:
    """Send the file or one range of it, after checking the bytes against the record."""
    services, bearer = _services(request), _require_bearer(request)
    asked = _require_made(request, bearer)
    recorded = asked.files[0]
    etag = f'"{recorded.sha256}"'
    if _names(request, "if-match", etag, is_weak=False) is False:
        raise ProblemError(
            CHANGED, "fichier_autre", "Ce fichier n'est pas celui que nomme If-Match."
        )
    if _names(request, "if-none-match", etag, is_weak=True):
        return Response(status_code=NOT_MODIFIED, headers={"ETag": etag})
    start, stop = _read_range(request, recorded.size, etag)
    is_part = (start, stop) != (0, recorded.size)
    digest = base64.b64encode(bytes.fromhex(recorded.sha256)).decode()
    digests = {"Repr-Digest": f"sha-256=:{digest}:", "Digest": f"sha-256={digest}"}
    headers = attachment(recorded.file_name, stop - start) | {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "File-State": asked.state.value,
        **digests,
    }
    if is_part:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{recorded.size}"
    status, media_type = PARTIAL if is_part else 200, asked.media_type
    try:
        delivery = replace(open_asked(services.settings.exports_dir, asked), start=start, stop=stop)
    except (FileGoneError, FileAlteredError) as error:
        report_lost(services, asked, bearer.sender)
        raise _lost_problem(request, bearer, asked, error) from None
    download = Download(services, bearer.sender, Piece.FICHIER, [asked])
    if sent := download.send(
        request, delivery, headers=headers, media_type=media_type, status=status
    ):
        return sent
    raise ProblemError(
        AWAY, "trace_impossible", "Qui prend un fichier ne peut pas être noté : revenir plus tard."
    )


def _require_made(request: Request, bearer: Bearer) -> AskedFile:
    """Return the file of the path; raise `ProblemError` where it has no bytes, or bytes that are not to be used.

    A recalled file needs a word of the program, in the query: none takes it without knowing.
    """
    number = read_number(request.path_params["export_id"])
    asked = find_file(_services(request).state, number) if number is not None else None
    if asked is None or not bearer.opens(asked.code_commune):
        said = "Aucun fichier de ce numéro parmi ceux que ce jeton ouvre."
        raise ProblemError(NOT_FOUND, "fichier_inconnu", said)
    if not record_of(asked):
        detail = f"Ce fichier est {asked.status.label}. {asked.error_message}".strip()
        again = _again(request, bearer, asked) if asked.status.is_terminal else None
        raise ProblemError(CONFLICT, "fichier_pas_pret", detail, again=again)
    if not asked.is_available:
        detail = "Ce fichier a été effacé, ou ne vaut plus ; le redemander."
        again = _again(request, bearer, asked)
        raise ProblemError(GONE, "fichier_efface", detail, again=again)
    if asked.recalled_at and request.query_params.get(RECALLED) != ACCEPTS_RECALLED:
        detail = (
            f"Ce fichier est à refaire : {asked.recalled_because}. Le redemander ; "
            f"« ?{RECALLED}={ACCEPTS_RECALLED} » donne quand même ses octets."
        )
        again = _again(request, bearer, asked)
        raise ProblemError(CONFLICT, "fichier_a_refaire", detail, again=again)
    return asked


def _lost_problem(
    request: Request, bearer: Bearer, asked: AskedFile, error: FileGoneError | FileAlteredError
) -> ProblemError:
    again = _again(request, bearer, asked)
    if isinstance(error, FileGoneError):
        detail = "Ses octets ne sont plus là : effacés, déplacés ou renommés. Le redemander."
        return ProblemError(GONE, "fichier_absent", detail, again=again)
    detail = "Ses octets ne sont plus ceux qui ont été faits. Le redemander."
    return ProblemError(BROKEN, "fichier_altere", detail, again=again)


def _again(request: Request, bearer: Bearer, asked: AskedFile) -> Again | None:
    """Return the event that makes a file again; None of another sender's file, which the token asks for by itself."""
    demande = _DEMANDES.c
    mine = demande.request_id == asked.request_id, demande.sender == bearer.sender
    if not _services(request).state.read(select(demande.request_id).where(*mine)):
        return None
    key = {"source": asked.source, "id": asked.event_id}
    return Again(type=REQUEST_RETRY, data={"request": key, "exports": [asked.export_id]})


def send_request(request: Request) -> Response:
    """Send the token's own request of this source and id, with its files.

    Other senders may have used the same pair for the same commune: it identifies a request only with its sender.
    """
    state, bearer, demande = _services(request).state, _require_bearer(request), _DEMANDES.c
    source, event_id = (request.query_params.get(name, "") for name in ("source", "id"))
    if not (source and event_id):
        said = "« source » et « id » sont ceux de l'événement envoyé."
        raise ProblemError(400, "parametre_faux", said)
    named = select(_DEMANDES).where(demande.source == source, demande.event_id == event_id)
    own = named.where(demande.sender == bearer.sender)
    rows = state.read(own.order_by(demande.outcome, demande.request_id).limit(1))
    if not rows:
        raise ProblemError(
            NOT_FOUND, "demande_inconnue", "Ce jeton n'a envoyé aucune demande de ce nom."
        )
    (found,) = rows
    view = DERNIERS_EXPORTS.c
    files = read_all(
        state,
        select(DERNIERS_EXPORTS)
        .where(view.request_id == found.request_id)
        .order_by(view.export_id),
    )
    return JSONResponse(_describe_request(found) | {"exports": [_describe(it) for it in files]})


def send_requests(request: Request) -> Response:
    """Send a page of the requests about a commune, without their files."""
    services, bearer, query, demande = (
        _services(request),
        _require_bearer(request),
        request.query_params,
        _DEMANDES.c,
    )
    commune, since = query.get("commune", ""), _read_instant(query.get("since", _EPOCH.isoformat()))
    after = read_number(query["after"]) if "after" in query else 0
    if not commune or after is None or since is None:
        raise ProblemError(
            400, "parametre_faux", "« commune » est un code INSEE, « since » un instant."
        )
    if not bearer.opens(commune):
        raise ProblemError(
            NOT_FOUND, "commune_inconnue", "Cette commune n'est pas de celles que ce jeton ouvre."
        )
    of_commune = select(_DEMANDES).where(
        demande.code_commune == commune, demande.request_id > after
    )
    recent = of_commune.where(demande.requested_at >= since)
    rows = services.state.read(recent.order_by(demande.request_id).limit(_PAGE))
    last = rows[-1].request_id if rows else after
    return JSONResponse({"requests": [_describe_request(row) for row in rows], "next": last})


def _read_instant(words: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(words)
    except ValueError:
        return None
    return read.astimezone(UTC) if read.tzinfo else None


def _describe_request(row: Row[Any]) -> dict[str, object]:
    key, refusal = (
        {"source": row.source, "id": row.event_id},
        {"code": row.code, "reason": row.reason},
    )
    about = {
        "request": key,
        "type": row.event_type,
        "commune": row.code_commune,
        "outcome": row.outcome,
    }
    return about | {"requested_at": row.requested_at.isoformat()} | (refusal if row.code else {})


def _describe(file: AskedFile) -> dict[str, object]:
    status = FileStage.RECALLED if file.recalled_at else file.status
    about = {"export_id": file.export_id, "label": file.label, "status": status.value}
    about |= {"state": file.state.value, "usable": file.is_usable}
    if file.fault:
        about["fault"] = file.fault
    if file.cure:
        about["cure"] = file.cure.address
    if file.error_code:
        return about | {"code": file.error_code, "reason": file.error_message}
    if file.recalled_at:
        about["reason"] = file.recalled_because
    if not record_of(file):
        return about
    url = f"{PREFIX}{FILE_PATH.format(export_id=file.export_id)}"
    counts = {
        "electeurs": file.electeurs,
        "anomalies_bloquantes": file.bloquantes,
        "a_completer": file.a_completer,
    }
    provisoire = (
        {"provisoire_until": file.provisoire_until.isoformat()} if file.provisoire_until else {}
    )
    return about | {"size": file.size, "sha256": file.sha256, "url": url} | counts | provisoire


def _names(request: Request, field: str, etag: str, *, is_weak: bool) -> bool | None:
    """Return whether a conditional field names the file (RFC 9110, section 13.1); None without the field."""
    if field not in request.headers:
        return None
    tags = {tag.strip() for tag in request.headers[field].split(",")}
    return bool(tags & {"*", etag, *([f"W/{etag}"] if is_weak else ())})


def _services(request: Request) -> WebServices:
    services: WebServices = request.app.state.services
    return services


def _require_bearer(request: Request) -> Bearer:
    """Authenticate the token, or raise `ProblemError` 401; `HTTPException` 429: too many requests or invalid tokens."""
    services = _services(request)
    shown = _TOKEN.fullmatch(request.headers.get("authorization", ""))
    bearer = _find_bearer(services, *shown.groups()) if shown else None
    if bearer is None:
        services.rates.count_stranger(request)
        raise ProblemError(
            UNAUTHORIZED,
            "jeton_refuse",
            "Un jeton en service est attendu : « Authorization: Bearer prefecture_… ». L'exploitant en fait.",
            {
                "WWW-Authenticate": 'Bearer realm="prefecture"'
                + (', error="invalid_token"' if shown else "")
            },
        )
    request.state.agent = bearer.sender
    services.rates.count(request, bearer.sender)
    if request.method == "POST":
        services.rates.count_event(bearer.sender)
    return bearer


def _find_bearer(services: WebServices, token_id: str, secret: str) -> Bearer | None:
    rows = services.state.read(select(_JETONS).where(_JETONS.c.jeton == token_id.lower()))
    if not rows or not hmac.compare_digest(rows[0].secret_hash, digest_secret(secret)):
        return None
    return Bearer(f"{TOKEN_ACTOR}{rows[0].name}", frozenset(row.code_commune for row in rows))


def _read_range(request: Request, size: int, etag: str) -> tuple[int, int]:
    """Return start and end (exclusive) of a valid range, else of the file. Raises `ProblemError` 416: outside of it."""
    wanted = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if (
        wanted is None
        or wanted.groups() == ("", "")
        or request.headers.get("if-range", etag) != etag
    ):
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


async def _show_problem(_request: Request, error: Exception) -> Response:
    it = _to_problem(error)
    status, errors = (it.status_code, [RefusalFault.of(fault) for fault in it.faults] or None)
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        code=it.code,
        detail=it.detail,
        errors=errors,
        again=it.again,
    )
    return Response(problem.model_dump_json(exclude_none=True), status, it.headers, PROBLEM_JSON)


def _to_problem(error: Exception) -> ProblemError:
    match error:
        case ProblemError():
            return error
        case HTTPException():
            said = _SAID.get(error.status_code, ("erreur", "La requête ne peut pas être servie."))
            return ProblemError(error.status_code, *said, error.headers)
        case PublishError():
            retry = {"Retry-After": "60" if isinstance(error, QueueFullError) else "10"}
            again = "La demande n'est pas prise : renvoyer la même, avec le même « id »."
            return ProblemError(AWAY, "demande_non_prise", again, retry)
        case StateAwayError():
            away = "La base de données ne répond pas : recommencer."
            return ProblemError(AWAY, "base_injoignable", away, {"Retry-After": "10"})
    return ProblemError(
        BROKEN, "erreur_interne", "Erreur interne : si elle se répète, prévenir l'exploitant."
    )
