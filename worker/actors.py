"""The actors: unwrap the message, call the use case."""

from typing import Any

import dramatiq
from dramatiq import Broker

from schemas.envelope import CloudEvent
from worker.handlers.ingest_request import ingest_request
from worker.handlers.make_export import make_export
from worker.handlers.services import Services
from worker.messaging.encoder import ACTOR_QUEUES, EXPORT_LISTE, INGEST, RENDER_TABLEAU


def declare_actors(broker: Broker, services: Services) -> None:
    """Give the broker its actors; each knows the services it needs."""

    def ingest(event: dict[str, Any]) -> None:
        ingest_request(CloudEvent.model_validate(event), services)

    def make(export_id: int) -> None:
        make_export(export_id, services)

    for name, function in ((INGEST, ingest), (EXPORT_LISTE, make), (RENDER_TABLEAU, make)):
        dramatiq.actor(broker=broker, actor_name=name, queue_name=ACTOR_QUEUES[name])(function)
