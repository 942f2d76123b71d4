"""The notifier: publishes the events of requests, notifies people of results, and reminds communes of deadlines.

The table `work` has the due tasks (worker/work). A few loops claim them, each in its own thread:

    replies and events     up to fifty at a time
    recipients             one work is added for each recipient of a message
    mails, other messages  one message to one recipient

One more thread does the periodic tasks (worker/housekeeping). The main thread wakes the loops when work is added,
renews the leases of claimed works, and gives heartbeats.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import structlog
from sqlalchemy import Connection, Engine

from common.logs import LogThrottle
from schemas.vocabulary import Channel
from worker.db.engine import ReadySignal
from worker.doorbell import BULK_TURN
from worker.error_policy import conclude, is_waited_for, until_next_try
from worker.errors import ExhaustedError
from worker.health import Beat, ignore
from worker.notifier.channels.delivery import LONGEST_DIALOGUE_SECONDS, ChannelSender, backoff
from worker.notifier.messages.events import PublishEvent
from worker.notifier.notices import Notices
from worker.notifier.sending import (
    SOON_SECONDS,
    commit,
    delay_or_bury,
    list_recipients,
    publish_events,
    send_message,
)
from worker.work.queue import Claim, ClaimRule, WorkKind, claim, claim_rest, has_due, release, renew

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

_HOUSE = "housekeeping"

FAILED = "erreur interne : voir le journal du notificateur"

log = structlog.stdlib.get_logger(__name__)

Handle = Callable[[Sequence[Claim]], None]
"""Processes claims, and finishes or releases each; if it raises, the claims are released."""


@dataclass(frozen=True)
class Pool:
    """Identical loops on works of one kind, in the order of its index. Of several, one skips recipients that fail."""

    kind: WorkKind
    handle: Handle
    threads: int = 1
    batch: int = 1
    rule: ClaimRule = field(default_factory=ClaimRule)
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
                rule = pool.rule._replace(spares_failed=pool.threads > 1 and not number)
                serving = pool, owner, rule, stop
                threads.append(
                    threading.Thread(target=self._serve, args=serving, name=owner, daemon=True)
                )
        for thread in threads:
            thread.start()
        signal, throttle, renewed_at = ReadySignal(self.engine), LogThrottle("notifier"), -math.inf
        while not stop.is_set():
            try:
                signal.listen()
                if time.monotonic() > renewed_at + self.lease_seconds / 4:
                    self._renew()
                    renewed_at = time.monotonic()
                self._wake_all()
                throttle.succeeded()
                if self._is_alive():
                    self.beat("")
                stop.wait(WAKE_SECONDS)
                signal.wait(stop)
            except Exception as error:  # noqa: BLE001 — whatever the error, the next attempt may succeed
                throttle.failed(error)
                self.beat(
                    f"le notificateur n'avance plus ({type(error).__name__}) : voir son journal"
                )
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
            while not stop.is_set() and (
                number := self._step(pool, f"{self.owner}/{pool.kind}", pool.rule)
            ):
                handled += number
        return handled

    def _serve(self, pool: Pool, owner: str, rule: ClaimRule, stop: threading.Event) -> None:
        throttle, handled = LogThrottle(owner.rpartition("/")[2]), 0
        for turn in count(1):
            if stop.is_set():
                return
            try:
                looks = not handled  # after one work, a second one is likely
                handled = (
                    self._step(pool, owner, rule._replace(of_batches=True))
                    if turn % BULK_TURN == 0
                    else 0
                )
                handled = handled or self._step(pool, owner, rule, looks=looks)
                throttle.succeeded()
            except Exception as error:  # noqa: BLE001 — whatever the error, the next attempt may succeed
                throttle.failed(error)
                if isinstance(conclude(error), ExhaustedError) and not self.is_exhausted:
                    log.critical("process_exhausted")
                    self.is_exhausted = True
                    stop.set()
                stop.wait(TROUBLE_SECONDS)
                continue
            if not handled:
                pool.wait()

    def _serve_house(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._held[_HOUSE] = time.monotonic(), ()
            is_more_due = self.keep_house(stop)
            del self._held[_HOUSE]
            if not is_more_due:
                stop.wait(POLL_SECONDS)

    def _step(self, pool: Pool, owner: str, rule: ClaimRule, *, looks: bool = True) -> int:
        self._held[owner] = time.monotonic(), ()
        try:
            if looks and not has_due(self.engine, pool.kind, rule=rule, at_work=self.list_held()):
                return 0
            with self.engine.begin() as connection:
                claims = claim(
                    connection,
                    pool.kind,
                    owner,
                    lease_seconds=self.lease_seconds,
                    limit=pool.batch,
                    rule=rule,
                    at_work=self.list_held,
                )
                if claims and pool.kind is WorkKind.SUMMARY:
                    claims += claim_rest(connection, claims[0], within_seconds=SOON_SECONDS)
                self._held[owner] = time.monotonic(), claims
            if claims:
                pool.wake()
                self._handle(pool.handle, claims)
                if pool.kind is WorkKind.RECIPIENTS:  # on SQLite no NOTIFY wakes the loops
                    self._wake_all()
        finally:
            del self._held[owner]
        return len(claims)

    def list_held(self) -> list[int]:
        """Return the ids of the works that its loops hold."""
        return [one.id for _, held in [*self._held.values()] for one in held]

    def _handle(self, handle: Handle, claims: Sequence[Claim]) -> None:
        try:
            handle(claims)
        except Exception as error:
            if is_waited_for(error):
                log.warning("work_postponed", error=type(error).__name__)
                commit(self.engine, partial(_give_back, claims=claims, error=error))
                if isinstance(conclude(error), ExhaustedError):
                    raise
            elif len(claims) > 1:  # one that always fails must not stop the others
                log.warning("works_handled_one_by_one", exc_info=True)
                for one in claims:
                    self._handle(handle, [one])
            else:
                log.exception("work_failed", kind=claims[0].kind, subject=claims[0].subject)
                seconds = backoff(claims[0].starts - 1)
                commit(
                    self.engine,
                    partial(delay_or_bury, claim=claims[0], reason=FAILED, seconds=seconds),
                )

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

    def _wake_all(self) -> None:
        for pool in self.pools:
            pool.wake()


def _give_back(connection: Connection, claims: Sequence[Claim], error: Exception) -> None:
    """Release works uncounted, and at once if this process lacks memory, since another one may have it."""
    is_exhausted = isinstance(conclude(error), ExhaustedError)
    for one in claims:
        seconds = 0 if is_exhausted else until_next_try(one.waits)
        release(connection, one, seconds, str(conclude(error)), counts=False)


def build_pools(
    engine: Engine,
    notices: Notices,
    senders: Mapping[Channel, ChannelSender],
    publish: PublishEvent | None,
) -> Sequence[Pool]:
    """Return the loops of a notifier; `publish` is None where no program listens (the embedded mode)."""
    events = partial(publish_events, engine, notices, publish)
    messages = partial(send_message, engine, notices, senders)
    one_each = ClaimRule(one_for_each_part=True)
    # Few recipients at a time: their mails wait for the end of the transaction.
    return (
        Pool(WorkKind.REPLY, events, batch=50),
        Pool(WorkKind.RECIPIENTS, partial(list_recipients, engine, notices), batch=10),
        Pool(WorkKind.EVENT, events, batch=50, rule=ClaimRule(in_order=True)),
        Pool(WorkKind.PROGRESS, events, batch=50, rule=ClaimRule(in_order=True)),
        Pool(WorkKind.MAIL, messages, threads=4, rule=one_each),
        Pool(WorkKind.SUMMARY, messages, threads=2, rule=one_each),
        Pool(WorkKind.MESSAGE, messages, threads=4, rule=one_each),
    )
