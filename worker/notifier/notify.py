"""The notifier: publishes the events of requests, notifies people of results, and reminds communes of deadlines.

The table `work` has the due tasks (worker/work). A few loops claim them, each in its own thread:

    replies        the reply to each event
    ends           the events of a finished request, then a work for each recipient
    mails          one message to one recipient
    summaries      all messages of one recipient, once a day
    webhooks       the events of one request to one program

One more thread does the periodic tasks (worker/housekeeping). The main thread wakes the loops when work is added,
renews the leases of claimed works, and gives heartbeats.
"""

import math
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
from psycopg import Error as DriverError
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from common.logs import LogThrottle
from schemas.vocabulary import Channel
from worker.causes import explain_database
from worker.db.engine import ReadySignal
from worker.error_policy import conclude, is_waited_for, until_next_try
from worker.errors import ExhaustedError
from worker.exports.lease import repeat_until_recorded
from worker.health import Beat, ignore
from worker.notifier.channels.delivery import LONGEST_DIALOGUE_SECONDS, ChannelSender, backoff
from worker.notifier.messages.events import PublishEvent
from worker.notifier.notices import Notices
from worker.notifier.publishing import announce_end, publish_reply
from worker.notifier.records import delay, postpone
from worker.notifier.sending import send_message
from worker.work.queue import (
    Claim,
    WorkKind,
    claim,
    claim_together,
    give_back,
    has_due,
    is_owned_by,
    renew,
)

TROUBLE_SECONDS = 1
"""The pause of a loop after an error of the database."""

POLL_SECONDS = 1.0
"""The pause of a loop that found nothing, unless it is woken."""

WAKE_SECONDS = 0.02
"""The shortest time between two wakes of the loops."""

LONGEST_STEP_SECONDS = LONGEST_DIALOGUE_SECONDS + 60
"""The longest time of a loop for one claim, or for one step of the periodic tasks.

After it, the lease is not renewed, and the process gives no heartbeat.
"""

STOP_SECONDS = 45
"""How long a stop waits for the loops: less than the grace period of containers."""

SOON_SECONDS = 3600
"""The messages of a summary are those that are due within so many seconds."""

EVERY_KIND = frozenset(WorkKind)

_HOUSE = "housekeeping"

FAILED = "erreur interne : voir le journal du notificateur"

log = structlog.stdlib.get_logger(__name__)

Handle = Callable[[Sequence[Claim]], None]
"""Processes the works of a claim, and finishes or releases each; if it raises, they are released."""


@dataclass(frozen=True)
class Pool:
    """Identical loops on works of one kind: each handles one at a time, or all of a summary together."""

    kind: WorkKind
    handle: Handle
    threads: int = 1
    woken: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def wake(self) -> None:
        """Wake one waiting loop; a loop that finds work wakes the next."""
        self.woken.release()

    def wait(self) -> None:
        """Return when the pool is woken, or after POLL_SECONDS."""
        self.woken.acquire(timeout=POLL_SECONDS)
        while self.woken.acquire(blocking=False):
            pass


@dataclass
class Notifier:
    """One of any number of notifiers; `beat` is called at each heartbeat.

    `keep_house` does one step of each periodic task that is due; it returns True when more is due at once.
    """

    engine: Engine
    pools: Sequence[Pool]
    keep_house: Callable[[threading.Event], bool] = lambda _stop: False
    owner: str = field(kw_only=True)
    lease_seconds: float = field(kw_only=True)
    beat: Beat = field(default=ignore, kw_only=True)
    is_exhausted: bool = field(default=False, init=False)
    """Whether this process lacks memory or descriptors: it has released its works, and ends."""
    _held: dict[str, tuple[float, Sequence[Claim]]] = field(default_factory=dict, init=False)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, or this process lacks resources; while the database is away, wait."""
        threads = [
            threading.Thread(target=self._serve_house, args=(stop,), name=_HOUSE, daemon=True)
        ]
        for pool in self.pools:
            for number in range(pool.threads):
                owner = f"{self.owner}/{pool.kind}{number}"
                serving = pool, owner, stop
                threads.append(
                    threading.Thread(target=self._serve, args=serving, name=owner, daemon=True)
                )
        for thread in threads:
            thread.start()
        signal, throttle, renewed_at = ReadySignal(self.engine), LogThrottle("notifier"), -math.inf
        due: Collection[str] = EVERY_KIND
        while not stop.is_set():
            try:
                signal.listen()
                if time.monotonic() > renewed_at + self.lease_seconds / 4:
                    self._renew()
                    renewed_at = time.monotonic()
                self._wake(due or EVERY_KIND)
                throttle.succeeded()
                if self._is_alive():
                    self.beat("")
                stop.wait(WAKE_SECONDS)
                due = signal.wait(stop)
            except Exception as error:  # noqa: BLE001 — whatever the error, the next attempt may succeed
                throttle.failed(error)
                is_database = isinstance(error, (DBAPIError, DriverError))
                reason = explain_database(error).what if is_database else type(error).__name__
                self.beat(f"le notificateur n'avance plus ({reason}) : voir son journal")
                stop.wait(TROUBLE_SECONDS)
        signal.close()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))

    def work(self, stop: threading.Event) -> int:
        """Do one step of the periodic tasks, then process all due works in this thread; return how many."""
        self.keep_house(stop)
        handled = 0
        for pool in self.pools:
            handled += self._drain(pool, f"{self.owner}/{pool.kind}", stop)
        return handled

    def _drain(self, pool: Pool, owner: str, stop: threading.Event) -> int:
        handled = 0
        while not stop.is_set() and (number := self._step(pool, owner)):
            handled += number
        return handled

    def _serve(self, pool: Pool, owner: str, stop: threading.Event) -> None:
        throttle = LogThrottle(owner.rpartition("/")[2])
        while not stop.is_set():
            try:
                is_due = has_due(self.engine, pool.kind, held=self.list_held())
                if not (is_due and self._drain(pool, owner, stop)):
                    pool.wait()
                throttle.succeeded()
            except Exception as error:  # noqa: BLE001 — whatever the error, the next attempt may succeed
                throttle.failed(error)
                if isinstance(conclude(error), ExhaustedError) and not self.is_exhausted:
                    log.critical("process_exhausted")
                    self.is_exhausted = True
                    stop.set()
                stop.wait(TROUBLE_SECONDS)

    def _serve_house(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._held[_HOUSE] = time.monotonic(), ()
            is_more_due = self.keep_house(stop)
            del self._held[_HOUSE]
            if not is_more_due:
                stop.wait(POLL_SECONDS)

    def _step(self, pool: Pool, owner: str) -> int:
        self._held[owner] = time.monotonic(), ()
        try:
            claims = self._claim(pool, owner)
            if claims:
                pool.wake()
                self._handle(pool.handle, claims)
            if claims and pool.kind is WorkKind.END and self.engine.dialect.name == "sqlite":
                self._wake(EVERY_KIND)  # no NOTIFY wakes the loops for the works of the recipients
        finally:
            del self._held[owner]
        return len(claims)

    def _claim(self, pool: Pool, owner: str) -> Sequence[Claim]:
        seconds = self.lease_seconds
        try:
            with self.engine.begin() as connection:
                if pool.kind is WorkKind.SUMMARY:
                    claims = claim_together(
                        connection,
                        pool.kind,
                        owner,
                        lease_seconds=seconds,
                        within_seconds=SOON_SECONDS,
                    )
                else:
                    claims = claim(
                        connection, pool.kind, owner, lease_seconds=seconds, held=self.list_held()
                    )
                self._held[owner] = time.monotonic(), claims
        except Exception as error:
            if is_waited_for(error):  # the claim may be committed although its answer was lost
                repeat_until_recorded(partial(self._free, owner))
            raise
        return claims

    def _free(self, owner: str) -> None:
        with self.engine.begin() as connection:
            give_back(connection, is_owned_by(owner))

    def list_held(self) -> list[int]:
        """Return the ids of the works that its loops hold."""
        return [one.id for _, held in [*self._held.values()] for one in held]

    def _handle(self, handle: Handle, claims: Sequence[Claim]) -> None:
        try:
            handle(claims)
        except Exception as error:
            if not is_waited_for(error):
                log.exception("work_failed", kind=claims[0].kind, subject=claims[0].subject)
                for one in claims:
                    delay(self.engine, one, FAILED, backoff(one.starts - 1))
                return
            log.warning("work_postponed", error=type(error).__name__)
            reason = conclude(error)
            is_exhausted = isinstance(reason, ExhaustedError)
            for one in claims:  # another process may have the memory that this one lacks
                postpone(
                    self.engine, one, str(reason), 0 if is_exhausted else until_next_try(one.waits)
                )
            if is_exhausted:
                raise

    def _renew(self) -> None:
        started_after = time.monotonic() - LONGEST_STEP_SECONDS
        held = [
            one
            for started, claims in [*self._held.values()]
            if started > started_after
            for one in claims
        ]
        if held:
            with self.engine.begin() as connection:
                renew(connection, held, lease_seconds=self.lease_seconds)

    def _is_alive(self) -> bool:
        started = min((started for started, _ in [*self._held.values()]), default=math.inf)
        if time.monotonic() < started + LONGEST_STEP_SECONDS:
            return True
        log.critical("loop_stuck")
        return False

    def _wake(self, kinds: Collection[str]) -> None:
        for pool in self.pools:
            if pool.kind in kinds:
                pool.wake()


def build_pools(
    engine: Engine,
    notices: Notices,
    senders: Mapping[Channel, ChannelSender],
    publish: PublishEvent | None,
) -> Sequence[Pool]:
    """Return the loops of a notifier; `publish` is None where no program listens (the embedded mode)."""
    messages = partial(send_message, engine, notices, senders)
    return (
        Pool(WorkKind.REPLY, partial(publish_reply, engine, notices, publish)),
        Pool(WorkKind.END, partial(announce_end, engine, notices, publish), threads=2),
        Pool(WorkKind.MAIL, messages, threads=4),
        Pool(WorkKind.SUMMARY, messages),
        Pool(WorkKind.WEBHOOK, messages, threads=4),
    )
