"""The whole road, for known senders only: a file under way is cancelled, told, and asked for again."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
from sqlalchemy.orm import Session

from producers.publisher import Publisher
from schemas.envelope import CloudEvent, Data
from schemas.requests import CancelRequested, ListeExportRequested, RetryRequested
from schemas.topology import EVENT_EXPORT_ENDED, EVENT_REQUEST_REFUSED, EXCHANGE, QUEUE_LISTES, QUEUE_REQUESTS
from tests.parts.mail import Mailbox
from tests.parts.town import AGENT, CITY_TEMPLATE, Town
from tests.parts.wait import wait_until
from worker.access.models import Sender

pytestmark = [pytest.mark.integration, pytest.mark.database(CITY_TEMPLATE)]

EVENTS = "events"


@pytest.fixture
def town(postgres_url: str, amqp_url: str, tmp_path: Path, mailbox: Mailbox) -> Iterator[Town]:
    town = Town(postgres_url, amqp_url, tmp_path, mailbox.port)
    town.environment["LIMIT_KNOWN_SENDERS_ONLY"] = "1"
    yield town
    town.close()


def _send(town: Town, data: Data) -> CloudEvent:
    event = CloudEvent.wrap(data, source="/test")
    with Publisher(town.amqp_url) as publisher:
        publisher.publish(event)
    return event


def _listen(town: Town) -> None:
    with pika.BlockingConnection(pika.URLParameters(town.amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare(EVENTS, durable=True)
        # What is refused to a stranger is for his account only.
        for key in (EVENT_EXPORT_ENDED, f"{EVENT_REQUEST_REFUSED}.account.#"):
            channel.queue_bind(EVENTS, EXCHANGE, key)


def _allow(town: Town) -> None:
    with Session(town.engine) as session, session.begin():
        account = urlsplit(town.amqp_url).username or ""
        session.add(Sender(name=account, code_commune="13900", speaks_for_agents=True))


def _about(event: CloudEvent) -> dict[str, Any]:
    return {"request": {"source": event.source, "id": event.id}, "requested_by": AGENT}


@pytest.mark.slow
def test_a_file_under_way_is_cancelled_told_and_asked_again(town: Town, mailbox: Mailbox) -> None:
    for queue in (QUEUE_REQUESTS, QUEUE_LISTES):
        town.start_worker("-Q", queue)
    town.start_notifier()
    _listen(town)
    asked = ListeExportRequested.model_validate(
        {"commune": "13900", "listes": ["P"], "formats": ["xml"], "requested_by": AGENT}
    )
    refused = _send(town, asked)
    reason = wait_until(partial(_reason, town, refused), message="the refusal")
    assert "ne peut pas demander de fichiers de 13900" in reason

    _allow(town)
    event = _send(town, asked)
    wait_until(lambda: any(name.endswith(".part") for name in town.files()), message="a file being written")
    _send(town, CancelRequested.model_validate(_about(event)))
    town.wait_for(event, status="cancelled")
    wait_until(lambda: town.files() == [], message="no file, hidden or not")
    (mail,) = mailbox.wait_for(1)
    assert mail.message["Subject"].startswith("Fichier annulé — Liste P du ")
    assert f"Raison : Annulé par {AGENT}." in mail.text

    again = _send(town, RetryRequested.model_validate(_about(event)))
    (export,) = town.wait_for(again)
    assert town.files() == sorted([export["file_name"], *(it["file_name"] for it in export["pieces"].values())])
    assert len(mailbox.wait_for(2)) == 2
    told = [CloudEvent.from_bytes(body) for _, body in town.collect(EVENTS, 3)]
    assert [it.data["reason"] for it in told if it.type == EVENT_REQUEST_REFUSED] == [reason]
    ended = {it.data["status"]: it.causationid for it in told if it.type == EVENT_EXPORT_ENDED}
    assert ended == {"cancelled": event.id, "ready": again.id}


def _reason(town: Town, event: CloudEvent) -> str:
    rows = town.rows("SELECT reason FROM demandes WHERE event_id = :id", id=event.id)
    return str(rows[0]["reason"]) if rows else ""
