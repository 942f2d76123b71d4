"""What can be known of an event that cannot be read: what it was called, and what is wrong with it, in French.

CloudEvents has three ways on AMQP: structured, which is ours, binary (AMQP protocol binding, section 3.1) and batch
(JSON event format, section 4). The other two, what is compressed and what begins with a mark of its encoding are told
from an event that is merely wrong, so that whoever sent it learns the true reason.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from schemas.envelope import Attribute, CloudEvent, InvalidEventError, parse_json
from schemas.faults import Fault
from schemas.topology import MAX_EVENT_BYTES

UNKNOWN = "inconnu"
"""The source or the type of an event that does not say it."""

_GZIP = b"\x1f\x8b"
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_PREFIXES = ("cloudEvents:", "cloudEvents_")
_BATCH = "application/cloudevents-batch"
_ATTRIBUTE: TypeAdapter[str] = TypeAdapter(Attribute)

_BINARY_MODE = Fault("", "mode_binaire", "le mode binaire n'est pas admis : envoyer l'événement entier en JSON")
_BATCH_MODE = Fault("", "mode_lot", "le mode « batch » n'est pas admis : envoyer un événement par message")
_COMPRESSED = Fault("", "compresse", "l'événement est compressé : l'envoyer tel quel")
_MARKED = Fault(
    "", "bom", "l'événement commence par une marque d'ordre des octets (BOM) : l'envoyer en UTF-8, sans elle"
)


class UnreadableEvent(BaseModel):
    """An event that has an id at least, and cannot be served."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Attribute
    source: Attribute
    type: Attribute
    correlationid: Attribute
    faults: list[Fault]


def read_unreadable(body: bytes, properties: Any) -> UnreadableEvent | None:  # noqa: ANN401 — pika's
    """An event that `CloudEvent.from_bytes` refuses; None when nobody can tell what it was called.

    None, too, of what is no event: a call of our own that somebody invented.
    """
    fields: Mapping[str, Any] = _from_headers(getattr(properties, "headers", None) or {})
    faults: tuple[Fault, ...] = (_BINARY_MODE,)
    if not fields:
        text, faults = _open(body, properties)
        fields, more = _read(text, str(getattr(properties, "content_type", None) or ""))
        faults = faults or more
    event_id = _name(fields.get("id")) or _name(getattr(properties, "message_id", None))
    if not event_id or not faults or "actor_name" in fields:
        return None
    return UnreadableEvent(
        id=event_id,
        source=_name(fields.get("source")) or UNKNOWN,
        type=_name(fields.get("type")) or UNKNOWN,
        correlationid=_name(fields.get("correlationid")) or event_id,
        faults=list(faults),
    )


def _from_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name[len(it) :]: value for name, value in headers.items() for it in _PREFIXES if name.startswith(it)}


def _open(body: bytes, properties: Any) -> tuple[bytes, tuple[Fault, ...]]:  # noqa: ANN401 — pika's
    """The event within, as UTF-8, and why it is not so by itself."""
    if body.startswith(_GZIP) or getattr(properties, "content_encoding", None) in {"gzip", "deflate"}:
        try:
            # 32: gzip or zlib, by its header. No more is read than an event may have.
            return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MAX_EVENT_BYTES), (_COMPRESSED,)
        except zlib.error:
            return b"", (_COMPRESSED,)
    for mark, encoding in _MARKS.items():
        if body.startswith(mark):
            return body.decode(encoding, "replace").encode("utf-8", "replace"), (_MARKED,)
    return body, ()


def _read(text: bytes, content_type: str) -> tuple[Mapping[str, Any], tuple[Fault, ...]]:
    """What the event says of itself, and what is wrong with it; of a batch, what its first event says."""
    try:
        fields = parse_json(text)
    except InvalidEventError as error:
        return _read_names(text), error.faults
    if isinstance(fields, list) or content_type.startswith(_BATCH):
        first = fields[0] if isinstance(fields, list) and fields else fields
        return first if isinstance(first, dict) else {}, (_BATCH_MODE,)
    try:
        CloudEvent.from_bytes(text)
    except InvalidEventError as error:
        return fields if isinstance(fields, dict) else {}, error.faults
    return fields, ()


def _read_names(text: bytes) -> Mapping[str, Any]:
    """JSON that is none of ours (NaN, a name twice, another encoding), but still says what it is called."""
    try:
        fields = json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _name(value: object) -> str:
    """A text that may stand for an attribute; a number is what its sender forgot the quotes of. Empty when none can."""
    try:
        return _ATTRIBUTE.validate_python(str(value) if type(value) is int else value)
    except (ValidationError, ValueError):
        return ""
