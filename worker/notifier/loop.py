"""The notifier's own loop: tell what waits, sweep now and then, sleep until somebody rings."""

import time
from threading import Event

import structlog
from sqlalchemy import Engine

from worker.bell import Ring
from worker.db.notify import ReadyBell
from worker.errors import LeaseLostError
from worker.notifier.outbox import Claim, Outbox
from worker.notifier.sweep import sweep
from worker.notifier.tell import Teller

TROUBLE_SECONDS = 1
"""How long an absent database is left alone."""

log = structlog.stdlib.get_logger(__name__)


class Notifier:
    """One notifier among any number of them."""

    def __init__(self, engine: Engine, outbox: Outbox, teller: Teller, ring: Ring, *, sweep_seconds: float) -> None:
        self._engine = engine
        self._outbox = outbox
        self._teller = teller
        self._ring = ring
        self._sweep_seconds = sweep_seconds
        self._next_sweep = 0.0

    def run(self, stop: Event) -> None:
        """Work until `stop` is set; an absent database, broker or mail server is waited out."""
        bell = ReadyBell(self._engine)
        while not stop.is_set():
            try:
                bell.listen()
                self.work(stop)
                bell.wait(stop)
            except Exception:
                log.exception("notifier_trouble")
                stop.wait(TROUBLE_SECONDS)
        bell.close()

    def work(self, stop: Event) -> int:
        """Tell every request that waits now, and sweep when it is time; returns how many requests were told."""
        told = 0
        self._sweep_when_due()
        while not stop.is_set() and (claim := self._outbox.claim()):
            told += self._tell(claim)
            self._sweep_when_due()
        return told

    def _tell(self, claim: Claim) -> bool:
        try:
            return self._teller.tell(claim)
        except LeaseLostError:
            log.warning("telling_taken_over", request_id=claim.request_id)
        except Exception:
            log.exception("telling_failed", request_id=claim.request_id)
            self._outbox.postpone(claim)
        return False

    def _sweep_when_due(self) -> None:
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + self._sweep_seconds
            sweep(self._engine, self._ring)
