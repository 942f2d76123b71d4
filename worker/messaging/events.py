"""Publishes events on the exchange: confirmed, persistent, not mandatory, since no program may listen; adds listeners.

If a queue is full or cannot accept a message, the broker refuses the publication although every other queue has it:
such an event counts as published. A second publication would give every other queue a copy.
Adding and removing raise the errors of `connect`.
"""

from collections.abc import Sequence

import pika
import structlog
from dramatiq.errors import BrokerConnectionError
from pika.exceptions import AMQPError, NackError

from schemas.envelope import CloudEvent, shorten
from schemas.topology import CONTENT_TYPE, EXCHANGE, LISTENER_PREFIX, SOURCE, account_key, event_key
from worker.errors import TransientError
from worker.messaging.broker import PrefectureBroker
from worker.messaging.queues import connect

_TRIES = 2
"""A connection that was idle for long may be dead: the second try opens a new one."""

log = structlog.stdlib.get_logger(__name__)


class EventPublisher:
    """Publishes on the broker's connection of the calling thread."""

    def __init__(self, broker: PrefectureBroker, *, source: str = SOURCE) -> None:
        self._broker = broker
        self._source = source
        self._has_exchange = False

    def publish(self, event: CloudEvent, account: str) -> None:
        """Publish an event, also for the account of its request, and wait until the broker has put it in its queues.

        Its source is `source`, which distinguishes installations.

        Raises:
            TransientError: the broker is away; publish the event again later.
        """
        key, *hidden = routing_keys(event, account)
        properties = pika.BasicProperties(
            content_type=CONTENT_TYPE,
            delivery_mode=2,
            message_id=event.id,
            correlation_id=shorten(event.correlationid),
            headers={"BCC": [*hidden]} if hidden else None,
        )
        body = event.model_copy(update={"source": self._source}).to_bytes()
        for attempt in range(1, _TRIES + 1):
            try:
                if not self._has_exchange:
                    self._broker.channel.exchange_declare(EXCHANGE, "topic", durable=True)
                    self._has_exchange = True
                self._broker.channel.basic_publish(EXCHANGE, key, body, properties)
            except NackError:
                log.warning("event_not_taken_by_all", key=key, event_id=event.id)
            except (AMQPError, BrokerConnectionError) as error:
                self._has_exchange = False
                del self._broker.connection
                if attempt == _TRIES:
                    raise TransientError(
                        f"Courtier RabbitMQ injoignable ({type(error).__name__})."
                    ) from error
                continue
            return


def routing_keys(event: CloudEvent, account: str) -> Sequence[str]:
    """Return the routing keys of an event; all but the first are hidden from receivers (RabbitMQ's header BCC).

    The keys are those of the commune, of the type alone, and of the account of the request. An event about no
    commune that the account may ask for has the account's key only, since its text may name a commune.
    A queue that is bound by several of the keys receives the event once.
    """
    own = (
        [shorten(account_key(event.type, account)) or account_key(event.type, "")]
        if account
        else []
    )
    if commune := event.data.get("commune"):
        return [event_key(event.type, commune), event.type, *own]
    return own or [event.type]


def add_listener_queue(url: str, name: str, *keys: str) -> str:
    """Declare the queue of a listening program, and bind it by these keys; return the name of the queue."""
    queue = LISTENER_PREFIX + name
    with connect(url) as connection:
        channel = connection.channel()
        channel.exchange_declare(EXCHANGE, exchange_type="topic", passive=True)
        channel.queue_declare(queue, durable=True)
        for key in keys:
            channel.queue_bind(queue, EXCHANGE, key)
    return queue


def remove_listener_queue(url: str, name: str, *keys: str) -> None:
    """Unbind the queue of a program from these keys; without keys, delete the queue with its messages."""
    queue = LISTENER_PREFIX + name
    with connect(url) as connection:
        channel = connection.channel()
        for key in keys:
            channel.queue_unbind(queue, EXCHANGE, key)
        if not keys:
            channel.queue_delete(queue)
