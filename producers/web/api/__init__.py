"""The HTTP API for programs without AMQP or exports volume: send events, read requests, take files.

`schemas/http.py` and `openapi.json` define the contract. A file outside the token's communes, and the address of
another sender's request, give the same 404 as one that does not exist.
"""

import base64
import hmac
import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlencode

import structlog
from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel
from sqlalchemy import JSON, ColumnElement, Row, String, and_, column, or_, select, table, true
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.instant import UtcDateTime
from producers.errors import BrokerRefusesError, PublishError, QueueFullError, StateAwayError
from producers.state import State
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
from schemas.checking import find_faults, hash_payload, read_envelope
from schemas.envelope import CloudEvent, InvalidEventError, parse_json
from schemas.events import (
    AnsweredRequest,
    FileStage,
    RefusalFault,
    RequestStage,
    expected_fields,
    made_file,
    name_request,
)
from schemas.faults import Fault, join_faults
from schemas.http import (
    ACCEPTS_RECALLED,
    BATCHED,
    BATCHES_PATH,
    DOOR,
    EVENT_JSON,
    EVENTS_JSON,
    EVENTS_PATH,
    FILE_PATH,
    LONGEST_PAGE,
    MOST_IN_BATCH,
    OPENAPI_DOCUMENT,
    OPENAPI_PATH,
    PAGE,
    PREFIX,
    PROBLEM_JSON,
    RECALLED,
    REQUEST_PATH,
    REQUESTS_PATH,
    TOKEN_ACTOR,
    TOKEN_PREFIX,
    Again,
    FileNow,
    Problem,
    ReceivedBatch,
    ReceivedRequest,
    RequestNow,
    RequestPage,
    digest_secret,
)
from schemas.rights import EVERY_COMMUNE, acts_of, find_missing_right
from schemas.topology import (
    MAX_EVENT_BYTES,
    MAX_SHORT_BYTES,
    REQUEST_LISTE_EXPORT,
    REQUEST_RETRY,
    REQUEST_TABLEAUX_RENDER,
    REQUEST_TYPES,
    SCREEN_NOTE,
)
from schemas.vocabulary import (
    KEY_REUSED,
    UNREADABLE,
    WITHOUT_KEY,
    ExportStatus,
    Piece,
    RequestOutcome,
)

ACCEPTED, UNAUTHORIZED, FORBIDDEN, NOT_MODIFIED, PARTIAL, CHANGED, OUT_OF_RANGE, AWAY = (
    202,
    401,
    403,
    304,
    206,
    412,
    416,
    503,
)

log = structlog.get_logger("producers.web")

_TOKEN = re.compile(
    rf"Bearer +{TOKEN_PREFIX}([0-9a-f]{{8}})_([A-Za-z0-9_-]{{43}})", re.ASCII | re.IGNORECASE
)
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_JETONS = table(
    "jetons", *(column(name) for name in ("jeton", "name", "secret_hash", "code_commune", "acts"))
)
_ASKED = (
    *("source", "event_id", "event_type", "code_commune"),
    *("sender", "outcome", "code", "reason", "uuid"),
)
_DEMANDES = table(
    "demandes",
    *(column(name, String) for name in _ASKED),
    column("request_id"),
    column("faults", JSON),
    *(column(name, UtcDateTime) for name in ("requested_at", "completed_at")),
)
_REPONSES = table(
    "reponses",
    *(column(name, String) for name in ("account", "code_commune", "event")),
    column("answer_id"),
)
_TO_EVERYBODY = "*"
"""The account of a deadline in the feed."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_SAID = {
    400: ("requete_illisible", "La requête n'est pas lisible."),
    404: (
        "adresse_inconnue",
        "Cette adresse ne mène à rien : openapi.json dit lesquelles existent.",
    ),
    405: (
        "methode_refusee",
        "L'en-tête Allow dit les méthodes admises : POST est pour les événements et les lots seulement.",
    ),
    413: (
        "trop_grand",
        f"Un événement a {MAX_EVENT_BYTES} octets au plus ; un lot, {MOST_IN_BATCH * MAX_SHORT_BYTES}.",
    ),
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
        instance: str | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.code, self.faults, self.again, self.instance = code, faults, again, instance


class Bearer(NamedTuple):
    sender: str
    """The sender of its events, and the actor of its downloads."""
    rights: Mapping[str, str]
    """The acts that it may do, by commune; empty where it only reads."""

    def opens(self, commune: str) -> bool:
        return bool(self.rights.keys() & {commune, EVERY_COMMUNE})

    def may_read(self, commune: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether a row is of a commune that the token opens."""
        return true() if self.opens(EVERY_COMMUNE) else commune.in_(self.rights)

    def may_do(self, commune: str) -> Sequence[str]:
        """Return the acts of each right for a commune; of all rights where the event names no commune."""
        named = {commune, EVERY_COMMUNE} if commune else self.rights.keys()
        return [acts for code, acts in self.rights.items() if acts and code in named]


def create_api(services: WebServices) -> Mount:
    """Return the API, with its own error handlers: errors are JSON, not HTML, of another version too."""
    routes = [
        Route(BATCHES_PATH, receive_batch, methods=["POST"]),
        Route(EVENTS_PATH, exchange_events, methods=["GET", "POST"]),
        Route(FILE_PATH, send_file, methods=["GET"]),
        Route(OPENAPI_PATH, send_document, methods=["GET"]),
        Route(REQUESTS_PATH, send_requests, methods=["GET"]),
        Route(REQUEST_PATH, send_request, methods=["GET"]),
    ]
    api = Starlette(
        routes=[Mount(PREFIX.removeprefix(DOOR), routes=routes)],
        middleware=[Middleware(_RateFields, services)],
        exception_handlers=dict.fromkeys(
            (HTTPException, StateAwayError, PublishError, Exception), _show_problem
        ),
    )
    api.state.services = services
    api.state.publishing = CapacityLimiter(
        4
    )  # while the broker is away, the other threads serve the clerks
    return Mount(DOOR, api)


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


def send_document(_request: Request) -> Response:
    """Send the OpenAPI document of this version, to anybody: it names no commune and no account."""
    return Response(OPENAPI_DOCUMENT.read_bytes(), media_type="application/json")


async def exchange_events(request: Request) -> Response:
    return await (
        _receive_event(request)
        if request.method == "POST"
        else run_in_threadpool(_send_events, request)
    )


async def _receive_event(request: Request) -> Response:
    bearer = await run_in_threadpool(_require_bearer, request)
    _services(request).rates.count_event(bearer.sender)
    body = await _read_body(request, EVENT_JSON, MAX_EVENT_BYTES)
    event = await run_in_threadpool(_read_event, body)
    (received,) = await _publish(request, bearer, {"": event})
    return _answer(received, ACCEPTED, {"Location": received.url})


async def receive_batch(request: Request) -> Response:
    """Publish the requests for files of a batch, all or none; their files are counted, not the call."""
    bearer = await run_in_threadpool(_require_bearer, request)
    body = await _read_body(request, EVENTS_JSON, MOST_IN_BATCH * MAX_SHORT_BYTES)
    events = await run_in_threadpool(_read_batch, body)
    parts = [BATCHED[it.type].model_validate(it.data).parts() for it in events.values()]
    _services(request).rates.count_files(bearer.sender, sum(map(len, parts)))
    return _answer(ReceivedBatch(requests=await _publish(request, bearer, events)), ACCEPTED)


async def _read_body(request: Request, kind: str, most: int) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        raise ProblemError(415, "type_de_contenu", f"Un corps de type « {kind} » est attendu.")
    return await limit_body(request, most).body()


async def _publish(
    request: Request, bearer: Bearer, events: Mapping[str, CloudEvent]
) -> Sequence[ReceivedRequest]:
    """Check and publish the events, each after its place in the body: empty, or `0.`; return what each became."""
    first, *others = events.values()
    request.state.correlation_id = first.correlationid
    for place, event in events.items():
        _require_right(bearer, event, place)
    await run_in_threadpool(_refuse_reused, _services(request).state, bearer, events)
    publish, limiter = _services(request).publish, request.app.state.publishing
    await to_thread.run_sync(lambda: publish(first, *others, token=bearer.sender), limiter=limiter)
    return [_received(bearer, it) for it in events.values()]


def _received(bearer: Bearer, event: CloudEvent) -> ReceivedRequest:
    uuid = _name_request(bearer, event)
    asked = AnsweredRequest(source=event.source, id=event.id, uuid=uuid)
    return ReceivedRequest(request=asked, url=_address_of(uuid))


def _require_right(bearer: Bearer, event: CloudEvent, place: str) -> None:
    """Check that the token may do the act of the event for the commune that it names, as a worker does.

    Raises:
        ProblemError: 403, with the code and the words of the worker.
    """
    commune = str(event.data.get("commune", ""))
    granted = bearer.may_do(commune)
    if missing := find_missing_right(bearer.sender, granted, acts_of(event), commune):
        raise ProblemError(
            FORBIDDEN, missing.code, missing.message, faults=_within(place, [missing])
        )


def _within(place: str, faults: Sequence[Fault]) -> Sequence[Fault]:
    """Return the faults of an event with their path from the root of the body."""
    return [fault._replace(field=f"{place}{fault.field}".rstrip(".")) for fault in faults]


def _name_request(bearer: Bearer, event: CloudEvent) -> str:
    return name_request(bearer.sender, event.source, event.id, hash_payload(event))


def _address_of(uuid: str) -> str:
    return f"{PREFIX}{REQUEST_PATH.format(uuid=uuid)}"


def _refuse_reused(state: State, bearer: Bearer, events: Mapping[str, CloudEvent]) -> None:
    """Check that no other event of this token is recorded under the source and id of one of these.

    Of two events that are sent before a worker has read one, the worker refuses the later. That refusal is at an
    address of its own, since the content is part of the address.

    Raises:
        ProblemError: 409, with the address of the recorded event.
    """
    demande, ids = _DEMANDES.c, {it.id for it in events.values()}
    mine = demande.sender == bearer.sender, demande.event_id.in_(ids)
    asked = select(demande.source, demande.event_id, demande.uuid)
    keyed = state.read(asked.where(*mine, demande.code.not_in(WITHOUT_KEY)))
    recorded = {(row.source, row.event_id): row.uuid for row in keyed}
    for place, event in events.items():
        uuid = recorded.get((event.source, event.id))
        if uuid is not None and uuid != _name_request(bearer, event):
            said = "Cet « id » est celui d'un autre événement de ce jeton : en choisir un nouveau."
            faults = _within(place, [Fault("id", KEY_REUSED, said)])
            raise ProblemError(
                CONFLICT, KEY_REUSED, said, faults=faults, instance=_address_of(uuid)
            )


def _read_batch(body: bytes) -> Mapping[str, CloudEvent]:
    """Return the events of a batch, each as part of a batch, by their places.

    Raises:
        ProblemError: 422, with the faults of all of its events.
    """
    try:
        items = parse_json(body)
    except InvalidEventError as error:
        said = f"{join_faults(error.faults)}."
        raise ProblemError(UNPROCESSABLE, UNREADABLE, said, faults=error.faults) from None
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_IN_BATCH:
        said = f"une liste de 1 à {MOST_IN_BATCH} événements est attendue"
        raise ProblemError(
            UNPROCESSABLE, UNREADABLE, f"{said}.", faults=[Fault("", "batch_size", said)]
        )
    events, faults = dict[str, CloudEvent](), list[Fault]()
    for number, item in enumerate(items):
        place = f"{number}."
        try:
            event = _read_event(json.dumps(item).encode(), BATCHED)
        except ProblemError as error:
            faults += _within(place, error.faults)
        else:
            events[place] = event.model_copy(update={"data": event.data | {"bulk": True}})
    if faults:
        said = f"{join_faults(faults)}."
        raise ProblemError(UNPROCESSABLE, "demande_invalide", said, faults=faults)
    return events


def _read_event(body: bytes, types: Collection[str] = REQUEST_TYPES) -> CloudEvent:
    said, faults = read_envelope(body)
    if not faults and said.get("type") not in types:
        faults = [Fault("type", "type_inconnu", "cette adresse ne prend pas ce type d'événement")]
    code = UNREADABLE if faults else "demande_invalide"
    if not faults and not (faults := find_faults(body)):
        return CloudEvent.from_bytes(body)
    raise ProblemError(UNPROCESSABLE, code, f"{join_faults(faults)}.", faults=faults)


def _send_events(request: Request) -> Response:
    """Send a page of the feed: the events that were published to the sender, in order; `Link` has the next page.

    They are the answers to its requests, and the deadlines of its communes; with `of=communes` also what was published
    about all other files of its communes, whoever asked.
    """
    services, bearer = _services(request), _require_bearer(request)
    query, reponse = request.query_params, _REPONSES.c
    after, most = _read_page(request)
    of = query.get("of", "sender")
    if of not in {"sender", "communes"}:
        raise ProblemError(400, "parametre_faux", "« of » est « sender » ou « communes ».")
    is_open = bearer.may_read(reponse.code_commune)
    is_heard = and_(reponse.account == _TO_EVERYBODY, is_open) if of == "sender" else is_open
    chosen = select(_REPONSES).where(reponse.answer_id > after)
    mine = chosen.where(or_(reponse.account == bearer.sender, is_heard))
    rows = services.state.read(mine.order_by(reponse.answer_id).limit(most))
    page = {"after": rows[-1].answer_id if rows else after, "limit": most, "of": of}
    link = f'<{PREFIX}{EVENTS_PATH}?{urlencode(page)}>; rel="next"'
    body = f"[{','.join(row.event for row in rows)}]"
    return Response(body, media_type=EVENTS_JSON, headers={"Link": link})


def _read_page(request: Request) -> tuple[int, int]:
    """Return `after`, the number of the last row of the page before, and `limit`, how many rows the next one has.

    Raises:
        ProblemError: 400, one of them is no such number.
    """
    query = request.query_params
    after = 0 if query.get("after", "0") == "0" else read_number(query["after"])
    most = read_number(query.get("limit", str(PAGE)))
    if after is None or most is None or most > LONGEST_PAGE:
        said = f"« after » vient de la réponse d'avant ; « limit » va de 1 à {LONGEST_PAGE}."
        raise ProblemError(400, "parametre_faux", said)
    return after, most


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
    """Send the token's own request of this address, with its files.

    A token that learns the address of another sender's request finds nothing there.
    """
    state, bearer, demande = _services(request).state, _require_bearer(request), _DEMANDES.c
    is_own = demande.uuid == request.path_params["uuid"], demande.sender == bearer.sender
    rows = state.read(select(_DEMANDES).where(*is_own))
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
    return _answer(_describe_request(found, files))


def send_requests(request: Request) -> Response:
    """Send a page of the requests about the communes of the token, or one of them, without their files.

    Those of the token itself are among them, even refused ones that name no commune.
    """
    bearer, query, demande = _require_bearer(request), request.query_params, _DEMANDES.c
    since, (after, most) = (
        _read_instant(query.get("since", _EPOCH.isoformat())),
        _read_page(request),
    )
    if since is None:
        raise ProblemError(400, "parametre_faux", "« since » est un instant, avec son fuseau.")
    is_open = or_(bearer.may_read(demande.code_commune), demande.sender == bearer.sender)
    if (commune := query.get("commune")) is not None:
        if not bearer.opens(commune):
            said = "Cette commune n'est pas de celles que ce jeton ouvre."
            raise ProblemError(NOT_FOUND, "commune_inconnue", said)
        is_open = demande.code_commune == commune
    is_asked = demande.request_id > after, demande.requested_at >= since
    chosen = select(_DEMANDES).where(is_open, *is_asked, demande.event_type != SCREEN_NOTE)
    rows = _services(request).state.read(chosen.order_by(demande.request_id).limit(most))
    last = rows[-1].request_id if rows else after
    return _answer(RequestPage(requests=[_describe_request(row) for row in rows], next=last))


def _read_instant(words: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(words)
    except ValueError:
        return None
    return read.astimezone(UTC) if read.tzinfo else None


_OF_FILES = frozenset({REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER, REQUEST_RETRY})
"""The requests that are settled once their last file has ended."""


def _describe_request(row: Row[Any], files: Sequence[AskedFile] | None = None) -> RequestNow:
    is_refused = row.outcome == RequestOutcome.REFUSED
    is_over = row.completed_at is not None and row.event_type in _OF_FILES
    status = RequestStage.SETTLED if is_over else RequestStage.ACCEPTED
    about: dict[str, Any] = {}
    faults = [RefusalFault.of(Fault(**fault)) for fault in row.faults or ()]
    if is_refused:
        about = {"code": row.code or "refus", "reason": row.reason, "errors": faults}
    elif faults:
        about["ignored"] = faults
    if files is not None:
        about["exports"] = [_describe(it, row) for it in files]
    if is_over and files and not is_refused:
        counts = Counter(it.status for it in files)
        about |= {it.value: counts[it] for it in ExportStatus if it.is_terminal}
    return RequestNow(
        request=_reference(row),
        type=row.event_type,
        requested_at=row.requested_at,
        status=RequestStage.REFUSED if is_refused else status,
        request_id=None if is_refused else row.request_id,
        commune=row.code_commune or None,
        **about,
    )


def _reference(row: Row[Any]) -> AnsweredRequest:
    return AnsweredRequest(source=row.source, id=row.event_id, uuid=row.uuid)


def _describe(file: AskedFile, asked: Row[Any]) -> FileNow:
    url = f"{PREFIX}{FILE_PATH.format(export_id=file.export_id)}"
    return FileNow(
        **expected_fields(file, file.export_id),
        request=_reference(asked),
        commune=file.code_commune,
        status=FileStage.RECALLED if file.recalled_at else FileStage(file.status.value),
        state=file.state,
        usable=file.is_usable,
        file=made_file(file, url) if record_of(file) else None,
        code=file.error_code or None,
        reason=file.recalled_because or file.error_message or None,
        fault=file.fault or None,
        cure=file.cure.address if file.cure else None,
    )


def _answer(
    state: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    body = state.model_dump_json(exclude_none=True)
    return Response(body, status, headers, "application/json")


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
    return bearer


def _find_bearer(services: WebServices, token_id: str, secret: str) -> Bearer | None:
    rows = services.state.read(select(_JETONS).where(_JETONS.c.jeton == token_id.lower()))
    if not rows or not hmac.compare_digest(rows[0].secret_hash, digest_secret(secret)):
        return None
    rights = {row.code_commune: row.acts for row in rows}
    return Bearer(f"{TOKEN_ACTOR}{rows[0].name}", rights)


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
    if isinstance(error, PublishError):  # its message is the operator's, and holds no secret
        log.error("event_not_published", error=str(error))
    it = _to_problem(error)
    status, errors = (it.status_code, [RefusalFault.of(fault) for fault in it.faults] or None)
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        code=it.code,
        detail=it.detail,
        errors=errors,
        again=it.again,
        instance=it.instance,
    )
    return Response(problem.model_dump_json(exclude_none=True), status, it.headers, PROBLEM_JSON)


def _to_problem(error: Exception) -> ProblemError:
    match error:
        case ProblemError():
            return error
        case HTTPException():
            said = _SAID.get(error.status_code, ("erreur", "La requête ne peut pas être servie."))
            return ProblemError(error.status_code, *said, error.headers)
        case BrokerRefusesError():
            closed = "Le service ne peut prendre aucune demande avant que l'exploitant ne corrige son réglage."
            return ProblemError(BROKEN, "service_mal_regle", closed)
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
