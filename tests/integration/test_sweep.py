"""The sweep sends a token for each due work that has none: tokens may be lost, doubled, or never sent."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from unittest.mock import Mock

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import MOST_TOKENS, QUEUE_LISTES, QUEUE_REGISTRE, QUEUE_TABLEAUX
from tests.integration.export_desk import COMMUNE, Desk, lose_answer
from tests.parts.town import LIBREVILLE_TEMPLATE
from worker.db.engine import build_engine
from worker.db.types import utc_now
from worker.handlers.requests.ingest_request import ingest_request
from worker.housekeeping.housekeeping import sweep
from worker.messaging.broker import PrefectureBroker, build_broker
from worker.messaging.queues import TokenQueues
from worker.work.queue import BATCH, NewWork, Work, WorkKind, WorkState, add

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]


class Tokens:
    """The broker's queues of tokens."""

    def __init__(self, **waiting: int) -> None:
        self.waiting = Counter(waiting)

    def send(self, queue: str, number: int) -> None:
        self.waiting[queue] += number

    def count(self, queue: str) -> int:
        return self.waiting[queue]

    def sweep(self, desk: Desk) -> int:
        return sweep(desk.engine, self.send, self.count)

    def work(self, desk: Desk) -> None:
        """Do what workers do with all tokens."""
        while self.waiting.total():
            for queue in [*self.waiting.elements()]:
                self.waiting[queue] -= 1
                desk.take_token(queue)


def _add(desk: Desk, number: int, kind: WorkKind = WorkKind.LISTE, lane: int = 0) -> None:
    with desk.engine.begin() as connection:
        add(connection, [NewWork(kind, f"export:{it}", lane=lane) for it in range(number)])


def _ask(desk: Desk) -> CloudEvent:
    asked = ListeExportRequested(commune=COMMUNE, listes=["CE", "CM"], requested_by="mairie")  # type: ignore[list-item]
    event = CloudEvent.wrap(asked, source="/test")
    ingest_request(event, desk.services)
    return event


def _states(desk: Desk, event: CloudEvent) -> set[str]:
    return {row["status"] for row in desk.files_of(event)}


@pytest.mark.parametrize(("waiting", "sent"), [(0, 5), (2, 3), (4, 1), (5, 0), (300, 0)])
def test_the_sweep_sends_as_many_tokens_as_due_works_lack(
    desk: Desk, waiting: int, sent: int
) -> None:
    _add(desk, 4)
    _add(desk, 1, WorkKind.FINGERPRINT, BATCH)
    tokens = Tokens(listes=waiting)
    assert (tokens.sweep(desk), tokens.waiting[QUEUE_LISTES]) == (sent, waiting + sent)
    assert tokens.sweep(desk) == 0, "each has one"


@pytest.mark.parametrize(
    ("due", "waiting", "sent"),
    [(MOST_TOKENS - 1, 0, MOST_TOKENS - 1), (MOST_TOKENS + 1, 0, MOST_TOKENS), (600, 100, 400)],
)
def test_the_sweep_fills_a_queue_to_its_bound(
    desk: Desk, due: int, waiting: int, sent: int
) -> None:
    _add(desk, due)
    assert Tokens(listes=waiting).sweep(desk) == sent


def test_each_queue_is_counted_by_itself(desk: Desk) -> None:
    _add(desk, 3)
    _add(desk, 2, WorkKind.CERTIFICAT)
    _add(desk, 1, WorkKind.PREVIEW)
    _add(desk, 9, WorkKind.MAIL)
    tokens = Tokens(listes=1, tableaux=5)
    assert tokens.sweep(desk) == 2 + 0 + 1
    assert tokens.waiting == {QUEUE_LISTES: 3, QUEUE_TABLEAUX: 5, QUEUE_REGISTRE: 1}


@pytest.mark.parametrize(
    ("state", "due_in", "sent"),
    [
        (WorkState.DUE, 30, 0),
        (WorkState.HELD, 30, 0),
        (WorkState.HELD, -1, 1),
        (WorkState.DEAD, -1, 0),
    ],
)
def test_a_work_that_no_worker_could_claim_gets_no_token(
    desk: Desk, state: WorkState, due_in: float, sent: int
) -> None:
    _add(desk, 1)
    values = {"state": state, "due_at": utc_now(due_in), "within_seconds": 30}
    with desk.engine.begin() as connection:
        connection.execute(update(Work).values(**values))
    assert Tokens().sweep(desk) == sent


def test_a_purge_of_all_tokens_delays_the_files_by_one_sweep(desk: Desk) -> None:
    tokens = Tokens()
    desk.configure(send_tokens=tokens.send)
    events = [_ask(desk) for _ in range(3)]
    assert tokens.waiting == {QUEUE_LISTES: 6}, "one for each file, with the request"
    tokens.waiting.clear()
    tokens.sweep(desk)
    tokens.work(desk)
    assert [_states(desk, it) for it in events] == [{"ready"}] * 3


def test_a_request_recorded_while_the_broker_is_away_is_made_after_the_next_sweep(
    desk: Desk,
) -> None:
    desk.configure(send_tokens=Mock(side_effect=ConnectionError))
    event, tokens = _ask(desk), Tokens()
    tokens.sweep(desk)
    tokens.work(desk)
    assert _states(desk, event) == {"ready"}


def test_a_sweep_that_finds_the_broker_away_leaves_the_next_one_everything(desk: Desk) -> None:
    _add(desk, 2)
    away = Mock(side_effect=ConnectionError)
    for send, count in ((away, lambda _queue: 0), (Mock(), away)):
        with pytest.raises(ConnectionError):
            sweep(desk.engine, send, count)
    assert Tokens().sweep(desk) == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_of_two_notifiers_that_sweep_at_once_one_sends(desk: Desk, database_url: str) -> None:
    _add(desk, 3)
    tokens, others = Tokens(), Tokens()

    def send(queue: str, number: int) -> None:
        engine = build_engine(database_url)
        assert sweep(engine, others.send, others.count) == 0
        engine.dispose()
        tokens.send(queue, number)

    assert sweep(desk.engine, send, tokens.count) == 3
    assert others.waiting.total() == 0
    assert others.sweep(desk) == 3, "the next one may be another"


def test_a_request_whose_commit_is_not_answered_is_made_and_answered_again(desk: Desk) -> None:
    """The broker delivers it again, and the worker finds that it is recorded."""
    tokens = Tokens()
    desk.configure(send_tokens=tokens.send)
    asked = ListeExportRequested(commune=COMMUNE, listes=["CE"], requested_by="mairie")  # type: ignore[list-item]
    event = CloudEvent.wrap(asked, source="/test")
    with lose_answer(desk.engine, "INSERT INTO request"), pytest.raises(OperationalError):
        ingest_request(event, desk.services)
    (first,) = desk.announce()
    ingest_request(event, desk.services)
    (again,) = desk.announce()
    assert (again.id, again.data["status"], again.causationid) == (first.id, "accepted", event.id)
    tokens.sweep(desk)
    tokens.work(desk)
    assert _states(desk, event) == {"ready"}
    assert desk.values("SELECT count(*) FROM request") == [1]


# The queues of a real broker.


@pytest.fixture
def broker(amqp_url: str) -> Iterator[PrefectureBroker]:
    with closing(build_broker(amqp_url)) as broker:
        yield broker


def test_a_full_queue_of_tokens_refuses_further_ones_and_that_is_no_error(
    broker: PrefectureBroker,
) -> None:
    queues = TokenQueues(broker)
    assert queues.count(QUEUE_LISTES) == 0
    queues.send(QUEUE_LISTES, MOST_TOKENS + 20)
    queues.send(QUEUE_TABLEAUX, 2)
    counts = [queues.count(it) for it in (QUEUE_LISTES, QUEUE_TABLEAUX, QUEUE_REGISTRE)]
    assert counts == [MOST_TOKENS, 2, 0]


def test_a_queue_whose_tokens_were_purged_gets_others(desk: Desk, broker: PrefectureBroker) -> None:
    queues = TokenQueues(broker)
    desk.configure(send_tokens=queues.send)
    event = _ask(desk)
    broker.channel.queue_purge(QUEUE_LISTES)
    assert sweep(desk.engine, queues.send, queues.count) == 2
    assert queues.count(QUEUE_LISTES) == 2
    assert sweep(desk.engine, queues.send, queues.count) == 0
    desk.work()
    assert _states(desk, event) == {"ready"}
