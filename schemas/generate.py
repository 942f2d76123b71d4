"""Generates files from the models: JSON Schemas for programs, a page of all fields for people."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schemas import topology
from schemas.declarations import DeclarationNoted
from schemas.envelope import CloudEvent
from schemas.events import EcheanceNear, FileStatus, RegistreStatus, RequestStatus
from schemas.openapi import describe_http, with_null
from schemas.pages import write_fields
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
MODELS: tuple[type[Any], ...] = (
    ListeExportRequested,
    TableauxRenderRequested,
    CancelRequested,
    RetryRequested,
    RegistrePreviewRequested,
    RegistreImportRequested,
    RegistreCorrectionRequested,
    DeclarationNoted,
    FileStatus,
    RequestStatus,
    RegistreStatus,
    EcheanceNear,
)
"""The models of `data`; `examples/` has an event of each."""


REQUIRED = ("id", "source", "type", "data")
"""What a producer must write in the envelope."""


def generated_files() -> Iterator[tuple[Path, str]]:
    """Yield the path and text of every generated file; the same models give the same bytes."""
    events = {model.EVENT_TYPE: event_schema(model) for model in MODELS}
    for event_type, schema in events.items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        yield ROOT / "json" / f"{event_type}.json", text
    requests = tuple(model for model in MODELS if model.EVENT_TYPE in topology.REQUEST_TYPES)
    document = json.dumps(describe_http(requests), indent=2, ensure_ascii=False) + "\n"
    yield ROOT / "openapi.json", document
    yield (
        ROOT / "fields.md",
        write_fields(CloudEvent.model_json_schema() | {"required": REQUIRED}, events),
    )


def event_schema(model: type[Any]) -> dict[str, Any]:
    """Return the JSON Schema of a whole event: the envelope, with `type` fixed and `data` in full.

    The schema of a request is strict: an event that passes it is valid, and an optional field may be `null`. The schema
    of a published event is open: it requires the fields that are always present and allows unknown ones.
    """
    event_type = model.EVENT_TYPE
    is_said = event_type in topology.EVENT_TYPES
    envelope = CloudEvent.model_json_schema()
    data: dict[str, Any] = model.model_json_schema(
        mode="serialization" if is_said else "validation"
    )
    definitions = data.pop("$defs", {})
    envelope["properties"] |= {"type": {"type": "string", "const": event_type}, "data": data}
    if is_said:
        may_be_absent = {"causationid", "traceparent", "tracestate"}
        envelope["required"] = [
            name for name in envelope["properties"] if name not in may_be_absent
        ]
    else:
        envelope["required"] = list(REQUIRED)
        envelope["propertyNames"] = {"pattern": "^[a-z0-9]+$"}
    say_null = _without_null if is_said else with_null
    for schema in (envelope, data, *definitions.values()):
        schema.pop("title", None)
        for name, value in schema.get("properties", {}).items():
            if isinstance(value, dict):
                value.pop("title", None)
                schema["properties"][name] = (
                    value if name in schema.get("required", ()) else say_null(value)
                )
    header = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://prefecture.openelec.fr/schemas/{event_type}.json",  # a name: no reader fetches it
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


def _drop_discriminators(schema: Any) -> None:  # noqa: ANN401 — decoded JSON
    """Remove pydantic's discriminators, an OpenAPI object that AsyncAPI refuses; the constants of `kind` suffice."""
    if isinstance(schema, dict):
        if isinstance(schema.get("discriminator"), dict) and "mapping" in schema["discriminator"]:
            del schema["discriminator"]
        schema = list(schema.values())
    for inner in schema if isinstance(schema, list) else ():
        _drop_discriminators(inner)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    kinds: list[dict[str, Any]] = [it for it in schema.get("anyOf", ()) if it != {"type": "null"}]
    if len(kinds) != 1:
        return {name: it for name, it in schema.items() if name != "default"}
    return kinds[0] | {name: it for name, it in schema.items() if name not in {"anyOf", "default"}}
