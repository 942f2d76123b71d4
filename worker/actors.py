"""The actors: unwrap the message, call the use case."""

from typing import Any

import dramatiq
from dramatiq import Broker

from schemas.envelope import CloudEvent
from worker.handlers.export_liste import export_liste
from worker.handlers.ingest_request import ingest_request
from worker.handlers.services import Services
from worker.messaging.encoder import ACTOR_QUEUES, EXPORT_LISTE, INGEST


def declare_actors(broker: Broker, services: Services) -> None:
    """Give the broker its actors; each knows the services it needs."""

    def ingest(event: dict[str, Any]) -> None:
        ingest_request(CloudEvent.model_validate(event), services)

    def export(export_id: int) -> None:
        export_liste(export_id, services)

    dramatiq.actor(broker=broker, actor_name=INGEST, queue_name=ACTOR_QUEUES[INGEST])(ingest)
    dramatiq.actor(broker=broker, actor_name=EXPORT_LISTE, queue_name=ACTOR_QUEUES[EXPORT_LISTE])(export)
