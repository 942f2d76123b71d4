"""Dead letters: their contents and origin; each is requeued or removed durably, or not at all.

RabbitMQ cannot show a message without a delivery: letters are fetched without acknowledgment. A letter that is not
requeued or removed returns to its place when the connection ends, however it ends.
"""

import hashlib
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import pika
from dramatiq import Message
from dramatiq.common import xq_name

from worker.errors import PrefectureError
from worker.messaging.consumer import REASON_HEADER, SENDER_HEADER, printable, tolerate_any_properties
from worker.messaging.encoder import (
    ACTOR_QUEUES,
    INGEST_ACTORS,
    SENDER,
    PoisonError,
    PrefectureEncoder,
    came_from_outside,
)
from worker.messaging.queues import connect, count_messages

QUEUES = tuple(sorted(set(ACTOR_QUEUES.values())))
"""The queues that have dead letters."""

_DEATHS = "x-death"
"""The broker's header on messages that the broker itself dead-lettered; no client can remove it."""


class NotPutBackError(PrefectureError):
    """The letter stays in its place; the text states why."""

    code = "non_remise"


@dataclass(frozen=True)
class DeadLetter:
    """A dead-lettered message, and the queue that it belongs to."""

    queue: str
    """The queue to which the letter is requeued."""
    body: bytes
    properties: pika.BasicProperties

    @property
    def name(self) -> str:
        """Twelve hexadecimal digits, constant while the letter is there."""
        digest = hashlib.sha256(repr((self.queue, vars(self.properties))).encode())
        digest.update(self.body)
        return digest.hexdigest()[:12]

    @property
    def reason(self) -> str:
        """Why the message was dead-lettered."""
        deaths = self._headers.get(_DEATHS)
        if deaths is None:
            return printable(self._headers.get(REASON_HEADER)) or "unknown"
        return f"by the broker: {printable(_first(deaths).get('reason')) or 'unknown'}"

    @property
    def sender(self) -> str:
        """The account that sent it, authenticated by the broker; empty when unknown, or when the message is ours."""
        ours = _DEATHS not in self._headers
        return printable(self._headers.get(SENDER_HEADER) if ours else self.properties.user_id)

    @property
    def message_id(self) -> str:
        """The sender's id of the message, if it is printable."""
        return printable(self.properties.message_id)

    @property
    def since(self) -> datetime | None:
        """When the message was dead-lettered."""
        deaths = self._headers.get(_DEATHS)
        if deaths is not None:
            moment = _first(deaths).get("time")
            return moment if isinstance(moment, datetime) else None
        try:
            return datetime.fromtimestamp(self.properties.timestamp or 0, UTC) if self.properties.timestamp else None
        except (ValueError, OverflowError, OSError):
            return None

    @property
    def text(self) -> str:
        """The text of the message for searches, with JSON escapes decoded; it must not be shown."""
        said = self.body.decode("utf-8", "replace")
        try:
            return json.dumps(json.loads(said), ensure_ascii=False)
        except ValueError:
            return said

    def read(self) -> dict[str, Any]:
        """Return the call that the letter holds, or that its event causes.

        Raises:
            PoisonError: it is neither; the text states why.
        """
        return dict(PrefectureEncoder().decode(self.body))

    def to_call(self) -> Message[Any]:
        """Return the call that requeues the letter: with its sender.

        Raises:
            NotPutBackError: the call would be dead-lettered at once.
        """
        try:
            call = self.read()
        except PoisonError as poison:
            raise NotPutBackError(f"toujours illisible ({poison})") from None
        is_event = came_from_outside(call["options"])
        actor = INGEST_ACTORS.get(self.queue, "") if is_event else call["actor_name"]
        if ACTOR_QUEUES.get(actor) != self.queue:
            raise NotPutBackError("pas à sa place dans cette file")
        options: dict[str, Any] = {}
        if actor in INGEST_ACTORS.values():
            options[SENDER] = self.sender if is_event else call["options"].get(SENDER, "")
        fields = {"queue_name": self.queue, "actor_name": actor, "args": tuple(call["args"]), "options": options}
        return Message(**call | fields)

    @property
    def _headers(self) -> dict[str, Any]:
        return dict(self.properties.headers or {})


class HeldLetter(NamedTuple):
    """A letter that no other client sees for now; unless it is removed, it returns to its place after `look`."""

    letter: DeadLetter
    remove: Callable[[], None]


class DeadLetterOffice:
    """The dead letters of our queues, on one connection."""

    def __init__(self, connection: pika.BlockingConnection) -> None:
        self._connection = connection
        self._publishing = connection.channel()
        self._publishing.confirm_delivery()

    def count(self, queue: str) -> int:
        """Return the number of dead letters of a queue, without those that another client fetches right now."""
        return count_messages(self._connection, xq_name(queue))

    def look(self, queue: str) -> Generator[HeldLetter, None, None]:
        """Yield each letter of a queue, the oldest first, without letters that arrive meanwhile."""
        channel = self._connection.channel()
        try:
            for _ in range(self.count(queue)):
                method, properties, body = channel.basic_get(xq_name(queue))
                if method is None or properties is None or body is None:
                    return
                remove = partial(channel.basic_ack, method.delivery_tag or 0)
                yield HeldLetter(DeadLetter(queue, body, properties), remove)
        finally:
            if channel.is_open:
                channel.close()

    def put_back(self, letter: DeadLetter) -> None:
        """Publish a copy of the letter to its queue, and wait for the confirm; the letter itself stays.

        Raises:
            NotPutBackError: the call would be dead-lettered at once.
        """
        body = letter.to_call().encode()
        self._publishing.basic_publish("", letter.queue, body, pika.BasicProperties(delivery_mode=2), mandatory=True)


@contextmanager
def open_office(url: str) -> Iterator[DeadLetterOffice]:
    """Connect to the broker, as `connect` does."""
    tolerate_any_properties()
    with connect(url) as connection:
        yield DeadLetterOffice(connection)


def _first(deaths: Any) -> dict[str, Any]:  # noqa: ANN401 — a decoded header
    return deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
