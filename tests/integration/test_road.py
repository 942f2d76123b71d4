"""The path of a request, of a batch and of an export of the REU through a real RabbitMQ, workers and a notifier."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from bench.people import write_town
from common.calendrier import jour_a_paris, now
from schemas.envelope import CloudEvent, Data
from schemas.requests import ListeExportRequested, RegistreImportRequested, RegistrePreviewRequested
from schemas.topology import (
    EVENT_EXPORT_STATUS,
    EVENT_REGISTRE_STATUS,
    EVENT_TYPES,
    QUEUE_LISTES,
    QUEUE_PROGRAMS,
    QUEUE_REQUESTS,
)
from schemas.vocabulary import Liste
from tests.parts.mail import Mailbox
from tests.parts.process import Process
from tests.parts.town import AGENT, EMAIL, LIBREVILLE_TEMPLATE, TODAY, Town, count_of_age
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
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            export["size"],
            export["sha256"],
        )
        lines = (
            content.count(b"\n") - 1 if export["format"] == "csv" else content.count(b"<Electeur>")
        )
        assert lines == export["electeurs"] == {"P": of_age, "CE": 20, "CM": 24}[export["liste"]]
    assert mail.recipients == (EMAIL,)
    assert "2 fichiers prêts, 4 à corriger, 11 anomalies bloquantes" in mail.message["Subject"]

    events = [CloudEvent.from_bytes(body) for _, body in town.collect("listener", 6)]
    assert {said.data["file"]["path"] for said in events} == {
        f"13900/{export['file_name']}" for export in exports
    }
    assert {(said.correlationid, said.causationid) for said in events} == {
        (event.correlationid, event.id)
    }


@pytest.mark.slow
def test_a_worker_refuses_a_database_that_is_not_migrated(town: Town) -> None:
    with town.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
    with pytest.raises(AssertionError, match="lancez « python -m worker migrate »"):
        town.start_worker()


CLICKS = {"clic-du-matin": ["P"], "clic-du-soir": ["CE", "CM"]}
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACE = {
    "traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01",
    "tracestate": "mairie=00f067aa0ba902b7",
}
TRACES = {"clic-du-soir": TRACE}
UNKNOWN = "clic-pour-une-autre-commune"
AUDITOR = "auditor"


def _ask(town: Town, correlation_id: str, **fields: object) -> None:
    asked = ListeExportRequested.model_validate(
        {"commune": "13900", "requested_by": AGENT} | fields
    )
    event = CloudEvent.wrap(asked, source="/test", correlationid=correlation_id)
    event = event.model_copy(update=TRACES.get(correlation_id, {}))
    body = event.to_bytes()
    assert correlation_id.encode() in body
    town.publish(body, event.type)


def _words(town: Town, process: str, correlation_id: str) -> list[str]:
    """The log events about one request, with repetitions."""
    return sorted(
        line["event"]
        for line in town.json_log(process)
        if line.get("correlation_id") == correlation_id
    )


@pytest.mark.slow
def test_one_id_leads_from_the_event_to_the_mail(town: Town, mailbox: Mailbox) -> None:
    town.start_worker("-t", "2")
    town.listen(AUDITOR, *EVENT_TYPES)
    town.start_notifier()
    for click, listes in CLICKS.items():
        _ask(town, click, listes=listes)
    _ask(town, UNKNOWN, commune="97999")
    mails = {str(mail.message["X-Correlation-ID"]): mail for mail in mailbox.wait_for(2)}
    for click in (*CLICKS, UNKNOWN):
        told = partial(lambda it: "request_notified" in _words(town, "notifier", it), click)
        wait_until(told, message=f"{click} told")

    assert mails.keys() == CLICKS.keys()
    for click, listes in CLICKS.items():
        files = len(listes)
        assert _words(town, "worker", click) == sorted(
            ["exports_queued", *["export_started", "export_ready"] * files]
        )
        words = Counter(_words(town, "notifier", click))
        # accepted, each file, completed; the loop of ends may publish « accepted » too, with the same id
        assert words.pop("event_published") in {files + 2, files + 3}
        assert words == {"message_sent": 1, "request_notified": 1}
    assert _words(town, "worker", UNKNOWN) == ["request_refused"]
    assert _words(town, "notifier", UNKNOWN) == [
        "event_published",
        "no_recipient",
        "request_notified",
    ]

    ids = [click for click, listes in CLICKS.items() for _ in (*listes, "accepted", "settled")] + [
        UNKNOWN
    ]
    bodies = [body for _, body in town.queue(AUDITOR)]
    heard = {it.id: it for it in map(CloudEvent.from_bytes, bodies)}.values()
    assert sorted(event.correlationid for event in heard) == sorted(ids)
    for event in heard:
        trace = {"traceparent": event.traceparent, "tracestate": event.tracestate}
        assert trace == TRACES.get(event.correlationid, dict.fromkeys(trace))
    for process in ("worker", "notifier"):
        traced = {
            it["correlation_id"]: it.get("trace_id")
            for it in town.json_log(process)
            if "correlation_id" in it
        }
        assert traced == {**dict.fromkeys((*CLICKS, UNKNOWN)), "clic-du-soir": TRACE_ID}


def ask(town: Town, *, bulk: bool) -> CloudEvent:
    """Publish a request for one list."""
    asked = ListeExportRequested(
        commune="13900", listes=[Liste.COMPLEMENTAIRE_EUROPEENNE], bulk=bulk, requested_by=AGENT
    )
    return send(town, asked)


def start_reader(town: Town) -> Process:
    """A worker that ingests all requests, and makes no files."""
    return town.start_worker("-Q", QUEUE_REQUESTS, QUEUE_PROGRAMS)


@pytest.mark.slow
def test_a_worker_makes_a_clerks_file_before_those_of_a_batch(town: Town) -> None:
    start_reader(town)
    events = {ask(town, bulk=bulk).id: bulk for bulk in [True] * 30 + [False]}
    wait_until(
        lambda: len(town.rows("SELECT event_id FROM request")) == len(events), message="all rows"
    )
    rows = town.rows("SELECT event_id, is_bulk FROM derniers_exports")
    assert {row["event_id"]: row["is_bulk"] for row in rows} == events
    town.start_worker("-Q", QUEUE_LISTES)
    town.start_notifier()
    query = "SELECT event_id FROM derniers_exports WHERE status = 'ready' ORDER BY finished_at"
    wait_until(lambda: len(town.rows(query)) == len(events), message="all files")
    assert events[town.rows(query)[0]["event_id"]] is False


def send(town: Town, data: Data) -> CloudEvent:
    event = CloudEvent.wrap(data, source="/etat-civil")
    town.publish(event.to_bytes(), event.type)
    return event


def upload(town: Town, size: int) -> CloudEvent:
    """Write an export of this many electors to the arrivals folder, and request its preview."""
    town.arrivals.mkdir(exist_ok=True)
    path = town.arrivals / f"export-{size}.csv"
    write_town(path, size, today=TODAY)
    asked = RegistrePreviewRequested(
        commune="13900",
        arrival=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        taken_on=jour_a_paris(
            now()
        ),  # not before the register's own export, which was imported just now
        file_name="liste-13900.csv",
        requested_by=AGENT,
    )
    return send(town, asked)


def accept(town: Town, said: Mapping[str, Any]) -> CloudEvent:
    fields = {
        "commune": "13900",
        "preview": said["preview_id"],
        "sha256": said["sha256"],
        "requested_by": AGENT,
    }
    empty = said["kept"]
    accepted = fields | {"accept_changes": True, "accept_rejects": True, "empty": empty}
    return send(town, RegistreImportRequested.model_validate(accepted))


def shown(town: Town) -> int:
    """The number of electors that the register shows."""
    return int(
        town.rows(
            "SELECT count(*) AS n FROM electeur NATURAL JOIN liste WHERE code_commune = '13900'"
        )[0]["n"]
    )


def _next(town: Town) -> CloudEvent:
    ((_, body),) = town.collect("listener", 1)
    return CloudEvent.from_bytes(body)


@pytest.mark.slow
def test_a_service_previews_an_export_and_imports_it_by_two_events(
    town: Town, mailbox: Mailbox
) -> None:
    town.start_worker("-Q", "requests-programs")
    town.start_worker("-Q", "registre")
    town.listen("listener", EVENT_REGISTRE_STATUS)
    town.start_notifier()
    asked = upload(town, 300)
    said = _next(town)
    assert (said.data["status"], said.causationid) == ("ready", asked.id)
    lines = sum(it["electeurs"] for it in said.data["listes"]) + said.data["lines_rejected"]
    assert (said.data["status"], said.data["lines_read"]) == ("ready", lines)
    assert town.rows("SELECT count(*) AS n FROM import")[0]["n"] == 1

    wanted = accept(town, said.data)
    done = _next(town)
    assert (done.data["status"], done.causationid) == ("imported", wanted.id)
    assert (done.data["status"], done.data["sha256"]) == ("imported", said.data["sha256"])
    (mail,) = mailbox.wait_for(1)
    assert mail.recipients == (EMAIL,)
    assert str(mail.message["Subject"]).startswith("Registre repris")
    wait_until(lambda: not list(town.arrivals.iterdir()), message="an empty arrivals folder")
    assert shown(town) == sum(it["electeurs"] for it in said.data["listes"])
