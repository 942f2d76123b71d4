"""The message of a row: it holds the id of a row and nothing else. Losing or doubling one loses or doubles nothing."""

from collections.abc import Sequence

from dramatiq import Broker, Message

from schemas.vocabulary import ExportKind
from worker.doorbell import Doorbell
from worker.messaging.encoder import (
    ACTOR_QUEUES,
    EXPORT_LISTE,
    EXPORT_LISTE_BULK,
    RENDER_TABLEAU,
    RENDER_TABLEAU_BULK,
    TAKE_UP_PARKED,
)

_ACTORS = {
    (ExportKind.LISTE, False): EXPORT_LISTE,
    (ExportKind.LISTE, True): EXPORT_LISTE_BULK,
    (ExportKind.TABLEAU, False): RENDER_TABLEAU,
    (ExportKind.TABLEAU, True): RENDER_TABLEAU_BULK,
}
DOORBELL_QUEUES = {what: ACTOR_QUEUES[actor] for what, actor in _ACTORS.items()}
"""Where the doorbells of a kind of file stand, by whether they are of a batch."""


class DoorbellQueues:
    """The queues of the doorbells: one per kind of file, and those of batches apart."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        for queue in ACTOR_QUEUES.values():
            broker.declare_queue(queue)

    def enqueue(self, doorbells: Sequence[Doorbell]) -> None:
        """Hand over one message per row; raises Dramatiq's BrokerConnectionError when the broker is away."""
        for doorbell in doorbells:
            self._enqueue(_ACTORS[doorbell.kind, doorbell.is_bulk], doorbell.export_id)

    def enqueue_parked(self, parked_ids: Sequence[int]) -> None:
        """The same, for parked events that are to be looked at."""
        for parked_id in parked_ids:
            self._enqueue(TAKE_UP_PARKED, parked_id)

    def _enqueue(self, actor: str, row_id: int) -> None:
        self._broker.enqueue(
            Message(queue_name=ACTOR_QUEUES[actor], actor_name=actor, args=(row_id,), kwargs={}, options={})
        )
