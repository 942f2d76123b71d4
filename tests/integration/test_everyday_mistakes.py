"""What people send who have not read the contract, or have read CloudEvents': each event that is confirmed is answered.

What CloudEvents 1.0 allows is served; what is wrong is refused with the true reason, to whoever can be told.
"""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika
import pytest
from pika.exceptions import UnroutableError

from schemas.conformance import conformance_cases
from schemas.envelope import CloudEvent
from schemas.topology import (
    EVENT_REQUEST_ACCEPTED,
    EVENT_REQUEST_REFUSED,
    EXCHANGE,
    REQUEST_LISTE_EXPORT,
)
from tests.parts.town import LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import PATIENCE_SECONDS, wait_until
from worker.messaging.encoder import UNKNOWN

pytestmark = [pytest.mark.integration, pytest.mark.database(LIBREVILLE_TEMPLATE)]

CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in conformance_cases()["cases"]}


@pytest.fixture
def town(postgres_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Town]:
    town = Town(postgres_url, amqp_url, tmp_path)
    yield town
    town.close()


class Listening:
    """Sends events, each confirmed, and keeps the answer to each."""

    def __init__(self, connection: pika.BlockingConnection, account: str) -> None:
        self._account = account
        self.answers: dict[str, CloudEvent] = {}
        """By what they call their request."""
        self._connection, self._channel = connection, connection.channel()
        self._channel.confirm_delivery()
        self._channel.queue_declare("listener")
        for event_type in (EVENT_REQUEST_ACCEPTED, EVENT_REQUEST_REFUSED):
            self._channel.queue_bind("listener", EXCHANGE, event_type)
        self._channel.basic_consume("listener", self._take, auto_ack=True)

    def send(self, key: str, body: bytes, properties: dict[str, Any]) -> bool:
        """Whether the broker holds it; else it was returned."""
        key = key.replace("{account}", self._account)
        try:
            self._channel.basic_publish(EXCHANGE, key, body, pika.BasicProperties(**properties), mandatory=True)
        except UnroutableError:
            return False
        self._connection.process_data_events(0)
        return True

    def warm_up(self) -> None:
        """Wait until the processes answer a first event."""
        case = CASES["as the contract has it"]
        body = json.dumps(json.loads(case["body"]) | {"id": "first"}).encode()
        assert self.send(case["routing_key"], body, case["properties"] | {"message_id": "first"})
        assert self.wait_for({"first": {"first"}}) == set(), "the first is not answered"

    def wait_for(self, called: dict[str, set[str]]) -> set[str]:
        """Wait for an answer to each, which calls it by one of these ids; those that have none after a minute."""
        silent, deadline = dict(called), time.monotonic() + PATIENCE_SECONDS
        while silent and time.monotonic() < deadline:
            self._connection.process_data_events(1)
            for name in [name for name, ids in silent.items() if ids & self.answers.keys()]:
                del silent[name]
        return set(silent)

    def _take(self, _channel: object, _method: object, _properties: object, body: bytes) -> None:
        answer = CloudEvent.from_bytes(body)
        self.answers.setdefault(answer.data["request"]["id"], answer)


def test_every_mistake_is_answered_with_the_true_reason(town: Town) -> None:
    town.start_worker()
    town.start_notifier()
    called = {name: {case["answer"]["request_id"]} for name, case in CASES.items()}
    with pika.BlockingConnection(pika.URLParameters(town.amqp_url)) as connection:
        listening = Listening(connection, town.account)
        listening.warm_up()
        for case in CASES.values():
            assert listening.send(case["routing_key"], _body(case), case["properties"])
        assert listening.wait_for(called) == set(), "not answered"
    answers = {name: listening.answers[case["answer"]["request_id"]] for name, case in CASES.items()}
    wrong = {name: answer.data for name, answer in answers.items() if not _is_expected(answer, CASES[name]["answer"])}
    assert wrong == {}
    assert town.queue("requests.XQ") == []


def _body(case: dict[str, Any]) -> bytes:
    return base64.b64decode(case["body_base64"]) if "body_base64" in case else str(case["body"]).encode()


def _is_expected(answer: CloudEvent, expected: dict[str, Any]) -> bool:
    said = {(fault["field"], fault["code"]) for fault in answer.data.get("errors", ()) if fault["message"]}
    wanted = {(fault["field"], fault["code"]) for fault in expected.get("errors", ())}
    return (answer.type, answer.data.get("code")) == (expected["type"], expected.get("code")) and wanted <= said


def _right_and_wrong(name: str) -> tuple[bytes, bytes]:
    right = json.loads(CASES["as the contract has it"]["body"]) | {"id": name}
    return json.dumps(right).encode(), json.dumps(right | {"time": "2026-11-25 08:30:00"}).encode()


@pytest.mark.slow
def test_an_event_that_is_put_right_may_be_sent_under_its_id(town: Town) -> None:
    town.start_worker()
    right, wrong = _right_and_wrong("the same")
    for body in (wrong, wrong, right, right, wrong):
        town.publish(body, REQUEST_LISTE_EXPORT)
    wait_until(lambda: len(town.rows("SELECT request_id FROM demandes")) == 2, message="both requests")
    wait_until(lambda: not town.queue("requests"), message="the copies")
    outcomes = town.rows("SELECT outcome, code, source FROM demandes ORDER BY request_id")
    assert [(row["outcome"], row["code"]) for row in outcomes] == [("refused", "evenement_illisible"), ("accepted", "")]
    assert UNKNOWN not in {row["source"] for row in outcomes}
