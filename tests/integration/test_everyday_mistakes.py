"""Mistakes of senders who misread the contract or know CloudEvents only: each confirmed event is answered.

Events that CloudEvents 1.0 allows are accepted; invalid ones are refused with the true reason, if a reply is possible.
"""

import base64
import json
import os
import random
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
    REQUEST_LISTE_EXPORT,
    REQUEST_TYPES,
    request_key,
)
from tests.parts.town import LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import PATIENCE_SECONDS, wait_until
from worker.messaging.encoder import UNKNOWN

pytestmark = pytest.mark.database(LIBREVILLE_TEMPLATE)

_KIT = json.loads((ROOT / "conformance" / "cases.json").read_bytes())
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in _KIT["cases"]}


WAVE = 50
"""Events sent at once; the next ones follow when all of these are answered, which bounds the load."""


class Listening:
    """Publishes events with confirmation, and keeps the answers."""

    def __init__(self, connection: pika.BlockingConnection, account: str) -> None:
        self._account = account
        self.answers: dict[str, CloudEvent] = {}
        """By the id of the request in the answer."""
        self._connection, self._channel = connection, connection.channel()
        self._channel.confirm_delivery()
        self._channel.queue_declare("listener")
        self._channel.queue_bind("listener", EXCHANGE, EVENT_REQUEST_STATUS)
        self._channel.basic_consume("listener", self._take, auto_ack=True)

    def send(self, key: str, body: bytes, properties: dict[str, Any]) -> bool:
        """Whether the broker has accepted the event; else it was returned."""
        key = key.replace("{account}", self._account)
        try:
            self._channel.basic_publish(EXCHANGE, key, body, pika.BasicProperties(**properties), mandatory=True)
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
        if answer.data["status"] != "settled":  # the end of a request may be published before its reply
            self.answers.setdefault(answer.data["request"]["id"], answer)


def test_every_mistake_is_answered_with_the_true_reason(town: Town) -> None:
    town.start_worker()
    town.start_notifier()
    called = {name: {case["answer"]["request_id"]} for name, case in CASES.items()}
    with pika.BlockingConnection(pika.URLParameters(town.amqp_url)) as connection:
        listening = Listening(connection, town.account)
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
    told = answer.type, answer.data["status"], answer.data.get("code")
    return told == (expected["type"], expected["status"], expected.get("code")) and wanted <= said


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


KEYS = [request_key("{account}", it) for it in REQUEST_TYPES]
TO_SPOIL = (
    *("as the contract has it", "tableaux", "binary mode", "extensions", "data in base64"),
    "another day, and not which",
)

Fuzzed = tuple[str, bytes, dict[str, Any], set[str]]
"""Routing key, body, AMQP properties; the ids that its answer may have."""

_LETTERS = "aZ9 é№⚑\x00\x7f\ud7ff\"'{}[];,/\\%\n"
_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**53, "", " ", "13900", "0000-00-00", "2026-11-25T08:30:00Z", "1.0"),
    *([], {}, ["P"], [None], [["P"]], {"a": {"b": [{}]}}, "x" * 300, "é" * 201, "../../etc", "\u202e", "\x00"),
)


def _fuzz(chance: random.Random, number: int) -> Fuzzed:
    """A case of the conformance kit under a new name, with up to three random errors."""
    case = CASES[chance.choice(TO_SPOIL)]
    name = f"fuzz-{number}"
    fields, properties = json.loads(case["body"]), dict(case["properties"]) | {"message_id": name}
    attributes = fields
    if "headers" in properties:
        attributes = properties["headers"] = dict(properties["headers"])
    key = "cloudEvents:id" if "headers" in properties else "id"
    attributes[key] = name
    for _ in range(chance.randrange(4)):
        inside = [it for it in (fields, attributes, fields.get("data"), fields.get("data")) if isinstance(it, dict)]
        place = chance.choice([it for it in inside if it] or [{"": ""}])
        _spoil(place, chance)
    said = attributes.get(key)
    body = json.dumps(fields, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    if chance.random() < 0.3 and name.encode() in body:  # else its id may be damaged
        body = _damage(body, chance, body.find(name.encode()) + len(name) + 1)
    if chance.random() < 0.1:
        properties["content_type"] = chance.choice(["", "text/plain", "application/json", "é", ";", "application/xml"])
    return chance.choice([*KEYS, *[case["routing_key"]] * len(KEYS)]), body, properties, {name, str(said)}


def _spoil(place: dict[str, Any], chance: random.Random) -> None:
    name = chance.choice(sorted(place))
    match chance.randrange(4):
        case 0:
            del place[name]
        case 1:
            place["".join(chance.choices(_LETTERS, k=5)).replace("\x00", "")] = place[name]
        case 2:
            place[name] = "".join(chance.choices(_LETTERS, k=chance.randrange(40)))
        case _:
            place[name] = chance.choice(_VALUES)


def _damage(body: bytes, chance: random.Random, first: int) -> bytes:
    """Damage the bytes after the id and its closing quote, since the id identifies the answer."""
    place = chance.randrange(first, len(body))
    match chance.randrange(4):
        case 0:
            return body[:place]
        case 1:
            return body[:place] + chance.randbytes(chance.randrange(1, 5)) + body[place:]
        case 2:
            return body[:place] + bytes([chance.randrange(256)]) + body[place + 1 :]
        case _:
            return body + body


EVENTS = int(os.environ.get("EVENTS", "2000"))


@pytest.mark.slow
def test_whatever_is_confirmed_is_answered(town: Town) -> None:
    """Events with wrong bytes, fields or values: each is returned at once or answered."""
    seed = int(os.environ.get("SEED", "") or random.randrange(2**32))
    chance = random.Random(seed)
    town.start_worker()
    town.start_notifier()
    with pika.BlockingConnection(pika.URLParameters(town.amqp_url)) as connection:
        listening = Listening(connection, town.account)
        for first in range(0, EVENTS, WAVE):
            called: dict[str, set[str]] = {}
            for number in range(first, min(first + WAVE, EVENTS)):
                key, body, properties, ids = _fuzz(chance, number)
                if listening.send(key, body, properties):
                    called[f"fuzz-{number}"] = ids
            assert listening.wait_for(called) == set(), f"seed {seed}, not answered"
    assert town.queue("requests.XQ") == []
    assert len({row["outcome"] for row in town.rows("SELECT DISTINCT outcome FROM demandes")}) == 2, "some are served"
