"""Mistakes of senders who misread the contract or know CloudEvents only: each confirmed event is answered.

Events that CloudEvents 1.0 allows are accepted; invalid ones are refused with the true reason, if a reply is possible.
"""

import base64
import json
import time
from typing import Any

import pika
import pytest
from pika.exceptions import UnroutableError

from schemas.envelope import CloudEvent
from schemas.generate import ROOT
from schemas.topology import (
    EVENT_REQUEST_STATUS,
    EXCHANGE,
    QUEUE_PROGRAMS,
    REQUEST_LISTE_EXPORT,
    account_key,
)
from tests.parts.town import LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import PATIENCE_SECONDS, wait_until
from worker.messaging.dead_letters import open_office
from worker.messaging.reading import UNKNOWN

pytestmark = pytest.mark.database(LIBREVILLE_TEMPLATE)

_KIT = json.loads((ROOT / "conformance" / "cases.json").read_bytes())
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in _KIT["cases"]}


class Listening:
    """Publishes events with confirmation, and keeps the answers."""

    def __init__(self, connection: pika.BlockingConnection, account: str) -> None:
        self._account = account
        self.answers: dict[str, CloudEvent] = {}
        """By the id of the request in the answer."""
        self._connection, self._channel = connection, connection.channel()
        self._channel.confirm_delivery()
        self._channel.queue_declare("listener")
        self._channel.queue_bind("listener", EXCHANGE, account_key(EVENT_REQUEST_STATUS, account))
        self._channel.basic_consume("listener", self._take, auto_ack=True)

    def send(self, key: str, body: bytes, properties: dict[str, Any]) -> bool:
        """Whether the broker has accepted the event; else it was returned."""
        key = key.replace("{account}", self._account)
        try:
            self._channel.basic_publish(
                EXCHANGE, key, body, pika.BasicProperties(**properties), mandatory=True
            )
        except UnroutableError:
            return False
        self._connection.process_data_events(0)
        return True

    def wait_for(self, called: dict[str, set[str]]) -> set[str]:
        """Wait for an answer to each event, under one of these ids; return those without an answer after a minute."""
        silent, deadline = dict(called), time.monotonic() + PATIENCE_SECONDS
        while silent and time.monotonic() < deadline:
            self._connection.process_data_events(1)
            silent = {name: ids for name, ids in silent.items() if not ids & self.answers.keys()}
        return set(silent)

    def _take(self, _channel: object, _method: object, _properties: object, body: bytes) -> None:
        answer = CloudEvent.from_bytes(body)
        if (
            answer.data["status"] != "settled"
        ):  # the end of a request may be published before its reply
            self.answers.setdefault(answer.data["request"]["id"], answer)


def test_every_mistake_is_answered_with_the_true_reason(town: Town) -> None:
    town.start_worker(LIMIT_EXPIRED_SECONDS="0.2")
    town.start_notifier()
    called = {name: {case["answer"]["request_id"]} for name, case in CASES.items()}
    with pika.BlockingConnection(pika.URLParameters(town.amqp_url)) as connection:
        listening = Listening(connection, town.account)
        for case in CASES.values():
            body = base64.b64decode(case.get("body_base64", "")) or str(case["body"]).encode()
            assert listening.send(case["routing_key"], body, case["properties"])
        assert listening.wait_for(called) == set(), "not answered"
    answers = {
        name: listening.answers[case["answer"]["request_id"]] for name, case in CASES.items()
    }
    wrong = {
        name: answer.data
        for name, answer in answers.items()
        if not _is_expected(answer, CASES[name]["answer"])
    }
    assert wrong == {}
    assert town.queue(f"{QUEUE_PROGRAMS}.XQ") == []


def _is_expected(answer: CloudEvent, expected: dict[str, Any]) -> bool:
    told = answer.type, answer.data["status"], answer.data.get("code")
    wanted = expected["type"], expected["status"], expected.get("code")
    has_faults = all(
        _faults(expected, kind) <= _faults(answer.data, kind) for kind in ("errors", "ignored")
    )
    return told == wanted and has_faults


def _faults(answer: dict[str, Any], kind: str) -> set[tuple[str, str]]:
    return {(fault["field"], fault["code"]) for fault in answer.get(kind, ())}


@pytest.mark.slow
def test_an_event_that_is_put_right_may_be_sent_under_its_id(town: Town) -> None:
    town.start_worker()
    right = json.loads(CASES["as the contract has it"]["body"]) | {"id": "the same"}
    wrong = right | {"time": "2026-11-25 08:30:00"}
    for event in (wrong, wrong, right, right, wrong):
        town.publish(json.dumps(event).encode(), REQUEST_LISTE_EXPORT)
    wait_until(
        lambda: len(town.rows("SELECT request_id FROM demandes")) == 2, message="both requests"
    )
    wait_until(lambda: not town.queue("requests"), message="the copies")
    outcomes = town.rows("SELECT outcome, code, source FROM demandes ORDER BY request_id")
    assert [(row["outcome"], row["code"]) for row in outcomes] == [
        ("refused", "evenement_illisible"),
        ("accepted", ""),
    ]
    assert UNKNOWN not in {row["source"] for row in outcomes}


def test_an_event_that_expires_before_any_worker_reads_it_is_refused(town: Town) -> None:
    """It is gone from the queue at once: its answer comes from the dead letters."""
    names = "an expiration of nothing", "an expiration of 100 ms"
    with pika.BlockingConnection(pika.URLParameters(town.amqp_url)) as connection:
        listening = Listening(connection, town.account)
        for name in names:
            case = CASES[name]
            assert listening.send(case["routing_key"], case["body"].encode(), case["properties"])
    dead = f"{QUEUE_PROGRAMS}.XQ"
    with open_office(town.amqp_url) as office:
        wait_until(lambda: office.count(QUEUE_PROGRAMS) == len(names), message="the dead letters")
    town.start_worker(LIMIT_EXPIRED_SECONDS="0.2")
    asked = "SELECT event_id, sender, faults FROM demandes ORDER BY request_id"
    wait_until(lambda: len(town.rows(asked)) == len(names), message="both refusals")
    told = [(row["event_id"], row["sender"], row["faults"][0]["code"]) for row in town.rows(asked)]
    assert told == [(name, town.account, "expiration") for name in names]
    with open_office(town.amqp_url) as office:
        wait_until(lambda: office.count(QUEUE_PROGRAMS) == 0, message=f"no letter in {dead}")


def test_what_another_program_writes_otherwise_is_the_same_event(town: Town) -> None:
    """Order, doubled values, defaults in words, `null`, and no `user_id`: one request, with the same files once."""
    asked = {"commune": "13900", "requested_by": "mairie"}
    ways = (
        asked | {"listes": ["P", "CE"]},
        asked | {"listes": ["CE", "P", "CE"], "formats": ["csv", "csv"]},
        asked | {"listes": ["CE", "P"], "bulk": False, "copie": None},
    )
    right = json.loads(CASES["as the contract has it"]["body"]) | {"id": "the same"}
    for data in ways:
        town.publish(json.dumps(right | {"data": data}).encode(), REQUEST_LISTE_EXPORT)
    last = right | {"id": "another"}
    town.publish(json.dumps(last).encode(), REQUEST_LISTE_EXPORT)
    town.start_worker()
    wait_until(
        lambda: town.rows("SELECT 1 FROM demandes WHERE event_id = 'another'"), message="the last"
    )
    recorded = town.rows("SELECT sender, outcome FROM demandes WHERE event_id LIKE 'the same%'")
    assert [tuple(row.values()) for row in recorded] == [(town.account, "accepted")]
    exports = town.rows("SELECT liste FROM derniers_exports WHERE event_id = 'the same'")
    assert sorted(row["liste"] for row in exports) == ["CE", "P"]
