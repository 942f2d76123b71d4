"""A request's path through a real RabbitMQ, worker processes and a notifier."""

import hashlib
from functools import partial
from signal import SIGTERM

import pytest

from common.calendrier import jour_a_paris, now
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import EVENT_EXPORT_STATUS, EVENT_TYPES, QUEUE_LISTES, QUEUE_REQUESTS, QUEUE_TABLEAUX
from tests.parts.mail import Mailbox
from tests.parts.town import AGENT, EMAIL, LIBREVILLE_TEMPLATE, Town, count_of_age
from tests.parts.wait import wait_until

pytestmark = pytest.mark.database(LIBREVILLE_TEMPLATE)


@pytest.mark.parametrize("town", ["postgres_url", "sqlite_url"], indirect=True)
def test_one_request_makes_six_files_one_mail_and_six_events(town: Town, mailbox: Mailbox) -> None:
    town.start_worker()
    town.listen("listener", EVENT_EXPORT_STATUS)
    event = town.ask(formats=["csv", "xml"])
    exports = town.wait_for(event)
    town.start_notifier()
    (mail,) = mailbox.wait_for(1)

    assert [f"{export['liste']}.{export['format']}" for export in exports] == [
        *("P.csv", "P.xml", "CE.csv", "CE.xml", "CM.csv", "CM.xml")
    ]
    of_age = count_of_age(jour_a_paris(now()))
    for export in exports:
        content = (town.exports / "13900" / export["file_name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (export["size"], export["sha256"])
        lines = content.count(b"\n") - 1 if export["format"] == "csv" else content.count(b"<Electeur>")
        assert lines == export["electeurs"] == {"P": of_age, "CE": 20, "CM": 24}[export["liste"]]
    assert mail.recipients == (EMAIL,)
    assert "2 fichiers prêts, 4 à corriger, 11 anomalies bloquantes" in mail.message["Subject"]

    events = [CloudEvent.from_bytes(body) for _, body in town.collect("listener", 6)]
    assert {said.data["file"]["path"] for said in events} == {f"13900/{export['file_name']}" for export in exports}
    assert {(said.correlationid, said.causationid) for said in events} == {(event.correlationid, event.id)}


@pytest.mark.slow
def test_what_is_asked_while_no_worker_runs_is_made_by_the_first_one(town: Town) -> None:
    town.start_worker().end(SIGTERM)
    event = town.ask(listes=["CM"])
    assert town.exports_of(event) == []
    town.start_worker()
    assert town.wait_for(event)[0]["electeurs"] == 24


@pytest.mark.slow
def test_a_lost_doorbell_is_rung_again_by_the_sweep(town: Town) -> None:
    worker = town.start_worker("-Q", "requests")
    event = town.ask(listes=["CE"])
    town.wait_for(event, status="queued")
    worker.end(SIGTERM)
    assert len(town.queue("listes")) == 1
    with town.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE work SET enqueued_at = NULL")
    town.start_notifier()
    town.start_worker("-Q", "listes")
    assert town.wait_for(event)[0]["electeurs"] == 20


@pytest.mark.slow
def test_a_worker_refuses_a_database_that_is_not_migrated(town: Town) -> None:
    with town.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
    with pytest.raises(AssertionError, match="lancez « python -m worker migrate »"):
        town.start_worker()


CLICKS = {"clic-du-matin": ["P"], "clic-du-soir": ["CE", "CM"]}
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACE = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01", "tracestate": "mairie=00f067aa0ba902b7"}
TRACES = {"clic-du-soir": TRACE}
UNKNOWN = "clic-pour-une-autre-commune"
AUDITOR = "auditor"


def _ask(town: Town, correlation_id: str, **fields: object) -> None:
    asked = ListeExportRequested.model_validate({"commune": "13900", "requested_by": AGENT} | fields)
    event = CloudEvent.wrap(asked, source="/test", correlationid=correlation_id)
    event = event.model_copy(update=TRACES.get(correlation_id, {}))
    body = event.to_bytes()
    assert correlation_id.encode() in body
    town.publish(body, event.type)


def _words(town: Town, process: str, correlation_id: str) -> list[str]:
    """The log events about one request, with repetitions."""
    return sorted(line["event"] for line in town.json_log(process) if line.get("correlation_id") == correlation_id)


@pytest.mark.slow
def test_one_id_leads_from_the_event_to_the_mail(town: Town, mailbox: Mailbox) -> None:
    town.start_worker("-t", "2")
    town.listen(AUDITOR, *EVENT_TYPES)
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
        published = ["event_published"] * (files + 2)  # accepted, each file, completed
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
def test_a_worker_of_tableaux_leaves_the_lists_to_others(town: Town) -> None:
    town.start_worker("-Q", QUEUE_REQUESTS)
    town.start_worker("-Q", QUEUE_TABLEAUX)
    listes = town.ask(listes=["CE", "CM"])
    types = ["vingt_jours", "cinq_jours_reu"]
    tableaux = town.ask_tableaux(types=types, reunion="2026-11-02", scrutin="2027-03-14")
    assert len(town.wait_for(tableaux)) == 2
    assert [export["status"] for export in town.exports_of(listes)] == ["queued", "queued"]
    assert [len(town.queue(name)) for name in (QUEUE_LISTES, QUEUE_TABLEAUX, QUEUE_REQUESTS)] == [2, 0, 0]
