"""Generates openapi.json, the contract over HTTP: the paths are written here, the schemas come from the models."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from schemas.envelope import CloudEvent
from schemas.events import EcheanceNear, FileStatus, RegistreStatus, RequestStatus
from schemas.file_state import FileState
from schemas.http import (
    ACCEPTS_RECALLED,
    BATCHED,
    BATCHES_PATH,
    EVENT_JSON,
    EVENTS_JSON,
    EVENTS_PATH,
    FILE_PATH,
    LONGEST_PAGE,
    MOST_IN_BATCH,
    OPENAPI_PATH,
    PAGE,
    PREFIX,
    PROBLEM_JSON,
    RECALLED,
    REQUEST_PATH,
    REQUESTS_PATH,
    Problem,
    ReceivedBatch,
    ReceivedRequest,
    RequestNow,
    RequestPage,
)
from schemas.requests import LARGEST_ID
from schemas.topology import MAX_EVENT_BYTES
from schemas.vocabulary import FORMATS

Json = dict[str, Any]

PUBLISHED: tuple[type[Any], ...] = RequestStatus, FileStatus, RegistreStatus, EcheanceNear
"""The models of the events that are published."""

_STATES: tuple[type[Any], ...] = (ReceivedRequest, ReceivedBatch, RequestNow, RequestPage, Problem)
_SHARED = {
    "401": ("NoToken", "No token, or one that is unknown or revoked."),
    "405": ("Method", "`Allow` has the methods."),
    "429": ("TooOften", "Too often: `Retry-After` says for how many seconds."),
    "503": ("Away", "The service is away: `Retry-After` says for how many seconds."),
}


def describe_http(requests: tuple[type[Any], ...]) -> Json:
    """Return the OpenAPI document; `requests` are the models of the events that a program may send."""
    description = "For programs outside: send events, read what becomes of them, take files."
    return {
        "openapi": "3.1.0",
        "info": {"title": "Module Préfecture", "version": "2.0.0", "description": description},
        "servers": [{"url": PREFIX}],
        "security": [{"token": []}],
        "paths": {
            EVENTS_PATH: {"get": _list_events(), "post": _send_event()},
            BATCHES_PATH: {"post": _send_batch()},
            REQUESTS_PATH: {"get": _list_requests()},
            REQUEST_PATH: {"get": _get_request()},
            FILE_PATH: {"get": _get_file()},
            OPENAPI_PATH: {"get": _get_document()},
        },
        "components": {
            "schemas": dict(sorted(_list_schemas(requests).items())),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "From the operator (`python -m worker accounts`), for some communes.",
                }
            },
            "responses": {name: _problem(said) for name, said in _SHARED.values()},
        },
    }


def _list_schemas(requests: tuple[type[Any], ...]) -> Json:
    """Return the schemas of the models and of all that they hold, by name, and one of each whole event."""
    sent: list[tuple[type[Any], JsonSchemaMode]] = [(model, "validation") for model in requests]
    read: list[tuple[type[Any], JsonSchemaMode]] = [
        (model, "serialization") for model in (*PUBLISHED, *_STATES)
    ]
    _, schema = models_json_schema([*sent, *read], ref_template="#/components/schemas/{model}")
    found: Json = schema["$defs"]
    for model in (*requests, *PUBLISHED):
        found[f"{model.__name__}Event"] = _describe_event(model)
    found["SentEvent"] = {"oneOf": [_ref(f"{it.__name__}Event") for it in requests]}
    found["BatchEvent"] = {"oneOf": [_ref(f"{it.__name__}Event") for it in BATCHED.values()]}
    found["PublishedEvent"] = {"oneOf": [_ref(f"{it.__name__}Event") for it in PUBLISHED]}
    return found


def _describe_event(model: type[Any]) -> Json:
    """Return the schema of a whole event: the envelope, with its `type` and `data`."""
    envelope = CloudEvent.model_json_schema(ref_template="#/components/schemas/{model}")
    named: Json = {"type": {"const": model.EVENT_TYPE}, "data": _ref(model.__name__)}
    required, names = ["id", "source", "type", "data"], dict[str, Json]()
    if model in PUBLISHED:
        required = ["specversion", "time", *required]
    else:  # a trace that is malformed is dropped, and no fault
        for name, said in envelope["properties"].items():
            if name in {"traceparent", "tracestate"}:
                named[name] = {"description": said["description"]}
            elif name not in required:
                named[name] = with_null(said)
        names["propertyNames"] = {"pattern": "^[a-z0-9]+$"}
    schema: Json = {"type": "object", "properties": envelope["properties"] | named}
    return schema | {"required": required} | names


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _problem(said: str) -> Json:
    return {"description": said, "content": {PROBLEM_JSON: {"schema": _ref("Problem")}}}


def _text(said: str) -> Json:
    return {"description": said, "schema": {"type": "string"}}


def _responses(good: Mapping[str, Json], **wrong: str) -> Json:
    """Return the responses of an operation; `wrong` has what the statuses of its errors mean, such as `_404`."""
    shared = {
        status: {"$ref": f"#/components/responses/{it}"} for status, (it, _) in _SHARED.items()
    }
    own = {status.removeprefix("_"): _problem(said) for status, said in wrong.items()}
    return dict(sorted({**good, **shared, **own}.items()))


def _in_query(name: str, said: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": said, "schema": schema}


_AFTER = _in_query(
    "after", "Of the answer before.", {"type": "integer", "minimum": 0, "maximum": LARGEST_ID}
)
_LIMIT = _in_query(
    "limit",
    f"Rows of a page; {PAGE} when absent.",
    {"type": "integer", "minimum": 1, "maximum": LONGEST_PAGE},
)


def _list_events() -> Json:
    link = {"Link": _text('The next page, `rel="next"`; the same address once none is left.')}
    page = {"schema": {"type": "array", "items": _ref("PublishedEvent")}}
    said = "The answers to its requests, what becomes of their files, and the deadlines of its communes."
    of = "`communes`: also the events about all other files of its communes. `sender` when absent."
    return {
        "operationId": "listEvents",
        "summary": "The events that were published to the token, as over AMQP, oldest first; kept for ninety days",
        "parameters": [_AFTER, _LIMIT, _in_query("of", of, {"enum": ["sender", "communes"]})],
        "responses": _responses(
            {"200": {"description": said, "headers": link, "content": {EVENTS_JSON: page}}},
            _400="`after`, `limit` or `of` is wrong.",
        ),
    }


def _send_event() -> Json:
    accepted = {
        "description": "A worker will read it.",
        "headers": {"Location": _text("The address of the request.")},
        "content": {"application/json": {"schema": _ref("ReceivedRequest")}},
    }
    return {
        "operationId": "sendEvent",
        "summary": "Send a request, as over AMQP; the same `source` and `id` again count once",
        "requestBody": {"required": True, "content": {EVENT_JSON: {"schema": _ref("SentEvent")}}},
        "responses": _responses(
            {"202": accepted},
            _400="The body is announced in another charset than UTF-8.",
            _403="The token may not do this act, or not for this commune.",
            _409="The token has sent another event with this `source` and `id`: `instance` is its address.",
            _413=f"Larger than {MAX_EVENT_BYTES} bytes.",
            _415="Another content type.",
            _422="Not an event, or no worker can serve it: `errors` says why.",
            _500="The service takes no request before its operator corrects its settings.",
        ),
    }


def _send_batch() -> Json:
    items = {"type": "array", "items": _ref("BatchEvent"), "minItems": 1, "maxItems": MOST_IN_BATCH}
    said = {"schema": _ref("ReceivedBatch")}
    return {
        "operationId": "sendBatch",
        "summary": "Ask for files of many communes: all of the events are taken, or none, each with `bulk`",
        "requestBody": {"required": True, "content": {EVENTS_JSON: {"schema": items}}},
        "responses": _responses(
            {
                "202": {
                    "description": "A worker will read them.",
                    "content": {"application/json": said},
                }
            },
            _400="The body is announced in another charset than UTF-8.",
            _403="The token may not do one of these acts, or not for its commune: `errors` names the event.",
            _409="The token has sent another event with a `source` and `id` of these: `instance` is its address.",
            _413="Too large.",
            _415="Another content type.",
            _422="Not a batch, or one of its events is none that a worker can serve: `errors` says why.",
            _500="The service takes no request before its operator corrects its settings.",
        ),
    }


def _list_requests() -> Json:
    since = {"type": "string", "format": "date-time"}
    said = {"schema": _ref("RequestPage")}
    return {
        "operationId": "listRequests",
        "summary": "The requests about the communes of the token that workers have read, oldest first, and its own",
        "parameters": [
            _in_query("commune", "INSEE code, of the token; all when absent.", {"type": "string"}),
            _in_query("since", "Requests read since then, with its zone.", since),
            _AFTER,
            _LIMIT,
        ],
        "responses": _responses(
            {"200": {"description": "Without files.", "content": {"application/json": said}}},
            _400="A parameter is wrong.",
            _404="Not a commune of the token.",
        ),
    }


def _get_request() -> Json:
    uuid = {"name": "uuid", "in": "path", "required": True, "schema": {"type": "string"}}
    said = "From `Location`, or from `request` of any event about it."
    state = {"schema": _ref("RequestNow")}
    return {
        "operationId": "getRequest",
        "summary": "What became of a request of the token, once a worker has read it",
        "parameters": [uuid | {"description": said}],
        "responses": _responses(
            {"200": {"description": "With its files.", "content": {"application/json": state}}},
            _404="The token sent no such request, or no worker has read it yet.",
        ),
    }


def _get_file() -> Json:
    number = {"type": "integer", "minimum": 1}
    conditions = ("Range", "If-Range", "If-None-Match", "If-Match")
    accept = "`accept`: the bytes of a recalled file are wanted all the same."
    return {
        "operationId": "getFile",
        "summary": "Its bytes, as the record has them, or none",
        "parameters": [
            {"name": "export_id", "in": "path", "required": True, "schema": number},
            _in_query(RECALLED, accept, {"const": ACCEPTS_RECALLED}),
            *({"name": it, "in": "header", "schema": {"type": "string"}} for it in conditions),
        ],
        "responses": _responses(
            dict(_give_bytes()),
            _404="No such file of a commune of the token.",
            _409="The file is not made: it waits, failed or was cancelled. Or it is recalled: to be made again.",
            _410="Its bytes were purged, or are not there any more.",
            _412="`If-Match` names another file.",
            _416="No such range of bytes.",
            _500="The bytes are not those of the record: nothing is given.",
        ),
    }


def _give_bytes() -> Iterator[tuple[str, Json]]:
    headers = {
        "ETag": _text("The SHA-256 of the whole file, in hexadecimal."),
        "Repr-Digest": _text("The same, as RFC 9530 has it."),
        "Digest": _text("The same, as RFC 3230 has it."),
        "File-State": {"schema": {"enum": [*FileState]}},
        "RateLimit": _text("What is left to the token (draft-ietf-httpapi-ratelimit-headers)."),
    }
    content: Json = {record.media_type: {} for record in FORMATS.values()}
    one = "One range of them (RFC 9110, section 14); several at once are not served."
    for status, said in (("200", "All of them."), ("206", one)):
        yield status, {"description": said, "headers": headers, "content": content}
    yield "304", {"description": "What `If-None-Match` names is what it still is."}


def _get_document() -> Json:
    content: Json = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": "getDocument",
        "summary": "This document",
        "security": [],
        "responses": {"200": {"description": "OpenAPI 3.1.", "content": content}},
    }


def with_null(schema: Json) -> Json:
    """Return the schema of an optional field of a request, which may also be `null`."""
    if {"type": "null"} in schema.get("anyOf", ()):
        return schema
    beside: dict[str, Any] = {
        name: schema[name] for name in ("description", "default", "examples") if name in schema
    }
    return {
        "anyOf": [
            {name: it for name, it in schema.items() if name not in beside},
            {"type": "null"},
        ],
        **beside,
    }
