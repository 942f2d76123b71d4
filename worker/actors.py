"""The actors: each unwraps its message and calls the use case."""

from collections.abc import Callable
from functools import partial
from typing import Any

import dramatiq
from dramatiq import Broker

from worker.handlers.handle_preview import handle_preview
from worker.handlers.making.make_export import make_export
from worker.handlers.requests.ingest_request import check_deferred, ingest_request
from worker.messaging.encoder import (
    ACTOR_QUEUES,
    BULK,
    DEFERRED,
    INGEST,
    LISTE,
    PREVIEW,
    TABLEAU,
    IncomingEvent,
)
from worker.messaging.middleware import IMPORT_LIMIT_MS, TIME_LIMIT_MS
from worker.services import Services

AT_ONCE, AFTER_THOSE = 0, 1
"""Priorities of the messages that a process holds: batches follow."""


def declare_actors(broker: Broker, services: Services) -> None:
    """Declare the actors on the broker; each calls its use case with these services."""

    def ingest(incoming: IncomingEvent) -> None:
        ingest_request(incoming.event, services, sender=incoming.sender, faults=incoming.faults)

    functions: dict[str, Callable[[Any], None]] = {
        INGEST: ingest,
        DEFERRED: partial(check_deferred, services=services),
        LISTE: partial(make_export, services=services),
        TABLEAU: partial(make_export, services=services),
        PREVIEW: partial(handle_preview, services=services),
    }
    for name, queue in ACTOR_QUEUES.items():
        priority = AFTER_THOSE if name.endswith(BULK) else AT_ONCE
        limit = IMPORT_LIMIT_MS if name == PREVIEW else TIME_LIMIT_MS
        declare = dramatiq.actor(
            broker=broker, actor_name=name, queue_name=queue, priority=priority, time_limit=limit
        )
        declare(functions[name.removesuffix(BULK)])
