"""The batches of a program for a whole département, by a real broker, worker, notifier and database."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pika
import pytest
from starlette.testclient import TestClient

from producers.publisher import Publisher
from producers.web.app import create_app
from schemas.envelope import CloudEvent
from schemas.http import EVENTS_JSON, MOST_IN_BATCH
from schemas.requests import ListeExportRequested
from schemas.topology import QUEUE_PROGRAMS, QUEUE_REQUESTS, SCREEN_ACCOUNT
from tests.integration.test_request_queues import Accounts
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import wait_until
from tests.web.security_desk import make_settings, open_client
from worker.access.management import make_token

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.slow]

COMMUNES = 1941
"""More than any département has."""


@pytest.fixture
def door(
    town: Town, rabbit_node: RabbitNode, amqp_url: str, tmp_path: Path
) -> Iterator[TestClient]:
    """The door of programs, with a token for every commune."""
    Accounts(amqp_url, rabbit_node).add(SCREEN_ACCOUNT)
    url = rabbit_node.url(unquote(urlsplit(amqp_url).path[1:]), SCREEN_ACCOUNT, SCREEN_ACCOUNT)
    with town.engine.begin() as connection:
        token = make_token(connection, "departement", ["*"], ["liste_export"], actor="test")
    settings = make_settings(town.database_url, tmp_path)
    with (
        Publisher(url) as publisher,
        open_client(settings, app=create_app(settings, publisher.publish)) as client,
    ):
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def _send(door: TestClient, communes: list[str]) -> dict[str, str]:
    """Ask for a list of each commune in one call; the UUID of each request, by commune."""
    events = [
        CloudEvent.wrap(
            ListeExportRequested.model_validate(
                {"commune": it, "listes": ["P"], "requested_by": "departement"}
            ),
            source="/departement",
        )
        for it in communes
    ]
    body = f"[{','.join(it.model_dump_json(exclude_none=True) for it in events)}]"
    answer = door.post("/api/v1/batches", content=body, headers={"Content-Type": EVENTS_JSON})
    assert answer.status_code == 202, answer.text
    said = [it["request"]["uuid"] for it in answer.json()["requests"]]
    return dict(zip(communes, said, strict=True))


def _waiting(amqp_url: str, queue: str) -> int:
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        return int(connection.channel().queue_declare(queue, passive=True).method.message_count)


def test_a_departement_is_asked_for_in_twenty_calls_and_each_request_is_answered(
    town: Town, door: TestClient
) -> None:
    rows = town.rows("SELECT code FROM commune WHERE code <> '13900' ORDER BY code LIMIT 1940")
    communes = ["13900", *(row["code"] for row in rows)]
    assert len(communes) == COMMUNES
    calls = [communes[at : at + MOST_IN_BATCH] for at in range(0, COMMUNES, MOST_IN_BATCH)]
    asked: dict[str, str] = {}
    for call in calls:
        asked |= _send(door, call)
    assert len(calls) <= 20
    waiting = [_waiting(town.amqp_url, it) for it in (QUEUE_PROGRAMS, QUEUE_REQUESTS)]
    assert waiting == [COMMUNES, 0]
    town.start_worker()
    town.start_notifier()
    heard: list[dict[str, Any]] = []
    address = "/api/v1/events?limit=1000"

    def hear() -> bool:
        nonlocal address
        answer = door.get(address)
        address = answer.links["next"]["url"]
        heard.extend(json.loads(answer.content))
        return {it["data"]["request"]["uuid"] for it in heard} >= {*asked.values()}

    wait_until(hear, timeout=240, message="an answer to each request")
    made = "SELECT code_commune, is_bulk FROM derniers_exports WHERE status = 'ready'"
    (ready,) = wait_until(lambda: town.rows(made), message="the file of LIBREVILLE")
    assert (ready["code_commune"], ready["is_bulk"]) == ("13900", True)
    told = {it["data"]["request"]["uuid"]: it["data"] for it in heard if "code" in it["data"]}
    assert {it["code"] for it in told.values()} == {"registre_absent"}
    assert {*asked.values()} - told.keys() == {asked["13900"]}
