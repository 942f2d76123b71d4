"""The examples of our events in the contract equal the events of a real worker, for the requests of this test."""

import json
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from schemas import topology
from schemas.envelope import CloudEvent
from schemas.events import FileStage
from schemas.generate import ROOT
from schemas.vocabulary import ExportStatus
from tests.integration.depots_desk import DepotsDesk
from tests.parts.databases import ON_SQLITE
from tests.parts.town import LIBREVILLE_TEMPLATE
from worker.exports.models import Export, Recall, Request
from worker.exports.records import mark_recalled
from worker.handlers.making.make_export import make_export
from worker.handlers.requests.ingest_request import ingest_request
from worker.notifier.messages.deadlines import Deadline
from worker.notifier.messages.events import (
    answer_event,
    deadline_event,
    file_event,
    progress_event,
    recall_event,
    settled_event,
)

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=DepotsDesk.open)]

NAMES = {"id", "time", "correlationid", "causationid", "export_id", "request_id"}
FREE = NAMES | {"lines_written", "ready", "failed", "size", "sha256", "electeurs", "anomalies_bloquantes", "remarques"}
"""The fields that differ between requests."""

OF_ARRIVALS = {topology.EVENT_REGISTRE_STATUS}
"""Events about arriving exports of the REU need a whole import: the tests of previews check them."""

_INSTANTS = re.compile(r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d|\d{8}-\d{6}")


def _example(event_type: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "examples" / f"{event_type}.json").read_text("utf-8"))
    return event


def _send(desk: DepotsDesk, event_id: str, **changes: Any) -> None:  # noqa: ANN401 — of the data
    """Send the example of a request under this id, with these fields replaced."""
    example = _example(topology.REQUEST_LISTE_EXPORT)
    data = example["data"] | {"listes": ["P"], "formats": ["csv"]} | changes
    ingest_request(CloudEvent.from_bytes(json.dumps(example | {"id": event_id, "data": data}).encode()), desk.services)


def _request(desk: DepotsDesk, event_id: str) -> Request:
    with Session(desk.engine) as session:
        of_event = select(Request).where(Request.event_id == event_id)
        return session.scalars(of_event.options(selectinload(Request.exports))).one()


def _shape(value: Any, name: str = "") -> Any:  # noqa: ANN401 — decoded JSON
    """The constant part: names and types, and the values that depend on neither the time nor the register."""
    if isinstance(value, dict):
        return {key: _shape(it, key) for key, it in sorted(value.items())}
    if isinstance(value, list):
        return [_shape(it) for it in value]
    if name in FREE:
        return type(value).__name__
    return _INSTANTS.sub("…", value) if isinstance(value, str) else value


def _recall(desk: DepotsDesk, event_id: str) -> CloudEvent:
    with Session(desk.engine, expire_on_commit=False) as session:
        recall = Recall(code_commune="13900", because="l'import 12 (reu.csv) a été annulé", recalled_by="exploitant")
        session.add(recall)
        session.flush()
        export = session.scalars(select(Export).join(Request).where(Request.event_id == event_id)).one()
        mark_recalled(session.connection(), [export.id], recall.id)
        session.commit()
        session.refresh(recall)
        session.refresh(export)
        return recall_event(recall, export)


def _cancel(desk: DepotsDesk, event_id: str) -> CloudEvent:
    example = _example(topology.REQUEST_CANCEL)
    about = {"source": example["source"], "id": event_id}
    cancel = example | {"id": "another", "data": example["data"] | {"request": about}}
    ingest_request(CloudEvent.from_bytes(json.dumps(cancel).encode()), desk.services)
    request = _request(desk, event_id)
    return file_event(request, request.exports[0])


@ON_SQLITE
def test_the_examples_are_what_is_really_said(desk: DepotsDesk) -> None:
    _send(desk, "made")
    said = [answer_event(_request(desk, "made"))]
    while desk.enqueued:
        make_export(desk.enqueued.pop().row_id, desk.services)
    made = _request(desk, "made")
    said += [file_event(made, made.exports[0]), settled_event(made), _recall(desk, "made")]
    made.exports[0].electeurs = 98_000
    said += [progress_event(made, made.exports[0], datetime.now(UTC), before) for before in (2, None)]
    _send(desk, "cancelled")
    said.append(_cancel(desk, "cancelled"))
    _send(desk, "failed")
    failed = _request(desk, "failed")
    failed.exports[0].status = ExportStatus.FAILED
    failed.exports[0].error_code, failed.exports[0].error_message = "disque_plein", "Espace disque insuffisant."
    said.append(file_event(failed, failed.exports[0]))
    _send(desk, "refused", commune="13001")
    said.append(answer_event(_request(desk, "refused")))
    day = date(2027, 3, 22)
    deadline = Deadline("vingt_jours", day, day, date(2027, 4, 11), "Élections municipales, 1er tour")
    said.append(deadline_event("13900", day, deadline))
    assert {event.type for event in said} == set(topology.EVENT_TYPES) - OF_ARRIVALS
    ended = [event.data["status"] for event in said if event.type == topology.EVENT_EXPORT_STATUS]
    assert sorted(ended) == sorted(FileStage)
    for event in said:
        if event.data.get("status") == _example(event.type)["data"].get("status"):
            assert _shape(event.model_dump(mode="json", exclude_none=True)) == _shape(_example(event.type)), event.type
        assert event.causationid == event.data.get("request", {}).get("id")
