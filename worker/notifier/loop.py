"""The notifier's own loop: tell what waits, sweep, plan and purge now and then, sleep until somebody rings."""

import time
from collections.abc import Sequence
from threading import Event
from typing import NamedTuple, Protocol

import structlog
from sqlalchemy import Engine

from worker.db.notify import ReadySignal
from worker.doorbell import CountEnqueued, Enqueue
from worker.errors import LeaseLostError
from worker.health import Beat, ignore
from worker.notifier.outage import Outage
from worker.notifier.outbox import Claim, Outbox
from worker.notifier.purge import PurgeClock
from worker.notifier.reminders import ReminderClock
from worker.notifier.sweep import sweep

TROUBLE_SECONDS = 1
"""How long an absent database is left alone."""

log = structlog.stdlib.get_logger(__name__)


class Telling(Protocol):
    """Tells one claimed row: what became of a request, or a reminder."""

    def tell(self, claim: Claim) -> bool:
        """Tell whoever is not yet told; True when everybody is, else the row was put off."""


class Desk(NamedTuple):
    """The untold rows of a table, and who tells them."""

    outbox: Outbox
    telling: Telling
    name: str
    """What log lines call the row's number."""


class Notifier:
    """One notifier among any number of them; `beat` gives its signs of life."""

    def __init__(
        self,
        engine: Engine,
        desks: Sequence[Desk],
        ring: Enqueue,
        *,
        count: CountEnqueued | None = None,
        sweep_seconds: float,
        purge: PurgeClock | None = None,
        reminders: ReminderClock | None = None,
        beat: Beat = ignore,
    ) -> None:
        self._engine = engine
        self._desks = desks
        self._ring = ring
        self._count = count
        self._sweep_seconds = sweep_seconds
        self._purge = purge
        self._reminders = reminders
        self._beat = beat
        self._next_sweep = 0.0
        self._doorbell = Outage("doorbell")

    def run(self, stop: Event) -> None:
        """Work until `stop` is set; an absent database, broker or mail server is waited out."""
        bell, outage = ReadySignal(self._engine), Outage("notifier")
        while not stop.is_set():
            try:
                bell.listen()
                self.work(stop)
                outage.end()
                self._beat("")
                bell.wait(stop)
            except Exception as error:  # noqa: BLE001 — whatever it is, the next turn may do better
                outage.note(error)
                self._beat(f"le notificateur n'avance plus ({type(error).__name__}) : voir son journal")
                stop.wait(TROUBLE_SECONDS)
        bell.close()

    def work(self, stop: Event) -> int:
        """Tell all that waits now, sweep, plan and purge when it is time; returns how many rows were told."""
        told = 0
        self._sweep_when_due()
        if self._reminders:
            self._reminders.turn()
        for desk in self._desks:
            while not stop.is_set() and (claim := desk.outbox.claim()):
                told += self._tell(desk, claim)
                self._sweep_when_due()
        if self._purge and not stop.is_set():
            self._purge.turn()
        return told

    def _tell(self, desk: Desk, claim: Claim) -> bool:
        context = {desk.name: claim.id} | ({"correlation_id": claim.correlation_id} if claim.correlation_id else {})
        with structlog.contextvars.bound_contextvars(**context):
            try:
                return desk.telling.tell(claim)
            except LeaseLostError:
                log.warning("telling_taken_over")
            except Exception:
                log.exception("telling_failed")
                desk.outbox.postpone(claim)
            return False

    def _sweep_when_due(self) -> None:
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + self._sweep_seconds
            sweep(self._engine, self._ring, self._doorbell, count=self._count)
