"""One correlation id, from the bytes of a producer's event to the mail, in the logs of each process on the way."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pika
import pytest

from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import EVENT_TYPES, EXCHANGE
from tests.parts.mail import Mailbox
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.database(LIBREVILLE_TEMPLATE)]

CLICKS = {"clic-du-matin": ["P"], "clic-du-soir": ["CE", "CM"]}
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACE = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01", "tracestate": "mairie=00f067aa0ba902b7"}
TRACES = {"clic-du-soir": TRACE}
UNKNOWN = "clic-pour-une-autre-commune"
AUDITOR = "auditor"


@pytest.fixture
def town(postgres_url: str, amqp_url: str, tmp_path: Path, mailbox: Mailbox) -> Iterator[Town]:
    town = Town(postgres_url, amqp_url, tmp_path, mailbox.port)
    yield town
    town.close()


def _ask(town: Town, correlation_id: str, **fields: object) -> None:
    asked = ListeExportRequested.model_validate({"commune": "13900", "requested_by": AGENT} | fields)
    event = CloudEvent.wrap(asked, source="/test", correlationid=correlation_id)
    event = event.model_copy(update=TRACES.get(correlation_id, {}))
    body = event.to_bytes()
    assert correlation_id.encode() in body
    town.publish(body, event.type)


def _listen(town: Town) -> None:
    with pika.BlockingConnection(pika.URLParameters(town.amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare(AUDITOR, durable=True)
        for event_type in EVENT_TYPES:
            channel.queue_bind(AUDITOR, EXCHANGE, event_type)


def _words(town: Town, process: str, correlation_id: str) -> list[str]:
    """What a process logged about one request, each word as often as it was said."""
    return sorted(line["event"] for line in town.json_log(process) if line.get("correlation_id") == correlation_id)


@pytest.mark.slow
def test_one_id_leads_from_the_event_to_the_mail(town: Town, mailbox: Mailbox) -> None:
    town.start_worker("-t", "2")
    _listen(town)
    town.start_notifier()
    for click, listes in CLICKS.items():
        _ask(town, click, listes=listes)
    _ask(town, UNKNOWN, commune="97999")
    mails = {mail.text.partition("demande : ")[2].split()[0]: mail for mail in mailbox.wait_for(2)}
    for click in (*CLICKS, UNKNOWN):
        told = partial(lambda it: "request_notified" in _words(town, "notifier", it), click)
        wait_until(told, message=f"{click} told")

    assert mails.keys() == CLICKS.keys()
    for click, listes in CLICKS.items():
        files = len(listes)
        assert _words(town, "worker", click) == sorted(["export_queued", "export_started", "export_ready"] * files)
        published = ["event_published"] * (files + 2)  # accepted, each file, settled
        assert _words(town, "notifier", click) == sorted(["message_sent", *published, "request_notified"])
    assert _words(town, "worker", UNKNOWN) == ["request_refused"]
    assert _words(town, "notifier", UNKNOWN) == ["event_published", "no_recipient", "request_notified"]

    ids = [click for click, listes in CLICKS.items() for _ in (*listes, "accepted", "settled")] + [UNKNOWN]
    heard = [CloudEvent.from_bytes(body) for _, body in town.collect(AUDITOR, len(ids))]
    assert sorted(event.correlationid for event in heard) == sorted(ids)
    for event in heard:
        trace = {"traceparent": event.traceparent, "tracestate": event.tracestate}
        assert trace == TRACES.get(event.correlationid, dict.fromkeys(trace))
    for process in ("worker", "notifier"):
        traced = {it["correlation_id"]: it.get("trace_id") for it in town.json_log(process) if "correlation_id" in it}
        assert traced == {**dict.fromkeys((*CLICKS, UNKNOWN)), "clic-du-soir": TRACE_ID}


@pytest.mark.slow
def test_each_line_about_a_file_bears_the_id_of_its_request(town: Town, mailbox: Mailbox) -> None:
    town.start_worker("-t", "2", PREFECTURE_EXPORTS_DIR="/dev/null/nowhere", PREFECTURE_LOG_LEVEL="debug")
    for click in CLICKS:
        _ask(town, click, formats=["csv", "xml"])
    wait_until(lambda: len(_delays(town)) >= 12, message=f"each file delayed; {town.log('worker')}")

    owners = {
        row["id"]: row["correlation_id"]
        for row in town.rows("SELECT e.id, r.correlation_id FROM export e JOIN request r ON r.id = e.request_id")
    }
    lines = [line for line in town.json_log("worker") if line.get("export_id")]
    assert {line["correlation_id"] for line in lines} == CLICKS.keys()
    assert [line for line in lines if line["correlation_id"] != owners[line["export_id"]]] == []


def _delays(town: Town) -> set[int]:
    return {line["export_id"] for line in town.json_log("worker") if line["event"] == "export_delayed"}
