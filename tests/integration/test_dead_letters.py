"""`dead-letters`: an operator lists the dead letters; republishing and deleting lose none and repeat none."""

import re
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from io import StringIO
from urllib.parse import urlsplit

import pika
import pytest
from dramatiq import Message

from common.cli import ExitCode
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import (
    EXCHANGE,
    QUEUE_LISTES,
    QUEUE_REQUESTS,
    QUEUE_REQUESTS_BULK,
    REQUEST_LISTE_EXPORT,
    request_key,
)
from tests.integration.files_desk import Ran, Run
from tests.integration.notifier_desk import Killed
from tests.parts.databases import read_rows
from tests.parts.town import MIGRATED_TEMPLATE, account_of, queue_messages
from tests.parts.wait import wait_until
from worker.db.engine import build_engine
from worker.deferred import DeferredEvent, read_deferred
from worker.doorbell import Doorbell
from worker.housekeeping.housekeeping import sweep
from worker.messaging.broker import PrefectureBroker, build_broker
from worker.messaging.dead_letters import DeadLetterOffice
from worker.messaging.encoder import INGEST_ACTORS, LISTE
from worker.messaging.queues import add_account_queues

pytestmark = pytest.mark.database(MIGRATED_TEMPLATE)

EVENT = CloudEvent.wrap(
    ListeExportRequested(commune="13900", requested_by="mairie"), source="/mairie/13900"
)
SECRET = "LANTERNE Ursule"
TRAIL = "SELECT action, detail FROM audit ORDER BY id"


@pytest.fixture
def broker(amqp_url: str) -> Iterator[PrefectureBroker]:
    with closing(build_broker(amqp_url)) as broker:
        for queue in (*INGEST_ACTORS, QUEUE_LISTES):
            broker.declare_queue(queue, ensure=True)
        account = account_of(amqp_url)
        add_account_queues(amqp_url, account)
        broker.list_accounts = lambda: [account]
        yield broker


@pytest.fixture
def run(run: Run, broker: PrefectureBroker, amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PREFECTURE_AMQP_URL", amqp_url)
    return partial(run, "dead-letters")


def _bury(
    broker: PrefectureBroker,
    body: bytes,
    queue: str = QUEUE_REQUESTS,
    *,
    event: bool = False,
    headers: dict[str, str] | None = None,
) -> None:
    """Let a consumer reject a message: as poison, or because its actor failed."""
    account = getattr(broker.parameters[0].credentials, "username", "")
    properties = pika.BasicProperties(user_id=account, message_id="clic-1", headers=headers)
    key = request_key(account, REQUEST_LISTE_EXPORT, is_bulk=queue == QUEUE_REQUESTS_BULK)
    broker.channel.basic_publish(*((EXCHANGE, key) if event else ("", queue)), body, properties)
    with closing(broker.consume(queue, timeout=200)) as consumer:

        def is_buried() -> bool:
            if message := next(consumer):
                consumer.nack(message)
            return bool(
                broker.channel.queue_declare(f"{queue}.XQ", passive=True).method.message_count
                > before
            )

        before = broker.channel.queue_declare(f"{queue}.XQ", passive=True).method.message_count
        wait_until(is_buried, message="the dead letter")


def _doorbell(export_id: int = 41, **options: int) -> bytes:
    return Message(
        queue_name=QUEUE_LISTES, actor_name=LISTE, args=(export_id,), kwargs={}, options=options
    ).encode()


def _names(run: Run) -> list[str]:
    return re.findall(r"^│ ([0-9a-f]{12}) ", run("list").out, re.MULTILINE)


@pytest.mark.slow
def test_the_list_tells_everything_but_the_contents(
    run: Run, broker: PrefectureBroker, amqp_url: str
) -> None:
    assert run("list") == Ran(ExitCode.DONE, "Aucune lettre morte.\n", "")
    _bury(broker, SECRET.encode())
    _bury(broker, _doorbell(), QUEUE_LISTES)
    ran = run("list")
    assert ran.code == ExitCode.DONE
    for words in (
        "requests",
        "not JSON",
        str(len(SECRET)),
        "clic-1",
        urlsplit(amqp_url).username or "",
        "failed",
    ):
        assert words in ran.out
    assert SECRET not in ran.out + ran.err
    assert run("list", "--queue", "listes").out.count("failed") == 1
    assert "not JSON" not in run("list", "--queue", "listes").out
    assert run("list", "--queue", "courrier").code == ExitCode.USAGE
    assert len(_names(run)) == 2, "they are still there"


def test_a_doorbell_goes_back_as_a_new_one(
    run: Run, broker: PrefectureBroker, amqp_url: str, database_url: str
) -> None:
    _bury(broker, _doorbell(41), QUEUE_LISTES)
    (name,) = _names(run)
    assert run("requeue", name) == Ran(ExitCode.DONE, "1 lettre remise en file.\n", "")
    ((_, body),) = queue_messages(amqp_url, QUEUE_LISTES)
    message = Message.decode(body)
    assert (message.args, message.options) == ((41,), {})
    assert _names(run) == []
    assert read_rows(database_url, TRAIL) == [
        ("dead_letter_requeued", f"lettre {name} de listes (failed)")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("queue", INGEST_ACTORS)
def test_an_event_goes_back_with_the_sender_that_the_broker_knows(
    run: Run, broker: PrefectureBroker, database_url: str, amqp_url: str, queue: str
) -> None:
    _bury(
        broker,
        EVENT.to_bytes(),
        queue,
        event=True,
        headers={"x-sender": "prefecture", "x-reason": "forged"},
    )
    assert "forged" not in run("list").out
    assert run("requeue", "--all").code == ExitCode.DONE
    engine = build_engine(database_url)
    enqueued: list[Doorbell] = []
    assert sweep(engine, enqueued.extend) == 1
    with engine.connect() as connection:
        (arrival,) = read_deferred(connection, DeferredEvent.id == enqueued[0].row_id)
    engine.dispose()
    assert (enqueued[0].kind, arrival.event, arrival.sender) == (
        "deferred",
        EVENT,
        account_of(amqp_url),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "reason", ["toujours illisible (not JSON)", "pas à sa place dans cette file"]
)
def test_what_would_come_back_at_once_stays(
    run: Run, broker: PrefectureBroker, amqp_url: str, reason: str
) -> None:
    is_event = "illisible" in reason
    _bury(broker, SECRET.encode() if is_event else _doorbell())
    ran = run("requeue", "--all")
    assert (ran.code, ran.out.splitlines()[-1]) == (ExitCode.FAILED, "0 lettre remise en file.")
    assert reason in ran.err
    assert len(_names(run)) == 1
    assert queue_messages(amqp_url, QUEUE_REQUESTS) == []


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["", "\n", "n\n", "y\n"])
def test_dropping_asks_first(
    run: Run,
    broker: PrefectureBroker,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    _bury(broker, SECRET.encode())
    (name,) = _names(run)
    monkeypatch.setattr("sys.stdin", StringIO(answer))
    assert run("drop", name).code == ExitCode.INTERRUPTED
    assert (_names(run), read_rows(database_url, TRAIL)) == ([name], [])
    monkeypatch.setattr("sys.stdin", StringIO("oui\n"))
    asked = "Supprimer 1 lettre morte, pour toujours ? [o/N] "
    assert run("drop", name) == Ran(ExitCode.DONE, f"{asked}1 lettre supprimée.\n", "")
    assert _names(run) == []
    assert read_rows(database_url, TRAIL) == [
        ("dead_letter_dropped", f"lettre {name} de requests (not JSON)")
    ]
    assert run("drop", name, "--yes").code == ExitCode.FAILED


@pytest.mark.slow
def test_only_what_is_meant_is_sorted(run: Run, broker: PrefectureBroker) -> None:
    for export_id in (1, 2):
        _bury(broker, _doorbell(export_id), QUEUE_LISTES)
    _bury(broker, EVENT.to_bytes(), event=True)
    assert run("drop", "--yes").code == ExitCode.USAGE
    assert run("requeue", "0" * 12, "--all").code == ExitCode.USAGE
    first = _names(run)[0]
    assert run("drop", first, "--yes").out == "1 lettre supprimée.\n"
    assert len(_names(run)) == 2
    assert run("requeue", "--all", "--queue", "requests").out == "1 lettre remise en file.\n"
    assert len(_names(run)) == 1


def test_killed_between_the_copy_and_the_end_nothing_is_lost(
    run: Run, broker: PrefectureBroker, amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _bury(broker, _doorbell(41), QUEUE_LISTES)
    put_back = DeadLetterOffice.put_back

    def die(office: DeadLetterOffice, letter: object) -> None:
        put_back(office, letter)  # type: ignore[arg-type]  # passed on
        raise Killed

    monkeypatch.setattr(DeadLetterOffice, "put_back", die)
    with pytest.raises(Killed):
        run("requeue", "--all")
    assert len(queue_messages(amqp_url, QUEUE_LISTES)) == 1
    assert len(_names(run)) == 1
