"""The contract as files for other languages: JSON Schemas, examples and an AsyncAPI document, all from the models."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from schemas import topology
from schemas.declarations import DepotDeclared, DepotVerdictDeclared, DoubtDecided, FileDownloaded
from schemas.envelope import CloudEvent
from schemas.events import (
    EcheanceNear,
    ExportCancelled,
    ExportFailed,
    ExportReady,
    ExportRecalled,
    RequestAccepted,
    RequestRefused,
    RequestSettled,
)
from schemas.requests import CancelRequested, ListeExportRequested, RetryRequested, TableauxRenderRequested

ROOT = Path(__file__).parent
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_EXAMPLE_ID = "7d0c9a52-5a4f-4a3a-9a53-0f2d1f6f1c11"
_REQUEST = {"source": "/mairie/13900", "id": _EXAMPLE_ID}
_FILE = {"export_id": 41, "request": _REQUEST, "commune": "13900", "liste": "P", "format": "csv"}
_NO_REGISTER = "Aucun registre importé pour 13900 : importez d'abord l'export du REU."
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
    FileDownloaded: {"commune": "13900", "export": 41, "piece": "fichier", "requested_by": "mairie-libreville"},
    DepotDeclared: {
        "commune": "13900",
        "exports": [41],
        "deposited_on": "2026-11-25",
        "remarque": "Déposé avec les deux listes complémentaires.",
        "requested_by": "mairie-libreville",
    },
    DepotVerdictDeclared: {
        "commune": "13900",
        "exports": [41],
        "verdict": "accepte",
        "verdict_on": "2026-11-26",
        "requested_by": "mairie-libreville",
    },
    DoubtDecided: {
        "commune": "13900",
        "doubt": 12,
        "decision": "same_person",
        "requested_by": "mairie-libreville",
    },
    ExportReady: _FILE
    | {
        "label": _LABEL,
        "path": "13900/liste-P-13900-20261125-093000.csv",
        "size": 51_233,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "electeurs": 327,
        "anomalies_bloquantes": 3,
        "remarques": 12,
    },
    ExportFailed: _FILE | {"label": _LABEL, "code": "disque_plein", "reason": "Espace disque insuffisant."},
    ExportRecalled: _FILE | {"label": f"{_LABEL}, à refaire", "because": "l'import 12 (reu.csv) a été annulé"},
    ExportCancelled: _FILE | {"label": _LABEL, "reason": "Annulé par mairie-libreville."},
    RequestAccepted: {
        "request": _REQUEST,
        "request_id": 17,
        "commune": "13900",
        "exports": [{"export_id": 41, "liste": "P", "format": "csv", "label": _LABEL}],
    },
    RequestRefused: {
        "request": _REQUEST,
        "code": "registre_absent",
        "reason": _NO_REGISTER,
        "errors": [{"field": "data.commune", "code": "registre_absent", "message": _NO_REGISTER}],
    },
    RequestSettled: {
        "request": _REQUEST,
        "request_id": 17,
        "commune": "13900",
        "ready": 5,
        "failed": 1,
        "cancelled": 0,
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
"""Each model of `data`, with the fields of its example."""


def generated_files() -> Iterator[tuple[Path, str]]:
    """Every generated file, path and text; the same models give the same bytes."""
    for model, example in MODELS.items():
        event_type = _event_type(model)
        yield ROOT / "json" / f"{event_type}.json", _pretty(event_schema(model))
        yield ROOT / "examples" / f"{event_type}.json", _pretty(_example(model, example))
    yield ROOT / "asyncapi.json", _pretty(asyncapi())


def event_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a whole event: the envelope, with `type` fixed and `data` spelled out."""
    envelope = CloudEvent.model_json_schema()
    data = model.model_json_schema()
    definitions = data.pop("$defs", {})
    envelope["properties"] |= {"type": {"const": _event_type(model)}, "data": data}
    envelope["required"] = [name for name in envelope["required"] if name != "correlationid"]
    if _event_type(model) in topology.EVENT_TYPES:
        envelope["required"].append("time")
    header = {"$schema": SCHEMA_DIALECT, "$id": f"{_event_type(model)}.json", "title": model.__name__}
    return (
        header | {k: v for k, v in envelope.items() if k != "title"} | ({"$defs": definitions} if definitions else {})
    )


def asyncapi() -> dict[str, Any]:
    """The exchange and its messages as AsyncAPI 3.0; a request is sent to us, an event is received from us."""
    names = {model.__name__: _event_type(model) for model in MODELS}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Module Préfecture", "version": "1.0.0", "description": "Requests in, events out."},
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            name: {
                "address": event_type,
                "messages": {name: {"$ref": f"#/components/messages/{name}"}},
                "bindings": {
                    "amqp": {
                        "is": "routingKey",
                        "exchange": {"name": topology.EXCHANGE, "type": "topic", "durable": True},
                    }
                },
            }
            for name, event_type in names.items()
        },
        "operations": {
            name[0].lower() + name[1:]: {
                "action": "receive" if event_type in topology.REQUEST_TYPES else "send",
                "channel": {"$ref": f"#/channels/{name}"},
            }
            for name, event_type in names.items()
        },
        "components": {
            "messages": {
                name: {"contentType": "application/cloudevents+json", "payload": {"$ref": f"json/{event_type}.json"}}
                for name, event_type in names.items()
            }
        },
    }


def _example(model: type[BaseModel], fields: dict[str, Any]) -> dict[str, Any]:
    event = CloudEvent(
        id=_EXAMPLE_ID,
        source="/mairie/13900",
        type=_event_type(model),
        time="2026-11-25T08:30:00Z",  # type: ignore[arg-type]  # parsed by pydantic
        correlationid=_EXAMPLE_ID,
        data=model.model_validate(fields).model_dump(mode="json", exclude_none=True),
    )
    return event.model_dump(mode="json", exclude_none=True)


def _event_type(model: type[BaseModel]) -> str:
    event_type: str = model.EVENT_TYPE  # type: ignore[attr-defined]  # each model of MODELS has one
    return event_type


def _pretty(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
