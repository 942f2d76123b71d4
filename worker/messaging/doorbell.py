"""Ringing: a message that holds the id of a row and nothing else. Losing or doubling one loses or doubles nothing."""

from collections.abc import Sequence

from dramatiq import Broker, Message

from schemas.vocabulary import ExportKind
from worker.bell import Bell
from worker.messaging.encoder import ACTOR_QUEUES, EXPORT_LISTE, RENDER_TABLEAU

_ACTORS = {ExportKind.LISTE: EXPORT_LISTE, ExportKind.TABLEAU: RENDER_TABLEAU}


class Doorbell:
    """Rings, each kind of file on its queue."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        for queue in ACTOR_QUEUES.values():
            broker.declare_queue(queue)

    def ring(self, bells: Sequence[Bell]) -> None:
        """Ring once per row; raises Dramatiq's BrokerConnectionError when the broker is away."""
        for bell in bells:
            actor = _ACTORS[bell.kind]
            self._broker.enqueue(
                Message(queue_name=ACTOR_QUEUES[actor], actor_name=actor, args=(bell.export_id,), kwargs={}, options={})
            )
