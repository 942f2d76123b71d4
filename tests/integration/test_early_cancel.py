"""A cancellation that is read before its request is recorded, and the request ends cancelled when it arrives."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, insert, update
from sqlalchemy.event import listen
from sqlalchemy.orm import Session

from schemas.envelope import CloudEvent, Data
from schemas.events import FileStage
from schemas.faults import Fault
from schemas.requests import (
    CancelRequested,
    ListeExportRequested,
    RegistreImportRequested,
    RegistrePreviewRequested,
    RetryRequested,
    TableauxRenderRequested,
)
from schemas.topology import QUEUE_REGISTRE
from schemas.vocabulary import PreviewStatus
from tests.integration.export_desk import COMMUNE, Desk
from tests.parts.town import LIBREVILLE_TEMPLATE
from tests.parts.wait import wait_until
from worker.access.models import Sender
from worker.arrivals import Preview
from worker.db.engine import build_engine
from worker.db.types import utc_now
from worker.exports.models import EarlyCancel
from worker.handlers.requests.ingest_request import ingest_request
from worker.housekeeping.housekeeping import purge_early_cancels

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

OWNER, STRANGER = "mairie-13900", "departement"
DAY_SECONDS = 86_400
BY = {"commune": COMMUNE, "requested_by": "mairie"}
LISTES = ListeExportRequested.model_validate(BY | {"listes": ["P", "CE"]})
TABLEAUX = TableauxRenderRequested.model_validate(
    BY | {"listes": ["P"], "types": ["cinq_jours"], "scrutin": "2017-04-23"}
)
PREVIEW = RegistrePreviewRequested.model_validate(
    BY | {"arrival": "a" * 32 + ".csv", "sha256": "0" * 64, "taken_on": "2026-11-20"}
)


def _wrap(data: Data) -> CloudEvent:
    return CloudEvent.wrap(data, source="/test")


def _about(
    model: type[CancelRequested | RetryRequested],
    event: CloudEvent,
    **fields: Any,  # noqa: ANN401 — of the request
) -> CloudEvent:
    named = {"request": {"source": event.source, "id": event.id}, "requested_by": "Mme Lefèvre"}
    return _wrap(model.model_validate(named | fields))


def _cancel(event: CloudEvent, **fields: Any) -> CloudEvent:  # noqa: ANN401 — of the request
    return _about(CancelRequested, event, **fields)


def _send(desk: Desk, *events: CloudEvent, sender: str = "") -> None:
    for event in events:
        ingest_request(event, desk.services, sender=sender)


def _outcomes(desk: Desk, *events: CloudEvent) -> list[str]:
    return [str(desk.request(event)["code"] or desk.request(event)["outcome"]) for event in events]


def _states(desk: Desk, event: CloudEvent) -> list[str]:
    return [row["status"] for row in desk.files_of(event)]


def _early(desk: Desk) -> int:
    return int(desk.values("SELECT count(*) FROM early_cancel")[0])


@pytest.mark.parametrize("asked", [LISTES, TABLEAUX], ids=["listes", "tableaux"])
def test_a_request_that_arrives_after_its_cancel_makes_no_file(desk: Desk, asked: Data) -> None:
    event = _wrap(asked)
    cancel = _cancel(event)
    _send(desk, cancel)
    assert (_outcomes(desk, cancel), _early(desk)) == (["accepted"], 1)
    _send(desk, event)
    assert (_outcomes(desk, event), _early(desk)) == (["accepted"], 0)
    rows = desk.files_of(event)
    assert {row["status"] for row in rows} == {"cancelled"}
    assert {row["error_message"] for row in rows} == {"Annulé par Mme Lefèvre."}
    desk.work()
    assert desk.files() == []
    told = desk.announce()
    assert {it.causationid for it in told if it.data["status"] == "accepted"} == {
        event.id,
        cancel.id,
    }
    ends = [it.data for it in told if it.causationid == event.id][1:]
    *files, settled = ends
    assert [it["status"] for it in files] == [FileStage.CANCELLED] * len(rows)
    assert (settled["status"], settled["cancelled"]) == ("settled", len(rows))


def test_a_retry_that_arrives_after_its_cancel_makes_no_file(desk: Desk) -> None:
    asked = _wrap(LISTES)
    again = _about(RetryRequested, asked)
    _send(desk, asked, _cancel(asked), _cancel(again), again)
    assert _states(desk, again) == ["cancelled"] * 2


@pytest.mark.parametrize("is_import", [False, True])
def test_an_export_of_the_reu_that_arrives_after_its_cancel_is_erased(
    desk: Desk, *, is_import: bool
) -> None:
    arrival = desk.services.arrivals.root / PREVIEW.arrival
    arrival.parent.mkdir(parents=True)
    arrival.write_text("nom")
    event = _wrap(PREVIEW)
    if is_import:
        _send(desk, event)
        desk.run("DELETE FROM work")
        with Session(desk.engine) as session, session.begin():
            session.execute(update(Preview).values(status=PreviewStatus.READY))
        (number,) = desk.values("SELECT id FROM preview")
        asked = BY | {"preview": number, "sha256": PREVIEW.sha256}
        event = _wrap(RegistreImportRequested.model_validate(asked))
    _send(desk, _cancel(event), event)
    assert _outcomes(desk, event) == ["accepted"]
    assert desk.values("SELECT status FROM preview") == ["dropped"]
    desk.work(QUEUE_REGISTRE)
    assert not arrival.exists()
    assert desk.values("SELECT count(*) FROM import") == [1], "that of the template"


def test_copies_change_nothing(desk: Desk) -> None:
    event = _wrap(LISTES)
    cancel = _cancel(event)
    _send(desk, cancel, cancel)
    assert _early(desk) == 1
    _send(desk, event, event, cancel)
    assert (_states(desk, event), _early(desk)) == (["cancelled"] * 2, 0)
    later = _cancel(event)
    _send(desk, later)
    assert _outcomes(desk, event, cancel, later) == ["accepted", "accepted", "rien_a_annuler"]


def test_a_second_cancel_before_the_request_is_no_fault(desk: Desk) -> None:
    event = _wrap(LISTES)
    cancels = _cancel(event), _cancel(event)
    _send(desk, *cancels, event)
    assert _outcomes(desk, *cancels, event) == ["accepted"] * 3
    assert (_states(desk, event), _early(desk)) == (["cancelled"] * 2, 0)


def test_an_event_that_is_corrected_under_its_id_is_still_cancelled(desk: Desk) -> None:
    event = _wrap(LISTES)
    _send(desk, _cancel(event))
    ingest_request(event, desk.services, faults=[Fault("time", "time_format", "illisible")])
    assert _early(desk) == 1
    corrected = event.model_copy(update={"data": event.data | {"listes": ["CE"]}})
    _send(desk, corrected)
    assert desk.values("SELECT status FROM export") == ["cancelled"]


def test_a_request_that_is_refused_leaves_no_cancellation(desk: Desk) -> None:
    event = _wrap(LISTES.model_copy(update={"commune": "01001"}))
    _send(desk, _cancel(event), event)
    assert (_outcomes(desk, event), _early(desk)) == (["registre_absent"], 0)


@pytest.mark.parametrize(("known", "code"), [(999, ""), (1000, "quota")])
def test_an_account_has_a_thousand_cancellations_wait_and_no_more(
    desk: Desk, known: int, code: str
) -> None:
    with desk.engine.begin() as connection:
        rows = [
            {"sender": OWNER, "source": "/test", "event_id": str(it), "requested_by": ""}
            for it in range(known)
        ]
        connection.execute(insert(EarlyCancel), rows)
    event = _wrap(LISTES)
    mine, other = _cancel(event), _cancel(event)
    _send(desk, mine, sender=OWNER)
    _send(desk, other, sender=STRANGER)
    assert [desk.request(it)["code"] for it in (mine, other)] == [code, ""]
    if code:
        assert "(1000 au plus)" in desk.request(mine)["reason"]
    _send(desk, event, sender=OWNER)
    assert _states(desk, event) == ["queued" if code else "cancelled"] * 2


@pytest.mark.parametrize(("seconds", "states"), [(-60, ["cancelled"] * 2), (60, ["queued"] * 2)])
def test_a_cancellation_waits_seven_days_for_its_request(
    desk: Desk, seconds: float, states: list[str]
) -> None:
    event = _wrap(LISTES)
    _send(desk, _cancel(event))
    age = 7 * DAY_SECONDS + seconds
    with desk.engine.begin() as connection:
        connection.execute(update(EarlyCancel).values(created_at=utc_now(-age)))
    assert purge_early_cancels(desk.engine) == (seconds > 0)
    _send(desk, event)
    assert _states(desk, event) == states


def test_an_account_cancels_no_request_of_another(desk: Desk) -> None:
    """Both may ask for the commune, and the stranger knows the id; it learns nothing of the request."""
    desk.configure(is_embedded=False)
    with Session(desk.engine) as session, session.begin():
        session.add_all(Sender(name=it, code_commune=COMMUNE) for it in (OWNER, STRANGER))
    known, unknown = _wrap(LISTES), _wrap(LISTES)
    _send(desk, known, sender=OWNER)
    cancels = [_cancel(known), _cancel(unknown)]
    _send(desk, *cancels, sender=STRANGER)
    _send(desk, unknown, sender=OWNER)
    assert _outcomes(desk, *cancels) == ["accepted"] * 2
    assert (_states(desk, known), _states(desk, unknown)) == (["queued"] * 2, ["queued"] * 2)
    _send(desk, known, sender=STRANGER)
    theirs = desk.values(
        "SELECT e.status FROM export e JOIN request r ON r.id = e.request_id WHERE r.sender = :it",
        it=STRANGER,
    )
    assert theirs == ["cancelled"] * 2, "a request of its own under this id"


@pytest.mark.parametrize("model", [CancelRequested, RetryRequested])
def test_files_of_an_unknown_request_are_refused_at_once_and_the_answer_says_when_to_ask(
    desk: Desk, model: type[CancelRequested | RetryRequested]
) -> None:
    asked = _wrap(LISTES)
    early = _about(model, asked, exports=[1])
    _send(desk, early, asked)
    assert (_outcomes(desk, early), _early(desk)) == (["demande_introuvable"], 0)
    reason = desk.request(early)["reason"]
    assert "Renvoyez cet événement une fois la demande acceptée, avec un « id » nouveau" in reason
    assert _states(desk, asked) == ["queued"] * 2, "it does not wait for the request"


def test_a_retry_of_an_unknown_request_is_refused_at_once_and_accepted_later(desk: Desk) -> None:
    asked = _wrap(LISTES)
    early = _about(RetryRequested, asked)
    _send(desk, early)
    assert _outcomes(desk, early) == ["demande_introuvable"]
    _send(desk, asked, _cancel(asked))
    again = _about(RetryRequested, asked)
    _send(desk, again)
    assert (_outcomes(desk, again), _states(desk, again)) == (["accepted"], ["queued"] * 2)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("is_cancel_first", [True, False])
def test_a_cancel_and_its_request_that_are_recorded_at_once_make_no_file(
    desk: Desk, database_url: str, *, is_cancel_first: bool
) -> None:
    """They come by two queues: neither transaction sees the rows of the other before its commit."""
    asked = _wrap(LISTES)
    cancel = _cancel(asked)
    first, second = (cancel, asked) if is_cancel_first else (asked, cancel)
    other = build_engine(database_url)
    services = replace(desk.services, engine=other, registre=other)
    writing: list[object] = []
    started: list[Future[None]] = []

    def note(connection: Connection, _cursor: object, said: str, *_others: object) -> None:
        if said.startswith("INSERT INTO request"):
            writing.append(connection.connection.dbapi_connection)

    def start_second(connection: Connection) -> None:
        if not started and connection.connection.dbapi_connection in writing:
            started.append(pool.submit(ingest_request, second, services))
            blocked = (
                "SELECT pid FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            wait_until(
                lambda: started[0].done() or desk.values(blocked),
                message="the second event to be recorded, or to wait for the first",
            )

    listen(desk.engine, "before_cursor_execute", note)
    listen(desk.engine, "commit", start_second)
    with ThreadPoolExecutor() as pool:
        ingest_request(first, desk.services)
        started[0].result()
    other.dispose()
    assert _outcomes(desk, asked, cancel) == ["accepted"] * 2
    assert (_states(desk, asked), _early(desk)) == (["cancelled"] * 2, 0)
