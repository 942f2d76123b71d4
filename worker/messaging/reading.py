"""Reads the body of a message from outside: a CloudEvent. Anything else is poison."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.checking import read_envelope
from schemas.envelope import Attribute, CloudEvent, InvalidEventError
from schemas.faults import Fault
from schemas.topology import QUEUE_PROGRAMS, QUEUE_REQUESTS, TOKEN_QUEUES, account_of, type_of

UNKNOWN = "inconnu"
"""The source or the type of an event that lacks it."""

DIGEST, _DIGITS = "sha256:", 32
"""The prefix of the id of an event without one; so many digits of the SHA-256 of its bytes follow."""

_ATTRIBUTE: TypeAdapter[str] = TypeAdapter(Attribute)


def check_key(event_type: object, routing_key: str, account: str) -> tuple[Fault, ...]:
    """Check that the routing key of an event names its type, and the account that sent it, if the event has one."""
    if account and account_of(routing_key) != account:
        said = "publié sous la clé d'un autre compte : la clé nomme le vôtre"
        return (Fault("", "cle_de_routage", said),)
    said = "le type n'est pas celui de la clé de routage : « programs », un point, le compte, un point, le type"
    return () if type_of(routing_key) == event_type else (Fault("type", "cle_de_routage", said),)


def read_unreadable(
    body: bytes,
    properties: Any,  # noqa: ANN401 — pika's
    routing_key: str,
) -> tuple[CloudEvent, Sequence[Fault]] | None:
    """Return what is readable of an event with a malformed body or a wrong key, and its faults.

    Return None when it has no id and its key names no account. An event without an id gets the
    digest of its bytes as id, so that its sender can identify it.
    """
    fields, faults = read_envelope(
        body,
        headers=getattr(properties, "headers", None),
        content_type=str(getattr(properties, "content_type", None) or ""),
        content_encoding=str(getattr(properties, "content_encoding", None) or ""),
        expiration=getattr(properties, "expiration", None),
    )
    faults = faults or check_key(
        fields.get("type"), routing_key, getattr(properties, "user_id", None) or ""
    )
    event_id = _name(fields.get("id")) or _name(getattr(properties, "message_id", None))
    if not event_id and account_of(routing_key):
        event_id = f"{DIGEST}{hashlib.sha256(body).hexdigest()[:_DIGITS]}"
    if not event_id or not faults:
        return None
    event = {
        "id": event_id,
        "source": _name(fields.get("source")) or UNKNOWN,
        "type": _name(fields.get("type")) or UNKNOWN,
        "correlationid": _name(fields.get("correlationid")) or event_id,
        "data": {"faults": [fault.code for fault in faults]},
    }
    return CloudEvent.model_validate(event), faults


def _name(value: object) -> str:
    """Return a valid attribute, or an empty text; a number is accepted as its digits without quotes."""
    try:
        return _ATTRIBUTE.validate_python(str(value) if type(value) is int else value)
    except (ValidationError, ValueError):
        return ""


INGEST_ACTORS = {QUEUE_REQUESTS: "ingest", QUEUE_PROGRAMS: "ingest_programs"}
"""The actor that handles the events of a queue; both handle events alike."""

ACTORS = INGEST_ACTORS | {queue: queue for queue in TOKEN_QUEUES}
"""The actor of each queue. The actor of tokens has the name of its queue."""


class PoisonError(ValueError):
    """A message that must not reach an actor; the reason never quotes it."""


@dataclass(frozen=True, repr=False)
class IncomingEvent:
    """The argument of `ingest`. The consumer makes it in memory; no message of the broker can contain it."""

    event: CloudEvent
    sender: str
    """The account that published the event; its routing key names it, and the broker has checked that."""
    faults: Sequence[Fault] = ()
    """Why the event is malformed, or has a wrong key."""

    def __repr__(self) -> str:
        """Return a constant, because Dramatiq logs arguments."""
        return "<event>"


def read_event(
    body: bytes, routing_key: str, account: str, expiration: object = None
) -> CloudEvent:
    """Return the event in the body of a message that has this routing key; `account`: see `check_key`.

    Raises:
        PoisonError: it is none, has another key, or expires; the text states why.
    """
    try:
        event = CloudEvent.from_bytes(body)
    except InvalidEventError as error:
        raise PoisonError(str(error)) from None
    if check_key(event.type, routing_key, account):
        raise PoisonError("not its routing key")
    if expiration is not None:
        raise PoisonError("it has an expiration")
    return event
