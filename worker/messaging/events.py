"""What we say on the exchange: confirmed, persistent, not mandatory, since nobody may be listening."""

import pika
from pika.exceptions import AMQPError

from schemas.envelope import CloudEvent
from schemas.topology import CONTENT_TYPE, EXCHANGE
from worker.errors import TransientError
from worker.messaging.broker import PrefectureBroker


class EventPublisher:
    """Publishes on the broker's connection of the calling thread."""

    def __init__(self, broker: PrefectureBroker) -> None:
        self._broker = broker

    def publish(self, event: CloudEvent) -> None:
        """Return once the broker holds the event.

        Raises:
            TransientError: the broker is away; publish the same event again later.
        """
        properties = pika.BasicProperties(
            content_type=CONTENT_TYPE, delivery_mode=2, message_id=event.id, correlation_id=event.correlationid
        )
        try:
            self._broker.channel.basic_publish(EXCHANGE, event.type, event.to_bytes(), properties)
        except AMQPError as error:
            del self._broker.connection
            raise TransientError(f"Courtier RabbitMQ injoignable ({type(error).__name__}).") from error
