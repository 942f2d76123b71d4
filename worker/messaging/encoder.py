"""What a message may look like: a CloudEvent from outside, or one of our own calls. Anything else is poison.

Strict, because Dramatiq trusts what it decodes: a wrong type in an option stops a worker thread for good.
"""

import hashlib
import json
import time
from typing import Any

from dramatiq.encoder import Encoder, MessageData
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from schemas.checking import read_envelope
from schemas.envelope import Attribute, CloudEvent, InvalidEventError, parse_json
from schemas.faults import Fault
from schemas.topology import (
    BULK_SUFFIX,
    MAX_EVENT_BYTES,
    QUEUE_LISTES,
    QUEUE_LISTES_BULK,
    QUEUE_REGISTRE,
    QUEUE_REQUESTS,
    QUEUE_REQUESTS_BULK,
    QUEUE_TABLEAUX,
    QUEUE_TABLEAUX_BULK,
)

UNKNOWN = "inconnu"
"""The source or the type of an event that does not say it."""

DIGEST, _DIGITS = "sha256:", 32
"""Begins the id that we give to an event which says none; so many digits of its bytes' SHA-256 follow."""

_KEY_OF_ANOTHER = Fault("", "cle_de_routage", "publié sous la clé d'un autre compte : la clé commence par le vôtre")
_ANOTHER_TYPE = Fault(
    "type", "cle_de_routage", "le type n'est pas celui de la clé de routage : celle-ci est le compte, un point, le type"
)

_ATTRIBUTE: TypeAdapter[str] = TypeAdapter(Attribute)


class UnreadableEvent(BaseModel):
    """An event that has an id at least, and cannot be served."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Attribute
    source: Attribute
    type: Attribute
    correlationid: Attribute
    faults: list[Fault]


def check_key(event_type: object, routing_key: str, account: str) -> tuple[Fault, ...]:
    """Compare the routing key of an event with its type and with the account that sent it, where that is known."""
    owner, _, named = routing_key.partition(".")
    if account and owner != account:
        return (_KEY_OF_ANOTHER,)
    return () if named.removesuffix(BULK_SUFFIX) == event_type else (_ANOTHER_TYPE,)


def read_unreadable(
    body: bytes,
    properties: Any,  # noqa: ANN401 — pika's
    routing_key: str,
) -> UnreadableEvent | None:
    """An event that cannot be served for its form, or for its key; None when it has no name, or no known sender.

    One that does not say its id, of an account that the broker vouches for, is called by the digest of its bytes: its
    sender can tell which it was. None, too, of what is no event: a call of our own that somebody invented.
    """
    fields, faults = read_envelope(
        body,
        headers=getattr(properties, "headers", None),
        content_type=str(getattr(properties, "content_type", None) or ""),
        content_encoding=str(getattr(properties, "content_encoding", None) or ""),
    )
    faults = faults or check_key(fields.get("type"), routing_key, getattr(properties, "user_id", None) or "")
    event_id = _name(fields.get("id")) or _name(getattr(properties, "message_id", None))
    if not event_id and getattr(properties, "user_id", None):
        event_id = f"{DIGEST}{hashlib.sha256(body).hexdigest()[:_DIGITS]}"
    if not event_id or not faults or "actor_name" in fields:
        return None
    return UnreadableEvent(
        id=event_id,
        source=_name(fields.get("source")) or UNKNOWN,
        type=_name(fields.get("type")) or UNKNOWN,
        correlationid=_name(fields.get("correlationid")) or event_id,
        faults=list(faults),
    )


def _name(value: object) -> str:
    """A text that may stand for an attribute; a number is what its sender forgot the quotes of. Empty when none can."""
    try:
        return _ATTRIBUTE.validate_python(str(value) if type(value) is int else value)
    except (ValidationError, ValueError):
        return ""


INGEST, EXPORT_LISTE, RENDER_TABLEAU = "ingest", "export_liste", "render_tableau"
INGEST_BULK, EXPORT_LISTE_BULK, RENDER_TABLEAU_BULK = (
    f"{name}_bulk" for name in (INGEST, EXPORT_LISTE, RENDER_TABLEAU)
)
CHECK_DEFERRED, HANDLE_PREVIEW = "check_deferred", "handle_preview"
ACTOR_QUEUES = {
    INGEST: QUEUE_REQUESTS,
    CHECK_DEFERRED: QUEUE_REQUESTS,
    INGEST_BULK: QUEUE_REQUESTS_BULK,
    EXPORT_LISTE: QUEUE_LISTES,
    EXPORT_LISTE_BULK: QUEUE_LISTES_BULK,
    RENDER_TABLEAU: QUEUE_TABLEAUX,
    RENDER_TABLEAU_BULK: QUEUE_TABLEAUX_BULK,
    HANDLE_PREVIEW: QUEUE_REGISTRE,
}
INGEST_ACTORS = {ACTOR_QUEUES[name]: name for name in (INGEST, INGEST_BULK)}
"""Who reads the events of a queue: how a request is read does not depend on the queue that it came by."""

UNREADABLE = "unreadable"
"""In the place of an event, an UnreadableEvent: our own consumer calls `ingest` so."""

SENDER = "sender"
"""The option of a call of `ingest` that says which account sent the event; the broker's word, kept through retries."""

REPLY_TO = "reply_to"
"""The option that says where else its sender wants the answer: a name that the broker gave him, see `direct_reply`."""

_FIELDS = {"queue_name", "actor_name", "args", "kwargs", "options", "message_id", "message_timestamp"}
_OPTIONS = {
    "retries": int,
    "eta": int,
    "requeue_timestamp": int,
    "traceback": str,
    "redeliveries": int,
    SENDER: str,
    REPLY_TO: str,
}
_DELAYED = ".DQ"
_FARTHEST_ETA_MS = 3_600_000
_ROOM = 4 * 1024


class PoisonError(ValueError):
    """A message that must not reach an actor; the reason never quotes it."""


class EventArgument(dict[str, Any]):
    """A CloudEvent as an actor's argument; Dramatiq logs arguments, so this one shows nothing of itself."""

    def __repr__(self) -> str:
        """Only that it is an event."""
        return "<event>"


class PrefectureEncoder(Encoder):
    """JSON, both ways."""

    def encode(self, data: MessageData) -> bytes:
        """A message of ours, as Dramatiq lays it out; the traceback of a retry stays out (it may hold data)."""
        options = {name: value for name, value in data["options"].items() if name != "traceback"}
        return json.dumps({**data, "options": options}, separators=(",", ":")).encode()

    def decode(self, data: bytes) -> MessageData:
        """Read either form.

        Raises:
            PoisonError: it is neither; the text says why.
        """
        if len(data) > MAX_EVENT_BYTES + _ROOM:
            raise PoisonError("too large")
        try:
            fields = parse_json(data)
        except InvalidEventError as error:
            raise PoisonError(str(error)) from None
        if not isinstance(fields, dict):
            raise PoisonError("not a JSON object")
        if "actor_name" in fields:
            return _check_call(fields)
        return _call_for_event(data)


def came_from_outside(options: dict[str, Any]) -> bool:
    """Whether a decoded message was an event, not a call of ours: nobody has said yet who sent it."""
    return options.get(SENDER, "") is None


def _call_for_event(body: bytes) -> MessageData:
    try:
        event = CloudEvent.from_bytes(body)
    except InvalidEventError as error:
        raise PoisonError(str(error)) from None
    return {
        "queue_name": QUEUE_REQUESTS,
        "actor_name": INGEST,
        "args": [EventArgument(event.model_dump(mode="json"))],
        "kwargs": {},
        "options": {SENDER: None},
        "message_id": event.id,
        "message_timestamp": int(time.time() * 1000),
    }


def _check_call(fields: dict[str, Any]) -> MessageData:
    if fields.keys() != _FIELDS:
        raise PoisonError("unknown or missing field")
    actor, queue = fields["actor_name"], fields["queue_name"]
    if not isinstance(actor, str) or actor not in ACTOR_QUEUES:
        raise PoisonError("unknown actor")
    if queue not in (ACTOR_QUEUES[actor], ACTOR_QUEUES[actor] + _DELAYED):
        raise PoisonError("not the queue of its actor")
    if not isinstance(fields["message_id"], str) or not _is_int(fields["message_timestamp"]) or fields["kwargs"] != {}:
        raise PoisonError("wrong type")
    _check_options(fields["options"], delayed=queue.endswith(_DELAYED))
    return {**fields, "args": [_check_argument(actor, fields["args"])]}


def _check_options(options: Any, *, delayed: bool) -> None:  # noqa: ANN401 — decoded JSON
    if not isinstance(options, dict) or not options.keys() <= _OPTIONS.keys():
        raise PoisonError("unknown option")
    for name, value in options.items():
        if type(value) is not _OPTIONS[name] or (isinstance(value, int) and value < 0):
            raise PoisonError("wrong type of option")
    if delayed != ("eta" in options) or options.get("eta", 0) > time.time() * 1000 + _FARTHEST_ETA_MS:
        raise PoisonError("wrong eta")


def _check_argument(actor: str, arguments: Any) -> Any:  # noqa: ANN401 — decoded JSON
    if not isinstance(arguments, list) or len(arguments) != 1:
        raise PoisonError("one argument is expected")
    argument = arguments[0]
    if actor in INGEST_ACTORS.values():
        if isinstance(argument, dict) and UNREADABLE in argument:
            return EventArgument(_check_unreadable(argument))
        return EventArgument(_call_for_event(_dump(argument))["args"][0])
    if not _is_int(argument) or not 0 < argument < 1 << 63:
        raise PoisonError("a row id is expected")
    return argument


def call_for_unreadable(queue: str, unreadable: UnreadableEvent, sender: str, reply_to: str) -> bytes:
    """The call of `ingest` for an event that cannot be read, and is to be answered."""
    fields = unreadable.model_dump(mode="json")
    call = {
        "queue_name": queue,
        "actor_name": INGEST_ACTORS[queue],
        "args": [{UNREADABLE: fields, "correlationid": unreadable.correlationid}],
        "kwargs": {},
        "options": {SENDER: sender, REPLY_TO: reply_to},
        "message_id": unreadable.id,
        "message_timestamp": int(time.time() * 1000),
    }
    return json.dumps(call).encode()


def _check_unreadable(argument: dict[str, Any]) -> dict[str, Any]:
    try:
        unreadable = UnreadableEvent.model_validate(argument[UNREADABLE])
    except ValidationError:
        raise PoisonError("wrong type") from None
    return {UNREADABLE: unreadable.model_dump(mode="json"), "correlationid": unreadable.correlationid}


def _dump(argument: Any) -> bytes:  # noqa: ANN401 — decoded JSON
    try:
        return json.dumps(argument).encode()
    except (ValueError, RecursionError):
        raise PoisonError("not JSON") from None


def _is_int(value: Any) -> bool:  # noqa: ANN401 — decoded JSON
    return type(value) is int
