"""Events that wait behind each other are recorded together, and are what they would have been one by one."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from schemas.envelope import CloudEvent
from schemas.faults import Fault
from schemas.requests import CancelRequested, ListeExportRequested
from schemas.topology import QUEUE_REQUESTS
from tests.integration.depots_desk import DepotsDesk, open_desk
from tests.integration.export_desk import COMMUNE
from tests.parts.databases import ON_SQLITE
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import wait_until
from worker.exports.models import Request, Sender
from worker.exports.parked import Arrival
from worker.handlers.requests import ingest_request as road
from worker.handlers.requests.ingest_request import ingest_request, ingest_together, read_unreadable
from worker.messaging.consumer import TOGETHER

pytestmark = [pytest.mark.integration, pytest.mark.database(LIBREVILLE_TEMPLATE)]
DESK = pytest.mark.desk(opened_by=open_desk)

STRANGE = "NUL\x00"


def _ask(commune: str = COMMUNE, **attributes: Any) -> CloudEvent:  # noqa: ANN401 — of the envelope
    data = ListeExportRequested.model_validate({"commune": commune, "listes": ["P"], "requested_by": AGENT})
    return CloudEvent.wrap(data, source="/test").model_copy(update=attributes)


def _cancel(event: CloudEvent) -> CloudEvent:
    named = {"request": {"source": event.source, "id": event.id}, "requested_by": AGENT}
    return CloudEvent.wrap(CancelRequested.model_validate(named), source="/test")


def _rows(desk: DepotsDesk) -> dict[str, tuple[str, ...]]:
    columns = Request.event_id, Request.outcome, Request.code, Request.requested_by, Request.code_commune
    with desk.engine.connect() as connection:
        return {row[0]: tuple(row[1:]) for row in connection.execute(select(*columns).order_by(Request.id))}


def _arrivals(*events: CloudEvent, sender: str = "mairie") -> list[tuple[Arrival, None]]:
    return [(Arrival(event, sender), None) for event in events]


@pytest.mark.slow
@DESK
@pytest.mark.parametrize("together", [True, False])
def test_what_is_recorded_does_not_depend_on_the_company(desk: DepotsDesk, *, together: bool) -> None:
    with desk.engine.begin() as connection:
        connection.execute(insert(Sender).values(name="mairie", code_commune=COMMUNE))
    desk.configure(known_senders_only=True)
    events = [_ask(id="one"), _ask(id="other"), _ask("13901", id="elsewhere"), _ask(id="untyped", type="fr.x")]
    events.append(_ask(id="wrong").model_copy(update={"data": {"commune": STRANGE, "listes": "?"}}))
    if together:
        served = ingest_together(_arrivals(*events), desk.services)
        assert served == [True] * 5
    for event in events:
        ingest_request(event, desk.services, sender="mairie")
    rows = _rows(desk)
    assert {event_id: row[:2] for event_id, row in rows.items()} == {
        "one": ("accepted", ""),
        "other": ("accepted", ""),
        "elsewhere": ("refused", "compte_non_autorise"),
        "untyped": ("refused", "type_inconnu"),
        "wrong": ("refused", "demande_invalide"),
    }
    assert rows["one"][2:] == ("mairie", COMMUNE)
    assert len({desk.ring(it.export_id)["file_name"] for it in desk.enqueued}) == 2


@DESK
def test_copies_taken_keys_and_what_waits_are_left_to_be_read_alone(desk: DepotsDesk) -> None:
    known, twice, waits = _ask(), _ask(), _ask()
    ingest_request(known, desk.services, sender="mairie")
    cancel = _cancel(waits)
    ingest_request(cancel, desk.services, sender="mairie")
    arrivals = _arrivals(known, twice, twice, cancel, waits)
    assert ingest_together(arrivals, desk.services) == [False, True, False, False, True]
    assert _rows(desk).keys() == {known.id, twice.id, waits.id, cancel.id}, "who waited for it is served at once"
    with desk.engine.connect() as connection:
        states = select(text("status")).select_from(text("derniers_exports")).where(text("event_id = :id"))
        assert connection.scalars(states, {"id": waits.id}).all() == ["cancelled"]


@DESK
def test_events_that_cannot_be_read_are_refused_together(desk: DepotsDesk) -> None:
    names = {"source": "/test", "type": "fr.x", "correlationid": "c"}
    faults = [Fault("time", "format", "une date est attendue")]
    unreadable = [read_unreadable(names | {"id": str(number)}, faults, "mairie") for number in range(3)]
    assert ingest_together(unreadable, desk.services) == [True] * 3
    assert {row[:2] for row in _rows(desk).values()} == {("refused", "evenement_illisible")}


@DESK
def test_what_the_database_refuses_of_all_is_read_alone(desk: DepotsDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(road, "add_exports", fail)
    one, other = _ask(), _ask()
    assert ingest_together(_arrivals(one, other), desk.services) == [False, False]
    assert _rows(desk) == {}


@pytest.mark.slow
@ON_SQLITE
def test_a_queue_that_waited_is_recorded_by_few_transactions(database_url: str, amqp_url: str, tmp_path: Path) -> None:
    town = Town(database_url, amqp_url, tmp_path)
    events = [_ask() for _ in range(TOGETHER // 2)]
    try:
        town.start_worker("-Q", QUEUE_REQUESTS).kill()  # it has declared the queues
        for event in (*events, events[0]):
            town.publish(event.to_bytes(), event.type)
        town.start_worker("-Q", QUEUE_REQUESTS, PREFECTURE_LOG_FORMAT="json")
        count = "SELECT count(*) AS number FROM export"
        wait_until(lambda: town.rows(count)[0]["number"] == len(events), message="every event recorded")
        wait_until(lambda: "event_copy" in town.log("worker"), message="the copy, told from it")
        wait_until(lambda: town.queue(QUEUE_REQUESTS) == [], message="the queue, empty")
        times = town.rows("SELECT DISTINCT created_at FROM request")
    finally:
        town.close()
    assert len(times) < len(events) / 2, "one by one"
