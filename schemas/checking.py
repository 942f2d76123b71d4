"""Reads a received message: its envelope and all its faults, without broker or database.

CloudEvents has three modes on AMQP: structured (the one in use), binary (AMQP protocol binding, section 3.1) and batch
(JSON event format, section 4). Binary, batch, compressed and BOM-prefixed messages each have a fault of their own.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from schemas.declarations import DeclarationNoted
from schemas.envelope import CloudEvent, InvalidEventError, parse_json
from schemas.faults import Fault, list_faults
from schemas.generate import MODELS

_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_PREFIXES = ("cloudEvents:", "cloudEvents_")

_BINARY_MODE = Fault(
    "", "mode_binaire", "le mode binaire n'est pas admis : envoyer l'événement entier en JSON"
)
_BATCH_MODE = Fault(
    "", "mode_lot", "le mode « batch » n'est pas admis : envoyer un événement par message"
)
_COMPRESSED = Fault("", "compresse", "l'événement est compressé : l'envoyer tel quel")
_MARKED = Fault(
    "",
    "bom",
    "l'événement commence par une marque d'ordre des octets (BOM) : l'envoyer en UTF-8, sans elle",
)
_EXPIRING = Fault(
    "",
    "expiration",
    "publié avec une « expiration » : une demande n'expire pas, et « cancel » annule ce qui n'est pas encore fait",
)
_UNKNOWN_TYPE = Fault("type", "type_inconnu", "le contrat n'a pas ce type d'événement")

_MODELS = {model.EVENT_TYPE: model for model in MODELS}


def read_envelope(
    body: bytes,
    *,
    headers: Mapping[str, Any] | None = None,
    content_type: str = "",
    content_encoding: str = "",
    expiration: object = None,
) -> tuple[Mapping[str, Any], Sequence[Fault]]:
    """Return the attributes of a message and its faults, from its body and AMQP properties; its data are not validated.

    Without faults, the message is an event of the contract.
    """
    given = (headers or {}).items()
    if fields := {
        name[len(it) :]: value for name, value in given for it in _PREFIXES if name.startswith(it)
    }:
        return fields, (_BINARY_MODE,)
    text, faults = _open(body, content_encoding)
    read, more = _read(text, content_type)
    return read, faults or more or (() if expiration is None else (_EXPIRING,))


def find_faults(body: bytes, **properties: Any) -> Sequence[Fault]:  # noqa: ANN401 — those of read_envelope
    """Return every fault in the form and data of a message, except those that depend on the register."""
    _, faults = read_envelope(body, **properties)
    if faults:
        return faults
    event = CloudEvent.from_bytes(body)
    if (model := _MODELS.get(event.type)) is None:
        return (_UNKNOWN_TYPE,)
    try:
        model.model_validate(event.data)
    except ValidationError as error:
        return list_faults(error, "data", event.data)
    return ()


def hash_payload(event: CloudEvent) -> str:
    """Return the SHA-256, in hexadecimal, of the type and the data of an event.

    The order of fields and of lists, values that a list repeats, and fields with their default value change nothing.
    """
    said = json.dumps(
        [event.type, drop_defaults(event)],
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def drop_defaults(event: CloudEvent) -> Mapping[str, Any]:
    """Return the data of an event without the fields that have their default value; invalid data as they are."""
    try:
        data = _MODELS[event.type].model_validate(event.data)
    except (KeyError, ValidationError):
        return event.data
    said: dict[str, Any] = data.model_dump(mode="json", exclude_defaults=True)
    return said | ({"kind": data.note.kind} if isinstance(data, DeclarationNoted) else {})


def _open(body: bytes, content_encoding: str) -> tuple[bytes, Sequence[Fault]]:
    """Return the body as UTF-8 without mark, and the fault of its original form; empty for a compressed body."""
    if body.startswith(b"\x1f\x8b") or content_encoding in {"gzip", "deflate"}:
        return b"", (_COMPRESSED,)
    for mark, encoding in _MARKS.items():
        if body.startswith(mark):
            return body.decode(encoding, "replace").encode("utf-8", "replace"), (_MARKED,)
    return body, ()


def _read(text: bytes, content_type: str) -> tuple[Mapping[str, Any], Sequence[Fault]]:
    try:
        fields = parse_json(text)
    except InvalidEventError as error:
        return _read_names(text), error.faults
    if isinstance(fields, list) or content_type.startswith("application/cloudevents-batch"):
        first = fields[0] if isinstance(fields, list) and fields else fields
        return first if isinstance(first, dict) else {}, (_BATCH_MODE,)
    try:
        CloudEvent.from_bytes(text)
    except InvalidEventError as error:
        return fields if isinstance(fields, dict) else {}, error.faults
    return fields, ()


def _read_names(text: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
