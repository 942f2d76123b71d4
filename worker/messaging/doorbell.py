"""Ringing: a message that holds the id of a row and nothing else. Losing or doubling one loses or doubles nothing."""

from collections.abc import Sequence

from dramatiq import Broker, Message

from schemas.vocabulary import ExportKind
from worker.bell import Bell
from worker.messaging.encoder import (
    ACTOR_QUEUES,
    EXPORT_LISTE,
    EXPORT_LISTE_BULK,
    RENDER_TABLEAU,
    RENDER_TABLEAU_BULK,
)

_ACTORS = {
    (ExportKind.LISTE, False): EXPORT_LISTE,
    (ExportKind.LISTE, True): EXPORT_LISTE_BULK,
    (ExportKind.TABLEAU, False): RENDER_TABLEAU,
    (ExportKind.TABLEAU, True): RENDER_TABLEAU_BULK,
}
BELL_QUEUES = {what: ACTOR_QUEUES[actor] for what, actor in _ACTORS.items()}
"""Where the rows of a kind ring, by whether they are of a batch."""


class Doorbell:
    """Rings, each kind of file on its queue, and those of a batch apart."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        for queue in ACTOR_QUEUES.values():
            broker.declare_queue(queue)

    def ring(self, bells: Sequence[Bell]) -> None:
        """Ring once per row; raises Dramatiq's BrokerConnectionError when the broker is away."""
        for bell in bells:
            actor = _ACTORS[bell.kind, bell.is_bulk]
            self._broker.enqueue(
                Message(queue_name=ACTOR_QUEUES[actor], actor_name=actor, args=(bell.export_id,), kwargs={}, options={})
            )
