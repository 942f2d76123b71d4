"""`dead-letters`: an operator lists the dead letters; requeueing and deleting lose none and repeat none."""

import re
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from io import StringIO
from typing import Any

import pika
import pytest

from common.cli import ExitCode
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import (
    EXCHANGE,
    QUEUE_LISTES,
    QUEUE_PROGRAMS,
    REQUEST_LISTE_EXPORT,
    REQUEST_QUEUES,
    SCREEN_ACCOUNT,
    request_key,
)
from tests.faults.poison import HAND_MADE
from tests.integration.files_desk import Ran, Run
from tests.integration.notifier_desk import Killed
from tests.parts.databases import read_rows
from tests.parts.town import MIGRATED_TEMPLATE, account_of, queue_messages
from tests.parts.wait import wait_until
from worker.messaging.broker import PrefectureBroker, build_broker
from worker.messaging.dead_letters import DeadLetterOffice
from worker.messaging.queues import TokenQueues
from worker.messaging.reading import ACTORS, IncomingEvent

pytestmark = pytest.mark.database(MIGRATED_TEMPLATE)

EVENT = CloudEvent.wrap(
    ListeExportRequested(commune="13900", requested_by="mairie"), source="/mairie/13900"
)
SECRET = "LANTERNE Ursule"
TRAIL = "SELECT action, detail FROM audit ORDER BY id"


@pytest.fixture
def broker(amqp_url: str) -> Iterator[PrefectureBroker]:
    with closing(build_broker(amqp_url)) as broker:
        for queue in ACTORS:
            broker.declare_queue(queue, ensure=True)
        yield broker


@pytest.fixture
def run(run: Run, broker: PrefectureBroker, amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PREFECTURE_AMQP_URL", amqp_url)
    return partial(run, "dead-letters")


def _bury(
    broker: PrefectureBroker,
    body: bytes,
    queue: str = QUEUE_PROGRAMS,
    account: str = "",
    **properties: Any,  # noqa: ANN401 — of AMQP
) -> None:
    """Let a consumer reject a message, as poison or because its actor failed; an `account` publishes an event."""
    known = pika.BasicProperties(message_id="clic-1", **properties)
    to = (EXCHANGE, request_key(account, REQUEST_LISTE_EXPORT)) if account else ("", queue)
    broker.channel.basic_publish(*to, body, known, mandatory=True)
    _reject(broker, queue)


def _reject(broker: PrefectureBroker, queue: str) -> None:
    before = _count_dead(broker, queue)
    with closing(broker.consume(queue, timeout=200)) as consumer:

        def is_buried() -> bool:
            if message := next(consumer):
                consumer.nack(message)
            return _count_dead(broker, queue) > before

        wait_until(is_buried, message="the dead letter")


def _count_dead(broker: PrefectureBroker, queue: str) -> int:
    return int(broker.channel.queue_declare(f"{queue}.XQ", passive=True).method.message_count)


def _bury_token(broker: PrefectureBroker) -> None:
    TokenQueues(broker).send(QUEUE_LISTES)
    with closing(broker.consume(QUEUE_LISTES, timeout=1000)) as consumer:
        token = wait_until(lambda: next(consumer), message="the token")
        assert token is not None
        consumer.nack(token)
        wait_until(lambda: next(consumer) or _count_dead(broker, QUEUE_LISTES), message="its end")


def _names(run: Run) -> list[str]:
    return re.findall(r"^│ ([0-9a-f]{12}) ", run("list").out, re.MULTILINE)


def _take(broker: PrefectureBroker, queue: str) -> IncomingEvent:
    with closing(broker.consume(queue, timeout=200)) as consumer:
        message = wait_until(lambda: next(consumer), message="an event")
        assert message is not None
        incoming: IncomingEvent = message.args[0]
        return incoming


@pytest.mark.slow
def test_list_shows_everything_but_the_contents(
    run: Run, broker: PrefectureBroker, amqp_url: str
) -> None:
    assert run("list") == Ran(ExitCode.DONE, "Aucune lettre morte.\n", "")
    account = account_of(amqp_url)
    _bury(broker, SECRET.encode())
    _bury(broker, EVENT.to_bytes(), account=account, user_id=account)
    _bury_token(broker)
    ran = run("list")
    assert ran.code == ExitCode.DONE
    shown = "requests-programs", "exchange", str(len(SECRET)), "clic-1", account, "failed"
    assert [word for word in shown if word not in ran.out] == []
    assert SECRET not in ran.out + ran.err
    assert run("list", "--queue", "listes").out.count("failed") == 1
    assert "exchange" not in run("list", "--queue", "listes").out
    assert run("list", "--queue", "courrier").code == ExitCode.USAGE
    assert len(_names(run)) == 3, "they are still there"


@pytest.mark.parametrize("account", [SCREEN_ACCOUNT, "compta"])
def test_event_is_requeued_in_its_queue_with_its_account(
    run: Run, broker: PrefectureBroker, database_url: str, account: str
) -> None:
    queue = dict(zip((SCREEN_ACCOUNT, "compta"), REQUEST_QUEUES, strict=True))[account]
    _bury(broker, EVENT.to_bytes(), queue, account)
    (name,) = _names(run)
    assert run("requeue", name) == Ran(ExitCode.DONE, "1 lettre remise en file.\n", "")
    incoming = _take(broker, queue)
    assert (incoming.event, incoming.sender, incoming.faults) == (EVENT, account, ())
    assert _names(run) == []
    assert read_rows(database_url, TRAIL) == [
        ("dead_letter_requeued", f"lettre {name} de {queue} (failed)")
    ]


def test_event_whose_queue_is_gone_stays_among_the_dead_letters(
    run: Run, broker: PrefectureBroker
) -> None:
    queue, _ = REQUEST_QUEUES
    _bury(broker, EVENT.to_bytes(), queue, SCREEN_ACCOUNT)
    (name,) = _names(run)
    broker.channel.queue_delete(queue)
    assert run("requeue", name).code != ExitCode.DONE
    assert _names(run) == [name]


def test_event_of_a_token_is_requeued_with_the_token(
    run: Run, broker: PrefectureBroker, amqp_url: str
) -> None:
    """The screen names the token in a property."""
    queue, _ = REQUEST_QUEUES
    _bury(broker, EVENT.to_bytes(), queue, SCREEN_ACCOUNT, app_id="jeton compta")
    assert "jeton compta" in run("list").out
    assert run("requeue", "--all").code == ExitCode.DONE
    assert _take(broker, queue).sender == "jeton compta"


@pytest.mark.slow
def test_headers_of_a_sender_choose_neither_reason_nor_account(
    run: Run, broker: PrefectureBroker, amqp_url: str
) -> None:
    account = account_of(amqp_url)
    invented = {
        "reason": "expired",
        "exchange": "amq.topic",
        "routing-keys": [request_key(SCREEN_ACCOUNT, REQUEST_LISTE_EXPORT)],
    }
    headers: Any = {"x-death": [invented], "x-sender": "prefecture", "x-reason": "forged"}
    _bury(broker, EVENT.to_bytes(), account=account, headers=headers)
    ran = run("list")
    assert [word in ran.out for word in ("forged", "expired", SCREEN_ACCOUNT)] == [False] * 3
    assert run("requeue", "--all").code == ExitCode.DONE
    assert _take(broker, QUEUE_PROGRAMS).sender == account


@pytest.mark.slow
def test_unreadable_event_stays_among_the_dead_letters(
    run: Run, broker: PrefectureBroker, amqp_url: str
) -> None:
    poison, _ = HAND_MADE["a date beyond years"]
    to = poison.exchange, poison.routing_key
    broker.channel.basic_publish(*to, poison.body, poison.properties, mandatory=True)
    _reject(broker, QUEUE_PROGRAMS)
    ran = run("requeue", "--all")
    assert (ran.code, ran.out.splitlines()[-1]) == (ExitCode.FAILED, "0 lettre remise en file.")
    assert "laissée où elle est" in ran.err
    assert len(_names(run)) == 1
    assert queue_messages(amqp_url, QUEUE_PROGRAMS) == []


@pytest.mark.slow
def test_token_and_event_straight_to_a_queue_can_only_be_dropped(
    run: Run, broker: PrefectureBroker
) -> None:
    """The sweep sends other tokens. An event that came straight to a queue has no account."""
    _bury_token(broker)
    _bury(broker, EVENT.to_bytes())
    ran = run("requeue", "--all")
    assert (ran.code, ran.out.splitlines()[-1]) == (ExitCode.FAILED, "0 lettre remise en file.")
    assert ran.err.count("laissée où elle est : un jeton, ou un message publié droit") == 2
    assert run("drop", "--all", "--yes").out == "2 lettres supprimées.\n"
    assert _names(run) == []


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["", "\n", "n\n", "y\n"])
def test_drop_asks_first(
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
    reason = "an event that did not come by the exchange"
    assert read_rows(database_url, TRAIL) == [
        ("dead_letter_dropped", f"lettre {name} de {QUEUE_PROGRAMS} ({reason})")
    ]
    assert run("drop", name, "--yes").code == ExitCode.FAILED


@pytest.mark.slow
def test_only_the_named_letters_are_dropped_or_requeued(run: Run, broker: PrefectureBroker) -> None:
    for body in (b"first", b"second"):
        _bury(broker, body)
    _bury(broker, EVENT.to_bytes(), REQUEST_QUEUES[0], SCREEN_ACCOUNT)
    assert run("drop", "--yes").code == ExitCode.USAGE
    assert run("requeue", "0" * 12, "--all").code == ExitCode.USAGE
    poison = re.findall(
        r"^│ ([0-9a-f]{12}) ", run("list", "--queue", QUEUE_PROGRAMS).out, re.MULTILINE
    )
    assert run("drop", poison[0], "--yes").out == "1 lettre supprimée.\n"
    assert len(_names(run)) == 2
    assert run("requeue", "--all", "--queue", "requests").out == "1 lettre remise en file.\n"
    assert _names(run) == poison[1:]


def test_kill_between_the_copy_and_the_end_loses_no_event(
    run: Run, broker: PrefectureBroker, amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _bury(broker, EVENT.to_bytes(), account=account_of(amqp_url))
    put_back = DeadLetterOffice.put_back

    def die(office: DeadLetterOffice, letter: object) -> None:
        put_back(office, letter)  # type: ignore[arg-type]  # passed on
        raise Killed

    monkeypatch.setattr(DeadLetterOffice, "put_back", die)
    with pytest.raises(Killed):
        run("requeue", "--all")
    assert len(queue_messages(amqp_url, QUEUE_PROGRAMS)) == 1
    assert len(_names(run)) == 1
