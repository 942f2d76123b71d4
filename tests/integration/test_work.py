"""The table of due work, on both databases: one owner, leases that expire, no work lost between two others."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
from sqlalchemy import Engine, select, update

from tests.parts.town import MIGRATED_TEMPLATE
from worker.db.engine import build_engine
from worker.db.types import utc_now
from worker.work.queue import (
    Claim,
    ClaimRule,
    NewWork,
    Work,
    WorkKind,
    _first_due,
    add,
    bury,
    claim,
    count_dead,
    delete_dead,
    finish,
    release,
    renew,
    retry,
)

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
FREE, ORDER, ONE_EACH = ClaimRule(), ClaimRule(in_order=True), ClaimRule(one_for_each_part=True)


pytestmark = pytest.mark.database(MIGRATED_TEMPLATE)


class Queue:
    """The operations, each in a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def add(self, *works: NewWork, again: bool = False) -> None:
        with self.engine.begin() as connection:
            add(connection, works, again=again)

    def claim(
        self,
        owner: str = "first",
        kind: WorkKind = WorkKind.MAIL,
        limit: int = 1,
        rule: ClaimRule = FREE,
        at_work: Sequence[int] = (),
    ) -> list[Claim]:
        with self.engine.begin() as connection:
            return claim(
                connection,
                kind,
                owner,
                lease_seconds=60,
                limit=limit,
                rule=rule,
                at_work=lambda: at_work,
            )

    def finish(self, *claims: Claim) -> set[int]:
        with self.engine.begin() as connection:
            return finish(connection, claims)

    def release(self, one: Claim, seconds: float = 0, *, counts: bool = True) -> bool:
        with self.engine.begin() as connection:
            return release(connection, one, seconds, "occupé", counts=counts)

    def bury(self, one: Claim) -> bool:
        with self.engine.begin() as connection:
            return bury(connection, one, "jamais")

    def lease_ends_in(self, seconds: float) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(Work).values(lease_until=utc_now(seconds)))

    def rows(self) -> list[tuple[str, str, int, int, str]]:
        with self.engine.connect() as connection:
            columns = Work.subject, Work.state, Work.starts, Work.waits, Work.error
            return [tuple(row) for row in connection.execute(select(*columns).order_by(Work.id))]  # type: ignore[misc]


@pytest.fixture
def queue(database_url: str) -> Iterator[Queue]:
    engine = build_engine(database_url)
    yield Queue(engine)
    engine.dispose()


def mail(number: int, part: str = "", **fields: int) -> NewWork:
    return NewWork(WorkKind.MAIL, f"request:{number}", part, **fields)


def test_a_work_has_one_owner_and_every_other_writes_no_row(queue: Queue) -> None:
    queue.add(mail(1))
    (frozen,) = queue.claim("frozen")
    assert queue.claim("other") == []
    queue.lease_ends_in(-1)
    (taken,) = queue.claim("other")
    assert taken.starts == 2
    before = queue.rows()
    assert (queue.finish(frozen), queue.release(frozen), queue.bury(frozen)) == (
        set(),
        False,
        False,
    )
    with queue.engine.begin() as connection:
        renew(connection, [frozen], lease_seconds=3600)
    assert queue.rows() == before
    queue.lease_ends_in(-1)
    assert queue.finish(taken) == {taken.id}, "late, but no other has it"
    assert queue.rows() == []


on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@on_postgresql
def test_a_renewal_does_not_wait_for_the_end_of_a_work(queue: Queue) -> None:
    queue.add(mail(1), mail(2))
    first, second = queue.claim(limit=2)
    with queue.engine.begin() as finishing, queue.engine.begin() as connection:
        finish(finishing, [first])
        connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
        renew(connection, [first, second], lease_seconds=30)


@on_postgresql
def test_a_claim_reads_few_pages_however_many_works_a_recipient_has(queue: Queue) -> None:
    queue.add(*(mail(number, f"{number % 3}", fair_tag=number) for number in range(1, 1501)))
    queue.claim(rule=ONE_EACH)
    query = _first_due(WorkKind.MAIL, ONE_EACH._replace(spares_failed=True)).params(
        number=1, at_work=[0]
    )
    with queue.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE work")
        written = query.compile(connection, compile_kwargs={"literal_binds": True})
        (plan,) = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {written}"
        ).scalar_one()
    assert plan["Plan"]["Shared Hit Blocks"] < 4000, (
        "each work looks for the held ones among all of its recipient"
    )


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


@pytest.mark.parametrize(
    ("ends_in", "is_free"), [(-1, True), (1, False), (55, False), (3600, True)]
)
def test_a_lease_never_ends_later_than_its_length_from_now(
    queue: Queue, ends_in: float, *, is_free: bool
) -> None:
    """Even when the database's clock was an hour ahead at the start of the lease."""
    queue.add(mail(1))
    queue.claim("first")
    queue.lease_ends_in(ends_in)
    assert bool(queue.claim("second")) is is_free


def test_a_clock_that_jumps_ahead_takes_no_work_from_a_loop_of_the_same_process(
    queue: Queue,
) -> None:
    queue.add(mail(1))
    (held,) = queue.claim("process/mail0")
    queue.lease_ends_in(-1)
    assert queue.claim("process/mail1", at_work=[held.id]) == []
    assert queue.claim("process/mail1"), "no loop of the process handles it any more"


def test_what_a_loop_claims_meanwhile_is_seen_by_the_next_one(queue: Queue) -> None:
    """The second loop waits for the transaction of the first; the clock jumps before it sees the work."""
    queue.add(mail(1))
    held: list[int] = []
    with ThreadPoolExecutor() as pool:
        with queue.engine.begin() as connection:
            (one,) = claim(
                connection, WorkKind.MAIL, "process/mail0", lease_seconds=60, limit=1, rule=FREE
            )
            second = pool.submit(queue.claim, "process/mail1", at_work=held)
            time.sleep(0.5)  # it waits for its turn
            connection.execute(update(Work).values(lease_until=utc_now(-1)))
            held.append(one.id)
        assert second.result() == []


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
    assert queue.rows() == [("request:1", "held", 1, 0, "")], "who holds it does it"
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
        assert retry(connection, error="jama", since=LONG_AGO, kind=WorkKind.MESSAGE) == 0
        assert retry(connection, error="jama", since=LONG_AGO, kind=WorkKind.MAIL) == 1
    assert queue.claim()


def test_works_are_claimed_in_the_order_of_lanes_and_fair_tags(queue: Queue) -> None:
    queue.add(
        mail(1, lane=1), mail(2, fair_tag=5), mail(3, fair_tag=2), mail(4, lane=1, fair_tag=-1)
    )
    assert [one.subject_id for one in queue.claim(limit=9)] == [3, 2, 4, 1]


def test_a_recipient_has_one_message_at_a_time(queue: Queue) -> None:
    queue.add(mail(1, "a"), mail(2, "a"), mail(3, "b"))
    claimed = [queue.claim(f"loop-{number}", rule=ONE_EACH) for number in range(3)]
    assert [[one.part for one in claims] for claims in claimed] == [["a"], ["b"], []]
    queue.release(claimed[0][0], 60, counts=False)
    assert [one.subject_id for one in queue.claim("loop-3", rule=ONE_EACH)] == [2]


def test_one_loop_is_kept_for_recipients_that_do_not_fail(queue: Queue) -> None:
    queue.add(mail(1, "hangs"), mail(2, "hangs"), mail(3, "answers"))
    queue.release(queue.claim()[0], 60)
    kept = ClaimRule(one_for_each_part=True, spares_failed=True)
    assert [one.part for one in queue.claim(rule=kept)] == ["answers"]


def test_the_works_of_a_subject_are_done_in_order(queue: Queue) -> None:
    """The event that completes a request is published after those of its files."""
    queue.add(*(NewWork(WorkKind.EVENT, "request:1", part) for part in ("P.csv", "P.xml", "")))
    (first,) = queue.claim("first", WorkKind.EVENT, rule=ORDER)
    assert queue.claim("second", WorkKind.EVENT, limit=9, rule=ORDER) == []
    queue.release(first, 60, counts=False)
    assert queue.claim("second", WorkKind.EVENT, limit=9, rule=ORDER) == []
    queue.add(NewWork(WorkKind.EVENT, "request:1", "P.csv"), again=True)
    together = queue.claim("second", WorkKind.EVENT, limit=9, rule=ORDER)
    assert [one.part for one in together] == ["P.csv", "P.xml", ""]


def test_what_was_given_up_is_kept_for_ninety_days_and_named(queue: Queue) -> None:
    queue.add(NewWork(WorkKind.EVENT, "request:1"), mail(2), NewWork("wash", "volume:exports"))  # type: ignore[arg-type]
    queue.bury(queue.claim(kind=WorkKind.EVENT)[0])
    with queue.engine.begin() as connection:
        assert count_dead(connection) == 1
    assert (delete_dead(queue.engine), delete_dead(queue.engine, days=-1)) == (0, 1)
    assert [row[:2] for row in queue.rows()] == [("request:2", "due"), ("volume:exports", "due")]
