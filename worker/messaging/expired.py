"""Refuses the events that expired in a queue before a worker read them.

No policy and no argument of a queue forbids an `expiration`: RabbitMQ moves such an event to the dead letters, even
while a worker reads the queue. A worker of requests looks there, and refuses it like one that it reads in time.
"""

import threading
from collections.abc import Callable
from contextlib import closing

from dramatiq import Broker, Middleware, Worker

from common.logs import LogThrottle
from schemas.topology import REQUEST_QUEUES
from worker.messaging.dead_letters import DeadLetterOffice, open_office
from worker.messaging.reading import IncomingEvent

Ingest = Callable[[IncomingEvent], None]


class ExpiredEvents(Middleware):
    """Looks for expired events at times, in a process that reads a queue of events."""

    def __init__(self, url: str, ingest: Ingest, seconds: float) -> None:
        self._url, self._ingest, self._seconds = url, ingest, seconds
        self._stop = threading.Event()
        self._throttle = LogThrottle("expired_events")

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """Start to look, in a thread."""
        if set(REQUEST_QUEUES) & worker.consumers.keys():
            threading.Thread(target=self._look, name="expired-events", daemon=True).start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """End the thread."""
        self._stop.set()

    def _look(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                with open_office(self._url) as office:
                    for queue in REQUEST_QUEUES:
                        refuse_expired(office, queue, self._ingest)
            except Exception as error:  # noqa: BLE001 — the letters stay, and the next look finds them
                self._throttle.failed(error)
            else:
                self._throttle.succeeded()


def refuse_expired(office: DeadLetterOffice, queue: str, ingest: Ingest) -> None:
    """Ingest each expired event among the dead letters of a queue, which is its refusal, then remove the letter."""
    with closing(office.look(queue)) as letters:
        for letter in letters:
            if incoming := letter.read_expired():
                ingest(incoming)
                letter.remove()
