"""The actors: each unwraps its message and calls the use case."""

from collections.abc import Callable
from functools import partial
from typing import Any

import dramatiq
from dramatiq import Broker

from schemas.topology import QUEUE_REGISTRE, REQUEST_QUEUES, TOKEN_QUEUES
from worker.handlers.next_work import do_next_work
from worker.handlers.requests.ingest_request import ingest_request
from worker.messaging.middleware import IMPORT_LIMIT_MS, TIME_LIMIT_MS
from worker.messaging.reading import ACTORS, IncomingEvent
from worker.services import Services


def ingest(services: Services, incoming: IncomingEvent) -> None:
    """Record an event that came by the broker."""
    ingest_request(incoming.event, services, sender=incoming.sender, faults=incoming.faults)


def declare_actors(broker: Broker, services: Services) -> None:
    """Declare the actors on the broker; each calls its use case with these services.

    A process that reads both queues of events takes those of people first.
    """

    def declare(queue: str, function: Callable[..., None], priority: int, limit: int) -> None:
        how: dict[str, Any] = {"broker": broker, "queue_name": queue, "actor_name": ACTORS[queue]}
        dramatiq.actor(**how, priority=priority, time_limit=limit)(function)

    for priority, queue in enumerate(REQUEST_QUEUES):
        declare(queue, partial(ingest, services), priority, TIME_LIMIT_MS)
    for queue in TOKEN_QUEUES:
        limit = IMPORT_LIMIT_MS if queue == QUEUE_REGISTRE else TIME_LIMIT_MS
        declare(queue, partial(do_next_work, queue, services), 0, limit)
