"""What breaks while a file is made: each time one file, its recorded hash, one mail, and nothing half-written."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from tests.parts.databases import Template
from tests.parts.mail import Mailbox
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import CITY_TEMPLATE, Town
from tests.parts.wait import wait_until

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def database_template() -> Template:
    return CITY_TEMPLATE


@pytest.fixture
def town(postgres_url: str, amqp_url: str, tmp_path: Path, mailbox: Mailbox) -> Iterator[Town]:
    town = Town(postgres_url, amqp_url, tmp_path, mailbox.port)
    yield town
    town.close()


def test_a_worker_killed_in_the_middle_is_replaced(town: Town, mailbox: Mailbox) -> None:
    town.start_notifier()
    worker = town.start_worker()
    event = town.ask(times=2, listes=["P"], formats=["xml"])
    _wait_for_a_part(town)
    worker.kill()
    _wait_for_a_part(town)
    town.start_worker()
    _check_one_file(town, event.id, mailbox)


def test_a_worker_frozen_past_its_lease_publishes_nothing(town: Town, mailbox: Mailbox) -> None:
    town.start_notifier()
    frozen = town.start_worker()
    event = town.ask(listes=["P"], formats=["xml"])
    _wait_for_a_part(town)
    _signal_all(frozen.pid, SIGSTOP)
    town.start_worker()
    exports = town.wait_for(event)
    before = (town.exports / "13900" / exports[0]["file_name"]).stat()
    _signal_all(frozen.pid, SIGCONT)
    wait_until(
        lambda: "lease_lost" in town.log("worker"), timeout=20, message="the frozen worker to see its lease lost"
    )
    after = (town.exports / "13900" / exports[0]["file_name"]).stat()

    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    _check_one_file(town, event.id, mailbox)


def test_the_database_restarted_in_the_middle(town: Town, mailbox: Mailbox, postgres_server: PostgresServer) -> None:
    town.start_notifier()
    town.start_worker()
    event = town.ask(times=2, listes=["P"], formats=["xml"])
    _wait_for_a_part(town)
    postgres_server.restart()
    _check_one_file(town, event.id, mailbox)


def test_the_broker_killed_in_the_middle(town: Town, mailbox: Mailbox, rabbit_node: RabbitNode) -> None:
    town.start_notifier()
    town.start_worker()
    event = town.ask(times=2, listes=["P"], formats=["xml"])
    _wait_for_a_part(town)
    rabbit_node.kill()
    rabbit_node.start()
    _check_one_file(town, event.id, mailbox)
    other = town.ask(listes=["CE"])
    assert town.wait_for(other)


def test_a_full_volume_is_waited_out(town: Town, mailbox: Mailbox) -> None:
    """Even root cannot make a directory where a file stands: the volume is « without right to write » until freed."""
    town.start_notifier()
    town.exports.write_bytes(b"")
    town.start_worker()
    event = town.ask(listes=["CE"])
    (export,) = town.wait_for(event, status="queued")
    wait_until(lambda: town.exports_of(event)[0]["error_code"], message="the reason on the row")
    town.exports.unlink()
    _check_one_file(town, event.id, mailbox)
    assert export["label"].startswith("Liste CE")


def _call(**changes: object) -> bytes:
    call = {"queue_name": "requests", "actor_name": "ingest", "args": [{}], "kwargs": {}, "options": {}}
    return json.dumps(call | {"message_id": "x", "message_timestamp": 1} | changes).encode()


POISON = {
    "not JSON": b"LANTERNE Ursule",
    "not UTF-8": b"\xff\xfeLANTERNE",
    "not a JSON object": b'["LANTERNE"]',
    "not a CloudEvent": b'{"nom": "LANTERNE"}',
    "unknown or missing field": _call(nom="LANTERNE"),
    "unknown actor": _call(actor_name=["LANTERNE"]),
    "not the queue of its actor": _call(queue_name="listes"),
    "not for this queue": _call(queue_name="listes", actor_name="export_liste", args=[1]),
    "unknown option": _call(options={"throws": "LANTERNE"}),
    "wrong type of option": _call(options={"retries": "LANTERNE"}),
    "wrong eta": _call(queue_name="requests.DQ", options={"eta": 1 << 60}),
    "one argument is expected": _call(args=[1, 2]),
}


def test_poison_is_put_aside_with_its_reason_and_good_requests_are_served(town: Town) -> None:
    town.start_worker()
    for body in POISON.values():
        town.publish(body, "requests", exchange="")
    good = town.ask(listes=["CE"])
    town.wait_for(good)
    dead = town.collect("requests.XQ", len(POISON))
    reasons = {body: str(headers["x-reason"]) for headers, body in dead}
    for reason, body in POISON.items():
        assert reason in reasons[body]
    assert "LANTERNE" not in town.log("worker") + "".join(reasons.values())
    assert town.queue("requests") == []


def _wait_for_a_part(town: Town) -> None:
    wait_until(lambda: any(name.endswith(".part") for name in town.files()), message="a file being written")


def _check_one_file(town: Town, event_id: str, mailbox: Mailbox) -> None:
    def is_ready() -> bool:
        rows = town.rows("SELECT status FROM derniers_exports WHERE event_id = :id", id=event_id)
        return [row["status"] for row in rows] == ["ready"]

    wait_until(is_ready, timeout=60, message=f"the file; {town.log('worker')[-2000:]}")
    mailbox.wait_for(1, timeout=20)
    (export,) = town.rows("SELECT * FROM derniers_exports WHERE event_id = :id", id=event_id)
    content = (town.exports / "13900" / export["file_name"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == export["sha256"]
    assert content.count(b"<Electeur>" if export["format"] == "xml" else b"\n") == export["electeurs"] + (
        export["format"] == "csv"
    )
    wait_until(lambda: not any(name.startswith(".") for name in town.files()), message="no temporary file")
    assert len(mailbox.mails) == 1


def _signal_all(pid: int, signal: int) -> None:
    os.killpg(pid, signal)
