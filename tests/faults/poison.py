"""Invalid messages, each with its expected result. They contain a secret marker that must not be in any log."""

import hashlib
import json
import struct
from dataclasses import dataclass

import pika

from schemas.generate import ROOT
from schemas.topology import EXCHANGE, PROGRAMS, QUEUE_PROGRAMS, REQUEST_LISTE_EXPORT, REQUEST_TYPES
from tests.parts.rabbitmq import RabbitNode
from worker.messaging.reading import INGEST_ACTORS

SECRET = "LANTERNE Ursule"
EMPTY_COMMUNE = "01001"
"""A known commune without a register: each request for it is refused at once, even a valid one."""

EVENTS = {
    kind: json.loads((ROOT / "examples" / f"{kind}.json").read_text("utf-8"))
    | {"source": "/poison", "correlationid": "poison"}
    for kind in REQUEST_TYPES
}


@dataclass(frozen=True)
class Poison:
    """A message with its exchange and routing key; `table` is the encoded table of headers, as bytes."""

    body: bytes
    exchange: str = EXCHANGE
    routing_key: str = f"{PROGRAMS}.{RabbitNode.user}.{REQUEST_LISTE_EXPORT}"
    table: bytes = b""
    message_id: bytes = b""

    @property
    def properties(self) -> pika.BasicProperties:
        """The AMQP properties as they are sent."""
        return _RawProperties(self.table, self.message_id)


class _RawProperties(pika.BasicProperties):
    """Properties that are encoded as exactly these bytes, valid or not."""

    def __init__(self, table: bytes, message_id: bytes) -> None:
        super().__init__()
        self._table, self._id = table, message_id[:255]

    def encode(self) -> list[bytes]:
        flags, pieces = self.FLAG_DELIVERY_MODE, [b"\x02"]
        if self._table:
            flags, pieces = (
                flags | self.FLAG_HEADERS,
                [struct.pack(">I", len(self._table)), self._table, *pieces],
            )
        if self._id:
            flags, pieces = (
                flags | self.FLAG_MESSAGE_ID,
                [*pieces, bytes([len(self._id)]), self._id],
            )
        return [struct.pack(">H", flags), *pieces]


def event(**changes: object) -> bytes:
    """A request for list files of the commune without a register, with these attributes changed."""
    example = EVENTS[REQUEST_LISTE_EXPORT]
    data = {"commune": EMPTY_COMMUNE, "listes": ["CE"], "requested_by": SECRET}
    return _json(example | {"id": "poison", "data": data} | changes)


def asked(**changes: object) -> bytes:
    """The same request with data changed, under an id of its own."""
    data = {"commune": EMPTY_COMMUNE, "listes": ["CE"], "requested_by": SECRET}
    return event(
        data=data | changes, id=f"poison {hashlib.sha256(_json(changes)).hexdigest()[:12]}"
    )


def header(kind: bytes, value: bytes) -> bytes:
    """A table of one header."""
    return b"\x06sender" + kind + value


def nested(levels: int) -> bytes:
    """A table nested this many times."""
    size = len(header(b"F", struct.pack(">I", 0)))
    return b"".join(
        header(b"F", struct.pack(">I", size * (levels - level))) for level in range(1, levels + 1)
    )


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


_INTAKE = {
    "queue_name": QUEUE_PROGRAMS,
    "actor_name": INGEST_ACTORS[QUEUE_PROGRAMS],
    "args": [json.loads(event())],
    "kwargs": {},
    "options": {"sender": "prefecture"},
    "message_id": SECRET,
    "message_timestamp": 1,
}
"""A call of the intake, which our own consumer makes in memory only."""

HAND_MADE: dict[str, tuple[Poison, str]] = {
    "a name": (Poison(SECRET.encode()), "not JSON"),
    "nothing": (Poison(b""), "not JSON"),
    "bytes": (Poison(b"\xff\xfe" + SECRET.encode()), "not UTF-8"),
    "a list": (Poison(_json([SECRET])), "not a CloudEvent 1.0"),
    "no event": (Poison(_json({"nom": SECRET})), "not a CloudEvent 1.0"),
    "cut in the middle": (Poison(event()[:-9]), "not JSON"),
    "a name twice": (Poison(b'{"id": "1", ' + event()[1:]), "not JSON: a name stands twice"),
    "not a number": (Poison(event(data={"commune": float("nan")})), "not JSON: NaN"),
    "deep": (Poison(b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "not JSON"),
    "as large as can be": (Poison(b" " * 262_144), "not JSON"),
    "an integer of 9,000 digits": (Poison(b'{"id": ' + b"9" * 9_000 + b"}"), "not JSON"),
    "the year 0": (Poison(event(time="0000-01-01T00:00:00Z")), "not a CloudEvent 1.0: time"),
    "no commune": (Poison(asked(commune=SECRET)), "Demande invalide : commune : code INSEE"),
    "a path": (Poison(asked(commune="../..")), "Demande invalide : commune : code INSEE"),
    "half a letter": (Poison(asked(commune="\ud800")), "Demande invalide : commune : code INSEE"),
    "one field too many": (
        Poison(asked(electeurs=[SECRET])),
        "Demande invalide : electeurs : champ inconnu",
    ),
    "a call of the intake": (Poison(_json(_INTAKE)), "not a CloudEvent 1.0"),
    "a call of the intake, straight": (
        Poison(_json(_INTAKE), "", QUEUE_PROGRAMS),
        "an event that did not come",
    ),
    "an event straight to its queue": (
        Poison(event(id="no key"), "", QUEUE_PROGRAMS),
        "an event that did not come",
    ),
    "a date beyond years": (
        Poison(event(id="a date"), table=header(b"T", struct.pack(">Q", 1 << 60))),
        "unreadable properties",
    ),
    "headers without end": (
        Poison(event(id="headers"), table=nested(4_000)),
        "unreadable properties",
    ),
    "a message id of bytes": (Poison(b"", message_id=b"\xff\x1b[31m"), "not JSON"),
}
"""By description: the message, and the beginning of the reason of the dead letter or of the refused row."""
