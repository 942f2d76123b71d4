"""The actors: unwrap the message, call the use case."""

from typing import Any

import dramatiq
from dramatiq import Broker
from dramatiq.middleware import CurrentMessage

from schemas.envelope import CloudEvent
from worker.handlers.ingest_request import ingest_request, refuse_unreadable, take_up_parked
from worker.handlers.make_export import make_export
from worker.handlers.services import Services
from worker.messaging.encoder import (
    ACTOR_QUEUES,
    EXPORT_LISTE,
    EXPORT_LISTE_BULK,
    INGEST,
    INGEST_BULK,
    RENDER_TABLEAU,
    RENDER_TABLEAU_BULK,
    SENDER,
    TAKE_UP_PARKED,
    UNREADABLE,
)
from worker.messaging.unreadable import UnreadableEvent

_NAMES = {"id", "source", "type", "correlationid"}

AT_ONCE, AFTER_THOSE = 0, 1
"""In which order a process that holds several messages takes them: what is of a batch comes second."""


def declare_actors(broker: Broker, services: Services) -> None:
    """Give the broker its actors; each knows the services it needs."""

    def ingest(event: dict[str, Any]) -> None:
        if UNREADABLE in event:
            unreadable = UnreadableEvent.model_validate(event[UNREADABLE])
            refuse_unreadable(unreadable.model_dump(include=_NAMES), unreadable.faults, services, sender=_sender())
        else:
            ingest_request(CloudEvent.model_validate(event), services, sender=_sender())

    def take_up(parked_id: int) -> None:
        take_up_parked(parked_id, services)

    def make(export_id: int) -> None:
        make_export(export_id, services)

    for priority, name, function in (
        (AT_ONCE, INGEST, ingest),
        (AT_ONCE, TAKE_UP_PARKED, take_up),
        (AT_ONCE, EXPORT_LISTE, make),
        (AT_ONCE, RENDER_TABLEAU, make),
        (AFTER_THOSE, INGEST_BULK, ingest),
        (AFTER_THOSE, EXPORT_LISTE_BULK, make),
        (AFTER_THOSE, RENDER_TABLEAU_BULK, make),
    ):
        dramatiq.actor(broker=broker, actor_name=name, queue_name=ACTOR_QUEUES[name], priority=priority)(function)


def _sender() -> str:
    message = CurrentMessage.get_current_message()
    return str(message.options.get(SENDER) or "") if message else ""
