"""Messages that nobody should send: each is put aside with its reason, and stops nobody."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.town import LIBREVILLE_TEMPLATE, Town

pytestmark = [pytest.mark.faults, pytest.mark.database(LIBREVILLE_TEMPLATE)]


@pytest.fixture
def town(postgres_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Town]:
    town = Town(postgres_url, amqp_url, tmp_path)
    yield town
    town.close()


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


@pytest.mark.slow
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
    counted = town.rows("SELECT account, sum(letters) AS letters FROM dead_letters GROUP BY account")
    assert [(row["account"], row["letters"]) for row in counted] == [("", len(POISON))]
    assert "LANTERNE" not in town.log("worker") + "".join(reasons.values())
    assert town.queue("requests") == []
