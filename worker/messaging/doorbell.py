"""Ringing: a message that holds the id of a row and nothing else. Losing or doubling one loses or doubles nothing."""

from collections.abc import Sequence

from dramatiq import Broker, Message

from worker.messaging.encoder import ACTOR_QUEUES, EXPORT_LISTE


class Doorbell:
    """Rings the queue of list files."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        for queue in ACTOR_QUEUES.values():
            broker.declare_queue(queue)

    def ring(self, export_ids: Sequence[int]) -> None:
        """Ring once per row; raises Dramatiq's BrokerConnectionError when the broker is away."""
        for export_id in export_ids:
            self._broker.enqueue(
                Message(
                    queue_name=ACTOR_QUEUES[EXPORT_LISTE],
                    actor_name=EXPORT_LISTE,
                    args=(export_id,),
                    kwargs={},
                    options={},
                )
            )
