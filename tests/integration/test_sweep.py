"""The sweep enqueues rows again whose message is lost, and not those that wait in a long queue."""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import closing

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from schemas.vocabulary import ExportKind, ExportStatus
from tests.integration.notifier_desk import TEMPLATE, Desk, make_export, make_tableau
from worker.db.types import utc_now
from worker.doorbell import Doorbell
from worker.exports.models import Export
from worker.housekeeping.housekeeping import sweep
from worker.messaging.broker import build_broker
from worker.messaging.queues import DoorbellQueues, count_doorbells
from worker.work.queue import FILES, WorkState, withdraw

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

LISTES, LISTES_BULK, TABLEAUX = (
    (ExportKind.LISTE, False),
    (ExportKind.LISTE, True),
    (ExportKind.TABLEAU, False),
)
ALWAYS = -1
"""A grace period that every row has exceeded."""


class Queue:
    """The broker's queue of list files; messages may be lost."""

    def __init__(self, *lost: int) -> None:
        self.messages: deque[int] = deque()
        self.enqueued: list[int] = []
        self._lost = set(lost)

    def enqueue(self, doorbells: Sequence[Doorbell]) -> None:
        """Append the messages, except the first one of each row that is to be lost."""
        for doorbell in doorbells:
            self.enqueued.append(doorbell.row_id)
            if doorbell.row_id in self._lost:
                self._lost.remove(doorbell.row_id)
            else:
                self.messages.append(doorbell.row_id)

    def count(self) -> Mapping[tuple[str, bool], int]:
        return {LISTES: len(self.messages)}


def wait_in_queue(desk: Desk, number: int, **fields: object) -> list[int]:
    """Rows that were enqueued long ago, the oldest first."""
    rows = [make_export(f"{index}=queued", str(index), **fields) for index in range(number)]
    desk.ask(*rows)
    for index, row in enumerate(rows):
        desk.change_file(row, enqueued_at=utc_now(index - 3600))
    return [row.id for row in rows]


def serve(desk: Desk, queue: Queue, number: int) -> None:
    """Take this many messages and make their rows ready; a copy finds its row ready."""
    taken = [queue.messages.popleft() for _ in range(min(number, len(queue.messages)))]
    with desk.engine.begin() as connection:
        connection.execute(
            update(Export).where(Export.id.in_(taken)).values(status=ExportStatus.READY)
        )
        withdraw(connection, FILES, taken)


def waiting(desk: Desk) -> set[int]:
    """The ids of queued rows."""
    with Session(desk.engine) as session:
        return set(session.scalars(select(Export.id).where(Export.status == ExportStatus.QUEUED)))


@pytest.mark.slow
def test_rows_of_a_long_queue_are_left_alone(desk: Desk) -> None:
    rows = wait_in_queue(desk, 600)
    queue = Queue()
    queue.messages.extend(rows)
    assert sweep(desk.engine, queue.enqueue, count=queue.count) == 0
    assert queue.enqueued == []


def test_as_many_rows_ring_as_messages_lack_the_oldest_first(desk: Desk) -> None:
    rows = wait_in_queue(desk, 50)
    queue = Queue()
    queue.messages.extend(rows[3:])
    assert sweep(desk.engine, queue.enqueue, count=queue.count) == 3
    assert queue.enqueued == rows[:3]
    assert sweep(desk.engine, queue.enqueue, count=queue.count) == 0


def test_lost_rows_of_a_queue_that_never_empties_are_made_within_one_pass_of_it(desk: Desk) -> None:
    rows = wait_in_queue(desk, 40)
    lost = rows[5], rows[20], rows[39]
    queue = Queue()
    queue.messages.extend(row for row in rows if row not in lost)
    queue.messages.extend(rows[:3])  # as many copies as lost messages, so that the length is right
    passes = 0
    while waiting(desk) & set(rows):
        passes += 1
        assert (
            passes <= 9
        )  # 40 messages at 10 a time, then the lost ones are appended to a queue of the same length
        newcomers = [
            make_export(f"{passes}-{index}=queued", f"{passes}-{index}") for index in range(10)
        ]
        desk.ask(*newcomers, event_id=str(passes))
        sweep(desk.engine, queue.enqueue, count=queue.count, grace_seconds=ALWAYS)
        serve(desk, queue, 10)
    assert len(queue.enqueued) <= 10 * passes + 2 * len(lost)


def test_a_ring_that_is_lost_again_is_repeated(desk: Desk) -> None:
    (row,) = wait_in_queue(desk, 1)
    queue = Queue(row)
    assert sweep(desk.engine, queue.enqueue, count=queue.count) == 1
    assert sweep(desk.engine, queue.enqueue, count=queue.count) == 0, "within the grace"
    assert sweep(desk.engine, queue.enqueue, count=queue.count, grace_seconds=ALWAYS) == 1
    assert queue.messages == deque([row])


def test_a_row_whose_worker_died_does_not_wait_for_the_queue_to_shrink(desk: Desk) -> None:
    rows = wait_in_queue(desk, 20)
    orphan = make_export("orphan=running", "orphan")
    desk.ask(orphan, event_id="orphan")
    desk.change_file(orphan, state=WorkState.HELD, lease_until=utc_now(-1))
    queue = Queue()
    queue.messages.extend(rows)
    assert sweep(desk.engine, queue.enqueue, count=queue.count) == 1
    assert queue.enqueued == [orphan.id]
    assert sweep(desk.engine, queue.enqueue, count=queue.count, grace_seconds=ALWAYS) == 0


@pytest.mark.slow
def test_each_queue_is_counted_by_itself(desk: Desk) -> None:
    bulk = wait_in_queue(desk, 3, is_bulk=True)
    single, tableau = make_export("P.csv=queued"), make_tableau("vingt_jours.P.commune=queued")
    desk.ask(single, tableau, event_id="alone")
    desk.change_file(single, enqueued_at=utc_now(-60))
    enqueued: list[Doorbell] = []
    assert (
        sweep(desk.engine, enqueued.extend, count=lambda: {LISTES: 1, LISTES_BULK: 1, TABLEAUX: 5})
        == 3
    )
    assert enqueued == [
        *(Doorbell(row, *LISTES_BULK) for row in bulk[:2]),
        Doorbell(tableau.id, *TABLEAUX),
    ]


def test_between_two_counts_what_never_left_is_enqueued(desk: Desk) -> None:
    wait_in_queue(desk, 2)
    fresh = make_export("9=queued", "fresh")
    desk.ask(fresh, event_id="alone")
    queue = Queue()
    assert sweep(desk.engine, queue.enqueue, count=queue.count, counts=False) == 1
    assert queue.enqueued == [fresh.id]


def test_the_broker_counts_the_doorbells_of_each_queue(amqp_url: str) -> None:
    doorbells = [
        Doorbell(1, *LISTES),
        Doorbell(2, *LISTES_BULK),
        Doorbell(3, *LISTES_BULK),
        Doorbell(4, *TABLEAUX),
    ]
    with closing(build_broker(amqp_url)) as broker:
        DoorbellQueues(broker).enqueue(doorbells)
    none = dict.fromkeys([(ExportKind.TABLEAU, True), ("preview", False), ("deferred", False)], 0)
    assert count_doorbells(amqp_url) == {LISTES: 1, LISTES_BULK: 2, TABLEAUX: 1} | none
