"""The table of due work, on both databases: one owner, leases and waits that end, an order of turns."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import Engine, select, update

from schemas.topology import QUEUE_LISTES
from tests.parts.town import MIGRATED_TEMPLATE
from worker.db.engine import build_engine
from worker.db.types import utc_now
from worker.work.queue import (
    BATCH,
    MOST_STARTS,
    PEOPLE,
    Claim,
    NewWork,
    Work,
    WorkKind,
    add,
    bury,
    claim,
    claim_together,
    count_dead,
    count_due,
    delete_dead,
    finish,
    has_due,
    release,
    renew,
    retry,
)

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
LEASE_SECONDS, HOUR_SECONDS, DAY_SECONDS = 60, 3600, 86_400
SLACK_SECONDS = 6.0
"""A test may take so long between two statements: beyond a limit by less, a time is not yet sure to be beyond it."""


pytestmark = pytest.mark.database(MIGRATED_TEMPLATE)


class Queue:
    """The operations, each in a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def add(self, *works: NewWork, again: bool = False, seconds: float = 0) -> None:
        with self.engine.begin() as connection:
            add(connection, [it._replace(seconds=seconds) for it in works], again=again)

    def claim(
        self,
        owner: str = "first",
        kind: WorkKind = WorkKind.MAIL,
        limit: int = 1,
        lanes: tuple[int, int] = (PEOPLE, BATCH),
        held: Sequence[int] = (),
    ) -> list[Claim]:
        with self.engine.begin() as connection:
            return claim(
                connection,
                kind,
                owner,
                lease_seconds=LEASE_SECONDS,
                limit=limit,
                lanes=lanes,
                held=held,
            )

    def claim_together(self, owner: str) -> list[Claim]:
        times = {"lease_seconds": LEASE_SECONDS, "within_seconds": HOUR_SECONDS}
        with self.engine.begin() as connection:
            return claim_together(connection, WorkKind.SUMMARY, owner, **times)

    def renew(self, *claims: Claim, seconds: float) -> int:
        with self.engine.begin() as connection:
            return renew(connection, claims, lease_seconds=seconds)

    def finish(self, *claims: Claim) -> set[int]:
        with self.engine.begin() as connection:
            return finish(connection, claims)

    def release(self, one: Claim, seconds: float = 0, *, counts: bool = True) -> bool:
        with self.engine.begin() as connection:
            return release(connection, one, seconds, "occupé", counts=counts)

    def bury(self, one: Claim) -> bool:
        with self.engine.begin() as connection:
            return bury(connection, one, "jamais")

    def is_due_in(self, seconds: float, **values: object) -> None:
        """Set the instant of all works; while they are held, it is the end of their leases."""
        with self.engine.begin() as connection:
            connection.execute(update(Work).values(due_at=utc_now(seconds), **values))

    def rows(self) -> list[tuple[str, str, int, int, str]]:
        with self.engine.connect() as connection:
            columns = Work.subject, Work.state, Work.starts, Work.waits, Work.error
            return [tuple(row) for row in connection.execute(select(*columns).order_by(Work.id))]  # type: ignore[misc]


@pytest.fixture
def queue(database_url: str) -> Iterator[Queue]:
    engine = build_engine(database_url)
    yield Queue(engine)
    engine.dispose()


def mail(number: int, part: str = "", lane: int = PEOPLE, fair_tag: int = 0) -> NewWork:
    return NewWork(WorkKind.MAIL, f"request:{number}", part, lane, fair_tag)


def test_a_work_has_one_owner_and_every_other_writes_no_row(queue: Queue) -> None:
    queue.add(mail(1))
    (frozen,) = queue.claim("frozen")
    assert queue.claim("other") == []
    queue.is_due_in(-1)
    (taken,) = queue.claim("other")
    assert taken.starts == 2
    before = queue.rows()
    assert (queue.finish(frozen), queue.release(frozen), queue.bury(frozen)) == (
        set(),
        False,
        False,
    )
    assert queue.renew(frozen, seconds=3600) == 0
    assert queue.rows() == before
    queue.is_due_in(-1)
    assert queue.finish(taken) == {taken.id}, "late, but no other process has claimed it"
    assert queue.rows() == []


@pytest.mark.slow
def test_several_loops_claim_each_work_once(queue: Queue, database_url: str) -> None:
    queue.add(*(mail(number) for number in range(60)))
    start = Barrier(3)

    def claim_all(owner: int) -> list[int]:
        own = Queue(build_engine(database_url))
        start.wait()
        found = []
        while claims := own.claim(f"owner-{owner}", limit=7):
            found += [one.id for one in claims]
        own.engine.dispose()
        return found

    with ThreadPoolExecutor(3) as pool:
        claimed = [one for found in pool.map(claim_all, range(3)) for one in found]
    assert len(claimed) == len(set(claimed)) == 60


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_claim_waits_for_no_work_that_another_transaction_has_locked(queue: Queue) -> None:
    queue.add(mail(1), mail(2))
    with queue.engine.begin() as slow:
        (first,) = claim(slow, WorkKind.MAIL, "slow", lease_seconds=LEASE_SECONDS)
        with queue.engine.begin() as quick:
            quick.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
            (second,) = claim(quick, WorkKind.MAIL, "quick", lease_seconds=LEASE_SECONDS)
    assert (first.subject_id, second.subject_id) == (1, 2)


# The clock of the database may have been ahead when an instant was written.

BOUNDS = [
    (-1, True),
    (1, False),
    (LEASE_SECONDS + 0.9, False),
    (LEASE_SECONDS + 1 + SLACK_SECONDS, True),
    (HOUR_SECONDS, True),
]


@pytest.mark.parametrize(("due_in", "is_free"), BOUNDS)
def test_a_clock_that_was_an_hour_ahead_makes_no_lease_longer(
    queue: Queue, due_in: float, *, is_free: bool
) -> None:
    queue.add(mail(1))
    queue.claim("first")
    queue.is_due_in(due_in)
    assert has_due(queue.engine, WorkKind.MAIL) is is_free
    assert bool(queue.claim("second")) is is_free


@pytest.mark.parametrize(("due_in", "is_free"), BOUNDS)
def test_a_clock_that_was_an_hour_ahead_makes_no_wait_longer(
    queue: Queue, due_in: float, *, is_free: bool
) -> None:
    """A work that was added to wait, and one that was released to wait."""
    queue.add(mail(1), mail(2))
    claims = queue.claim(limit=2)
    queue.release(claims[0], LEASE_SECONDS)
    queue.finish(claims[1])
    queue.add(mail(2), seconds=LEASE_SECONDS)
    assert queue.claim() == [], "their waits begin"
    queue.is_due_in(due_in)
    assert len(queue.claim(limit=2)) == 2 * is_free


@pytest.mark.parametrize(
    ("due_in", "is_free"), [(0.9, False), (1 + SLACK_SECONDS, True), (HOUR_SECONDS, True)]
)
@pytest.mark.parametrize("kind", [WorkKind.LISTE, WorkKind.SUMMARY])
def test_a_work_added_while_the_clock_was_ahead_is_due_at_once(
    queue: Queue, kind: WorkKind, due_in: float, *, is_free: bool
) -> None:
    queue.add(NewWork(kind, "export:1"))
    queue.is_due_in(due_in)
    if kind is WorkKind.LISTE:
        with queue.engine.connect() as connection:
            assert count_due(connection, QUEUE_LISTES) == is_free, "the sweep sends a token for it"
        claims = queue.claim(kind=kind)
    else:
        claims = queue.claim_together("first")
    assert bool(claims) is is_free


def test_a_lease_that_is_renewed_for_longer_is_not_taken_for_one_of_the_future(
    queue: Queue,
) -> None:
    queue.add(mail(1), NewWork(WorkKind.SUMMARY, "request:1", "a"))
    (one,) = queue.claim("first")
    assert queue.renew(one, seconds=10 * LEASE_SECONDS) == 1
    assert queue.claim("second") == []
    assert queue.claim_together("first")
    assert queue.claim_together("second") == []


def test_a_clock_that_jumps_ahead_takes_no_work_from_a_loop_of_the_same_process(
    queue: Queue,
) -> None:
    queue.add(mail(1))
    (held,) = queue.claim("process/mail0")
    queue.is_due_in(-1)
    assert not has_due(queue.engine, WorkKind.MAIL, held=[held.id])
    assert queue.claim("process/mail1", held=[held.id]) == []
    assert queue.claim("process/mail1"), "no loop of the process handles it any more"


# Starts.


@pytest.mark.parametrize(
    ("starts", "rest"), [(1, 0), (2, 0), (3, 60), (4, 300), (5, 900), (MOST_STARTS, 0)]
)
def test_a_work_rests_once_its_process_has_died_three_times(
    queue: Queue, starts: int, rest: int
) -> None:
    """A host that is drained kills three processes within minutes."""
    queue.add(NewWork(WorkKind.LISTE, "export:1"))
    queue.claim("dies", WorkKind.LISTE)
    if rest:
        queue.is_due_in(SLACK_SECONDS - rest, starts=starts)
        assert queue.claim("next", WorkKind.LISTE) == [], "it rests"
        with queue.engine.connect() as connection:
            assert count_due(connection, QUEUE_LISTES) == 0, "no token is sent meanwhile"
    queue.is_due_in(-rest, starts=starts)
    (one,) = queue.claim("next", WorkKind.LISTE)
    assert one.starts == starts + 1


def test_a_work_that_a_process_released_does_not_rest(queue: Queue) -> None:
    queue.add(mail(1))
    for _ in range(MOST_STARTS):
        queue.release(queue.claim()[0])
    assert queue.claim()


def test_a_start_that_is_given_back_does_not_count(queue: Queue) -> None:
    queue.add(mail(1))
    for _ in range(3):
        queue.release(queue.claim()[0], counts=False)
    assert queue.rows() == [("request:1", "due", 0, 3, "occupé")]
    queue.release(queue.claim()[0])
    assert queue.rows() == [("request:1", "due", 1, 0, "occupé")]
    queue.release(queue.claim()[0], 60)
    assert queue.claim() == [], "not before its time"


def test_a_work_is_there_once_and_again_makes_it_due(queue: Queue) -> None:
    queue.add(mail(1), mail(1))
    (one,) = queue.claim()
    queue.add(mail(1), again=True)
    assert queue.rows() == [("request:1", "held", 1, 0, "")], "its owner does it"
    queue.release(one, 3600)
    queue.add(mail(1))
    assert queue.claim() == []
    queue.add(mail(1), again=True)
    queue.bury(queue.claim()[0])
    assert queue.claim() == []
    queue.add(mail(1), again=True)
    assert queue.rows() == [("request:1", "due", 0, 0, "")]
    queue.bury(queue.claim()[0])
    with queue.engine.begin() as connection:
        assert retry(connection, error="autre", since=LONG_AGO) == 0
        assert retry(connection, error="jama", since=LONG_AGO, kind=WorkKind.WEBHOOK) == 0
        assert retry(connection, error="jama", since=LONG_AGO, kind=WorkKind.MAIL) == 1
    assert queue.claim()


def test_retry_leaves_the_dead_works_of_before_its_day(queue: Queue) -> None:
    queue.add(mail(1), mail(2))
    for one in queue.claim(limit=2):
        queue.bury(one)
    since = datetime(2026, 3, 2, tzinfo=UTC)
    for subject, added_at in (("request:1", since - timedelta(seconds=1)), ("request:2", since)):
        with queue.engine.begin() as connection:
            connection.execute(
                update(Work).where(Work.subject == subject).values(created_at=added_at)
            )
    with queue.engine.begin() as connection:
        assert retry(connection, error="jamais", since=since) == 1
    assert [one.subject_id for one in queue.claim(limit=2)] == [2]


# The order.


def test_works_are_claimed_in_the_order_of_lanes_and_fair_tags(queue: Queue) -> None:
    queue.add(
        mail(1, lane=BATCH),
        mail(2, fair_tag=5),
        mail(3, fair_tag=2),
        mail(4, lane=BATCH, fair_tag=-1),
    )
    one_by_one = [queue.claim()[0].subject_id for _ in range(4)]
    assert one_by_one == [3, 2, 4, 1], "`claim` sorts what it claims together"


def test_a_process_for_people_claims_no_batch(queue: Queue) -> None:
    queue.add(mail(1, lane=BATCH), mail(2, lane=PEOPLE))
    claims = queue.claim(limit=9, lanes=(PEOPLE, PEOPLE))
    assert [one.subject_id for one in claims] == [2]
    assert queue.claim(lanes=(PEOPLE, PEOPLE)) == []
    assert [one.subject_id for one in queue.claim(limit=9)] == [1]


# The end.


def test_a_work_that_was_given_up_is_kept_for_ninety_days_and_counted(queue: Queue) -> None:
    queue.add(NewWork(WorkKind.END, "request:1"), mail(2), mail(3))
    for one in (*queue.claim(kind=WorkKind.END), *queue.claim()):
        queue.bury(one)
    with queue.engine.begin() as connection:
        assert count_dead(connection) == 1, "a message is on a page of its own"
    for days, deleted in ((89.9, 0), (90.1, 2)):
        with queue.engine.begin() as connection:
            connection.execute(update(Work).values(created_at=utc_now(-days * DAY_SECONDS)))
        assert delete_dead(queue.engine) == deleted
    assert [row[:2] for row in queue.rows()] == [("request:3", "due")]
