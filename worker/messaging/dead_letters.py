"""Dead letters: their contents and origin; each is requeued or removed durably, or not at all.

An event is requeued by the exchange, under its own routing key, which names its account; a token is not: it is removed.

RabbitMQ cannot show a message without a delivery: letters are fetched without acknowledgment. A letter that is not
requeued or removed returns to its place when the connection ends, however it ends.
"""

import hashlib
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import pika
from dramatiq.common import xq_name

from schemas.topology import EXCHANGE
from worker.errors import PrefectureError
from worker.messaging.consumer import (
    is_readable,
    printable,
    read_delivery,
    sender_of,
    tolerate_any_properties,
)
from worker.messaging.queues import connect, count_messages
from worker.messaging.reading import ACTORS, IncomingEvent, PoisonError

QUEUES = tuple(sorted(ACTORS))
"""The queues that have dead letters."""


class NotPutBackError(PrefectureError):
    """The letter stays in its place; the text states why."""


@dataclass(frozen=True)
class DeadLetter:
    """A dead-lettered message, and the queue that it belongs to."""

    queue: str
    """The queue to which the letter is requeued."""
    body: bytes
    properties: pika.BasicProperties
    remove: Callable[[], None]
    """Removes the letter; unless it is removed, it returns to its place after `look`."""

    @property
    def name(self) -> str:
        """Twelve hexadecimal digits, constant while the letter is there."""
        digest = hashlib.sha256(repr((self.queue, vars(self.properties))).encode())
        digest.update(self.body)
        return digest.hexdigest()[:12]

    @property
    def reason(self) -> str:
        """Why the message was dead-lettered: by the broker, as poison, or because its actor failed (see the log)."""
        if (cause := printable(self._death.get("reason"))) != "rejected":
            if cause:
                return f"by the broker: {cause}"
            return "unknown" if is_readable(self.properties) else "unreadable properties"
        exchange = str(self._death.get("exchange", ""))
        try:
            read_delivery(self.queue, exchange, self.routing_key, self.properties, self.body)
        except PoisonError as poison:
            return str(poison)
        return "failed"

    @property
    def routing_key(self) -> str:
        """The routing key under which the message was published."""
        keys = self._death.get("routing-keys")
        return str(keys[0]) if isinstance(keys, list) and keys else ""

    @property
    def sender(self) -> str:
        """The account that sent it, by its routing key; empty when unknown, or when the message is ours."""
        return sender_of(self.properties, self.routing_key)

    @property
    def message_id(self) -> str:
        """The sender's id of the message, if it is printable."""
        return printable(self.properties.message_id)

    @property
    def since(self) -> datetime | None:
        """When the message was dead-lettered."""
        moment = self._death.get("time")
        return moment if isinstance(moment, datetime) else None

    @property
    def text(self) -> str:
        """The text of the message for searches, with JSON escapes decoded; it must not be shown."""
        said = self.body.decode("utf-8", "replace")
        try:
            return json.dumps(json.loads(said), ensure_ascii=False)
        except ValueError:
            return said

    def check(self) -> None:
        """Check that the letter is an event that can be handled now.

        Raises:
            NotPutBackError: it cannot; the text states why.
        """
        if self._death.get("exchange") != EXCHANGE:
            raise NotPutBackError(
                "un jeton, ou un message publié droit dans la file : supprimez-le, rien ne l'attend"
            )
        try:
            read_delivery(self.queue, EXCHANGE, self.routing_key, self.properties, self.body)
        except PoisonError as poison:
            raise NotPutBackError(f"toujours illisible ({poison})") from None

    def read_expired(self) -> IncomingEvent | None:
        """Return the event of a letter that expired in its queue by an `expiration` of its own, with that fault."""
        expiration = self._death.get("original-expiration")
        if self._death.get("reason") != "expired" or expiration is None:
            return None
        said = copy(self.properties)
        said.expiration = expiration  # the broker removes it from a dead letter
        exchange = str(self._death.get("exchange", ""))
        try:
            read = read_delivery(self.queue, exchange, self.routing_key, said, self.body)
        except PoisonError:
            return None
        incoming: IncomingEvent = read.args[0]
        return incoming

    @property
    def _death(self) -> dict[str, Any]:
        """The broker's record of the dead-lettering, which no client can remove."""
        deaths = (self.properties.headers or {}).get("x-death")
        return (
            deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
        )


class DeadLetterOffice:
    """The dead letters of our queues, on one connection."""

    def __init__(self, connection: pika.BlockingConnection) -> None:
        self._connection = connection
        self._publishing = connection.channel()
        self._publishing.confirm_delivery()

    def count(self, queue: str) -> int:
        """Return the number of dead letters of a queue, without those that another client fetches right now."""
        return count_messages(self._connection, xq_name(queue))

    def look(self, queue: str) -> Generator[DeadLetter, None, None]:
        """Yield each letter of a queue, the oldest first, without letters that arrive meanwhile.

        No other client sees a letter while it is held here.
        """
        channel = self._connection.channel()
        try:
            for _ in range(self.count(queue)):
                method, properties, body = channel.basic_get(xq_name(queue))
                if method is None or properties is None or body is None:
                    return
                yield DeadLetter(
                    queue, body, properties, partial(channel.basic_ack, method.delivery_tag or 0)
                )
        finally:
            if channel.is_open:
                channel.close()

    def put_back(self, letter: DeadLetter) -> None:
        """Publish a copy of an event under its routing key, and wait for the confirm; the letter itself stays.

        The copy names no `user_id`, which would be that of the operator.
        """
        it = letter.properties
        kept = pika.BasicProperties(
            content_type=it.content_type,
            delivery_mode=2,
            message_id=it.message_id,
            correlation_id=it.correlation_id,
            app_id=it.app_id,
        )
        self._publishing.basic_publish(
            EXCHANGE, letter.routing_key, letter.body, kept, mandatory=True
        )


@contextmanager
def open_office(url: str) -> Iterator[DeadLetterOffice]:
    """Connect to the broker, as `connect` does."""
    tolerate_any_properties()
    with connect(url) as connection:
        yield DeadLetterOffice(connection)
