"""What we say on the exchange: confirmed, persistent, not mandatory, since nobody may be listening."""

import pika
from dramatiq.errors import BrokerConnectionError
from pika.exceptions import AMQPError

from schemas.envelope import CloudEvent, shorten
from schemas.topology import CONTENT_TYPE, EXCHANGE, QUEUE_REQUESTS
from worker.errors import TransientError
from worker.messaging.broker import PrefectureBroker

_TRIES = 2
"""A connection that was idle for long may be found dead: the second try is made on a fresh one."""


class EventPublisher:
    """Publishes on the broker's connection of the calling thread."""

    def __init__(self, broker: PrefectureBroker) -> None:
        self._broker = broker

    def publish(self, event: CloudEvent, account: str = "") -> None:
        """Return once the broker holds the event.

        Its routing key is its type; `account`, whose request it answers, makes another one of it, so that whoever asked
        can listen to the answers that are his own. A queue that both lead to has it once (RabbitMQ, « sender-selected
        distribution »).

        Raises:
            TransientError: the broker is away; publish the same event again later.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                self._broker.declare_queue(QUEUE_REQUESTS, ensure=True)  # and the exchange, where no worker ran yet
                self._publish(event, account)
            except (AMQPError, BrokerConnectionError) as error:
                del self._broker.connection
                if attempt == _TRIES:
                    raise TransientError(f"Courtier RabbitMQ injoignable ({type(error).__name__}).") from error
            else:
                return

    def _publish(self, event: CloudEvent, account: str) -> None:
        own_key = shorten(f"{event.type}.{account}") if account else None
        properties = pika.BasicProperties(
            content_type=CONTENT_TYPE,
            delivery_mode=2,
            message_id=event.id,
            correlation_id=shorten(event.correlationid),
            headers={"CC": [own_key]} if own_key else None,
        )
        self._broker.channel.basic_publish(EXCHANGE, event.type, event.to_bytes(), properties)
