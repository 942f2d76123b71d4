"""Generates files for other languages from the models: JSON Schemas, examples, AsyncAPI and OpenAPI documents."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from schemas import topology
from schemas.declarations import DeclarationNoted
from schemas.envelope import CloudEvent
from schemas.events import (
    EcheanceNear,
    FileStatus,
    RegistreStatus,
    RequestStatus,
)
from schemas.http import openapi
from schemas.requests import (
    CancelRequested,
    ListeExportRequested,
    RegistreCorrectionRequested,
    RegistreImportRequested,
    RegistrePreviewRequested,
    RetryRequested,
    TableauxRenderRequested,
)

ROOT = Path(__file__).parent
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
BASE = "https://prefecture.openelec.fr/schemas/"
"""Prefix of the `$id` of each schema; it is a name, and no reader fetches it."""

_EXAMPLE_ID = "7d0c9a52-5a4f-4a3a-9a53-0f2d1f6f1c11"
_EVENT_ID = "0d6f3a0b-6c1e-5c55-8a43-5b8f6f7f2a90"
_REQUEST = {"source": "/mairie/13900", "id": _EXAMPLE_ID}
_FILE = {"export_id": 41, "request": _REQUEST, "commune": "13900", "liste": "P", "format": "csv"}
_NO_REGISTER = "Aucun registre importé pour 13001 : importez d'abord l'export du REU."
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_PREVIEW = {"request": _REQUEST, "request_id": 17, "commune": "13900", "preview_id": 7, "sha256": _SHA256}
_LABEL = "Liste P du 25/11/2026 09:30:00 [csv]"

MODELS: dict[type[BaseModel], dict[str, Any]] = {
    ListeExportRequested: {
        "commune": "13900",
        "listes": ["P", "CE", "CM"],
        "formats": ["csv", "xml"],
        "requested_by": "mairie-libreville",
    },
    TableauxRenderRequested: {
        "commune": "13900",
        "listes": ["P"],
        "types": ["vingt_jours"],
        "presentations": ["commune", "par_bureau"],
        "scrutin": "2027-04-11",
        "requested_by": "mairie-libreville",
    },
    CancelRequested: {"request": _REQUEST, "requested_by": "mairie-libreville"},
    RetryRequested: {"request": _REQUEST, "exports": [41], "requested_by": "mairie-libreville"},
    RegistrePreviewRequested: {
        "commune": "13900",
        "arrival": "5a0d2f6c8e9b4d17.csv",
        "sha256": _SHA256,
        "taken_on": "2026-11-25",
        "file_name": "liste-electorale-13900.csv",
        "requested_by": "mairie-libreville",
    },
    RegistreImportRequested: {
        "commune": "13900",
        "preview": 7,
        "sha256": _SHA256,
        "accept_rejects": True,
        "requested_by": "mairie-libreville",
    },
    RegistreCorrectionRequested: {
        "commune": "13900",
        "import_id": 12,
        "act": "undo",
        "requested_by": "mairie-libreville",
    },
    DeclarationNoted: {
        "commune": "13900",
        "note": {"kind": "reunion", "jour": "2026-11-20", "liste": "P"},
        "requested_by": "mairie-libreville",
    },
    FileStatus: _FILE
    | {
        "label": _LABEL,
        "status": "ready",
        "file": {
            "path": "13900/liste-P-13900-20261125-093000.csv",
            "size": 51_233,
            "sha256": _SHA256,
            "electeurs": 327,
            "anomalies_bloquantes": 3,
            "a_completer": 0,
            "remarques": 12,
        },
    },
    RequestStatus: {
        "request": _REQUEST,
        "status": "refused",
        "code": "registre_absent",
        "reason": _NO_REGISTER,
        "errors": [{"field": "data.commune", "code": "registre_absent", "message": _NO_REGISTER}],
        "commune": "13001",
    },
    RegistreStatus: _PREVIEW
    | {
        "status": "ready",
        "listes": [{"liste": "P", "electeurs": 338, "before": 327}],
        "kept": ["CE"],
        "lines_read": 338,
        "inscriptions": 34,
        "radiations": 23,
        "changements": 4,
    },
    EcheanceNear: {
        "commune": "13900",
        "echeance": "vingt_jours",
        "due_on": "2027-03-22",
        "until": "2027-03-22",
        "scrutin": "2027-04-11",
        "libelle": "Élections municipales, 1er tour",
    },
}


def generated_files() -> Iterator[tuple[Path, str]]:
    """Yield the path and text of every generated file; the same models give the same bytes."""
    for model, example in MODELS.items():
        event_type = event_type_of(model)
        yield ROOT / "json" / f"{event_type}.json", _pretty(event_schema(model))
        yield ROOT / "examples" / f"{event_type}.json", _pretty(_example(model, example))
    yield ROOT / "asyncapi.json", _pretty(asyncapi())
    yield ROOT / "openapi.json", _pretty(openapi())


def event_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a whole event: the envelope, with `type` fixed and `data` in full.

    The schema of a request is strict: an event that passes it is valid, and an optional field may be `null`. The schema
    of a published event is open: it requires the fields that are always present and allows unknown ones.
    """
    event_type = event_type_of(model)
    is_said = event_type in topology.EVENT_TYPES
    envelope = CloudEvent.model_json_schema()
    data = model.model_json_schema(mode="serialization" if is_said else "validation")
    definitions = data.pop("$defs", {})
    envelope["properties"] |= {"type": {"type": "string", "const": event_type}, "data": data}
    if is_said:
        envelope["required"] = [name for name in envelope["properties"] if name not in _MAY_BE_ABSENT]
    else:
        envelope["required"] = ["id", "source", "type", "data"]
        envelope["propertyNames"] = {"pattern": "^[a-z0-9]+$"}
    for schema in (envelope, data, *definitions.values()):
        _tidy(schema, _without_null if is_said else _with_null)
    header = {
        "$schema": SCHEMA_DIALECT,
        "$id": f"{BASE}{event_type}.json",
        "title": f"{model.__name__}Event",
        "description": "One event, CloudEvents 1.0 in structured JSON; `source` and `id` identify it.",
    }
    _drop_discriminators(envelope | {"$defs": definitions})
    data["title"] = model.__name__
    kept = ("type", "properties", "required", "propertyNames")
    whole: dict[str, Any] = {name: envelope[name] for name in kept if name in envelope}
    if definitions:
        whole["$defs"] = {name: {"title": name} | schema for name, schema in definitions.items()}
    return header | whole


_MAY_BE_ABSENT = {"causationid", "traceparent", "tracestate"}
"""Optional attributes in the envelope of a published event."""


def _tidy(schema: dict[str, Any], say_null: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Remove titles of fields, and replace each optional property by the result of `say_null`."""
    schema.pop("title", None)
    required = set(schema.get("required", ()))
    for name, value in schema.get("properties", {}).items():
        if isinstance(value, dict):
            value.pop("title", None)
            schema["properties"][name] = value if name in required else say_null(value)


def _drop_discriminators(schema: Any) -> None:  # noqa: ANN401 — decoded JSON
    """Remove pydantic's discriminators, an OpenAPI object that AsyncAPI refuses; the constants of `kind` suffice."""
    if isinstance(schema, dict):
        if isinstance(schema.get("discriminator"), dict) and "mapping" in schema["discriminator"]:
            del schema["discriminator"]
        schema = list(schema.values())
    for inner in schema if isinstance(schema, list) else ():
        _drop_discriminators(inner)


def _with_null(schema: dict[str, Any]) -> dict[str, Any]:
    if {"type": "null"} in schema.get("anyOf", ()):
        return schema
    beside: dict[str, Any] = {name: schema[name] for name in ("description", "default", "examples") if name in schema}
    return {"anyOf": [{name: it for name, it in schema.items() if name not in beside}, {"type": "null"}], **beside}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    kinds: list[dict[str, Any]] = [it for it in schema.get("anyOf", ()) if it != {"type": "null"}]
    if len(kinds) != 1:
        return {name: it for name, it in schema.items() if name != "default"}
    return kinds[0] | {name: it for name, it in schema.items() if name not in {"anyOf", "default"}}


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.1 document; the application receives requests and sends events."""
    requests = {model.__name__: event_type_of(model) for model in MODELS if _is_request(model)}
    events = {model.__name__: event_type_of(model) for model in MODELS if not _is_request(model)}
    bulk = {f"{name}Bulk": f"{it}{topology.BULK_SUFFIX}" for name, it in requests.items() if it in topology.BULK_TYPES}
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Module Préfecture",
            "version": "1.4.0",
            "description": "Requests in, events out. `receive` and `send` are what the application does: you send "
            "requests, and receive events. Every event that you send is answered.",
        },
        "defaultContentType": topology.CONTENT_TYPE,
        "servers": {
            "broker": {
                "host": "{host}:{port}",
                "pathname": "/{vhost}",
                "protocol": "amqps",
                "protocolVersion": "0-9-1",
                "description": "RabbitMQ 4.",
                "variables": {
                    "host": {"default": "broker.example"},
                    "port": {"default": "5671"},
                    "vhost": {"default": "prefecture"},
                },
                "security": [{"$ref": "#/components/securitySchemes/account"}],
            }
        },
        "channels": {
            **{name: _of_account(key, name) for name, key in requests.items()},
            **{name: _of_account(key, name.removesuffix("Bulk"), what=_BULK) for name, key in bulk.items()},
            **{
                name: _channel(topology.event_key(event_type, "{commune}"), name) | {"parameters": _COMMUNE}
                for name, event_type in events.items()
            },
            "Account": _channel(
                topology.account_key("fr.openelec.prefecture.event.{event}.v1", "{account}"),
                *(name for name in events if name != EcheanceNear.__name__),
                what="What concerns the events of one account, the answers to them first.",
            )
            | {
                "parameters": {
                    "event": {"description": "The word of the type that says what happened."},
                    "account": _ACCOUNT,
                }
            },
        },
        "operations": {
            **{_operation(name): _receives(name, name) for name in requests},
            **{_operation(name): _receives(name, name.removesuffix("Bulk")) for name in bulk},
            **{_operation(name): {"action": "send", "channel": {"$ref": f"#/channels/{name}"}} for name in events},
        },
        "components": {
            "messages": {model.__name__: _message(model, example) for model, example in MODELS.items()},
            "correlationIds": {
                "request": {
                    "description": "Follows a request from its sender to every event about it.",
                    "location": "$message.payload#/correlationid",
                }
            },
            "securitySchemes": {
                "account": {
                    "type": "userPassword",
                    "description": "An account of RabbitMQ, from the operator: docs/producers.md, « Permissions ».",
                }
            },
        },
    }


_BULK = "One of a batch: waits apart, behind what single clerks ask for."
_COMMUNE = {"commune": {"description": "INSEE code of the commune: five characters.", "examples": ["13900"]}}
_ACCOUNT = {"description": "The account of RabbitMQ that sent the event."}


def _channel(address: str, *messages: str, what: str = "") -> dict[str, Any]:
    return {
        "address": address,
        **({"description": what} if what else {}),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": topology.EXCHANGE, "type": "topic", "durable": True, "autoDelete": False},
                "bindingVersion": "0.3.0",
            }
        },
    }


def _of_account(event_type: str, message: str, *, what: str = "") -> dict[str, Any]:
    """Return the channel of a request, which goes to the queue of its account."""
    address = topology.request_key("{account}", event_type)
    return _channel(address, message, what=what) | {"parameters": {"account": _ACCOUNT}}


def _operation(name: str) -> str:
    return name[0].lower() + name[1:]


def _receives(channel: str, message: str) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"}],
        "bindings": {"amqp": {"deliveryMode": 2, "mandatory": True, "ack": True, "bindingVersion": "0.3.0"}},
        "reply": {
            "channel": {"$ref": "#/channels/Account"},
            "messages": [{"$ref": f"#/channels/Account/messages/{RequestStatus.__name__}"}],
        },
    }


def _message(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    event_type = event_type_of(model)
    return {
        "name": event_type,
        "title": model.__name__,
        "summary": (model.__doc__ or "").partition("\n")[0],
        "contentType": topology.CONTENT_TYPE,
        "correlationId": {"$ref": "#/components/correlationIds/request"},
        "payload": {"$ref": f"json/{event_type}.json"},
        "examples": [{"name": "example", "payload": _example(model, example)}],
    }


def _example(model: type[BaseModel], fields: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if not _is_request(model):
        said = {"id": _EVENT_ID, "source": topology.SOURCE, "causationid": _EXAMPLE_ID}
    if model is EcheanceNear:  # no request precedes a reminder
        said |= {"causationid": None, "correlationid": _EVENT_ID}
    attributes: dict[str, Any] = {
        "id": _EXAMPLE_ID,
        "source": "/mairie/13900",
        "type": event_type_of(model),
        "time": "2026-11-25T08:30:00Z",
        "correlationid": _EXAMPLE_ID,
        "data": model.model_validate(fields).model_dump(mode="json", exclude_none=True),
    }
    return CloudEvent(**attributes | said).model_dump(mode="json", exclude_none=True)


def event_type_of(model: type[BaseModel]) -> str:
    """Return the event type of a model of `data`."""
    event_type: str = model.EVENT_TYPE  # type: ignore[attr-defined]  # each model of MODELS has one
    return event_type


def _is_request(model: type[BaseModel]) -> bool:
    return event_type_of(model) in topology.REQUEST_TYPES


def _pretty(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
