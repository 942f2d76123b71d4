"""The broker's account determines the allowed communes: requests for others are refused on their row."""

from typing import Any

import pytest
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from schemas.envelope import CloudEvent
from schemas.requests import CancelRequested, ListeExportRequested, RetryRequested, TableauxRenderRequested
from tests.integration.export_desk import COMMUNE, Desk
from tests.parts.town import LIBREVILLE_TEMPLATE
from worker.access.models import EVERY_COMMUNE, Sender
from worker.handlers.requests.ingest_request import ingest_request

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

LISTES = {"commune": COMMUNE, "listes": ["CE"], "requested_by": "mairie-libreville"}
TABLEAUX = LISTES | {"types": ["cinq_jours"], "scrutin": "2017-04-23"}


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.configure(is_embedded=False)
    senders = [("mairie-13900", COMMUNE), ("mairie-13055", "13055"), ("departement", EVERY_COMMUNE)]
    with Session(desk.engine) as session, session.begin():
        session.add_all(Sender(name=name, code_commune=code) for name, code in senders)
    return desk


def _send(desk: Desk, data: Any, sender: str) -> RowMapping:  # noqa: ANN401 — any request
    event = CloudEvent.wrap(data, source="/test")
    ingest_request(event, desk.services, sender=sender)
    desk.wait_in_vain()
    return desk.request(event)


@pytest.mark.slow
@pytest.mark.parametrize("sender", ["mairie-13900", "departement"])
@pytest.mark.parametrize("asked", [LISTES, TABLEAUX], ids=["listes", "tableaux"])
def test_a_known_sender_is_served_for_its_commune(desk: Desk, sender: str, asked: dict[str, Any]) -> None:
    row = _send(desk, _model(asked), sender)
    assert (row["outcome"], row["sender"], row["code_commune"]) == ("accepted", sender, COMMUNE)


@pytest.mark.slow
@pytest.mark.parametrize("sender", ["mairie-13055", "nobody", EVERY_COMMUNE, "mairie-libreville"])
@pytest.mark.parametrize("asked", [LISTES, TABLEAUX], ids=["listes", "tableaux"])
def test_another_is_refused_with_a_reason_and_nobody_is_mailed(desk: Desk, sender: str, asked: dict[str, Any]) -> None:
    row = _send(desk, _model(asked), sender)
    assert (row["outcome"], row["sender"]) == ("refused", sender)
    assert row["reason"].startswith(f"Le compte « {sender} » ne peut pas demander de fichiers de {COMMUNE} : ")
    assert row["code_commune"] == "", "whose agents would be written to at a stranger's request"


def test_a_copy_of_an_event_is_recognised(desk: Desk) -> None:
    event = CloudEvent.wrap(_model(LISTES), source="/test")
    for _ in range(3):
        ingest_request(event, desk.services, sender="mairie-13900")
    assert desk.request(event)["outcome"] == "accepted"


def test_an_event_without_a_sender_is_refused(desk: Desk) -> None:
    row = _send(desk, _model(LISTES), "")
    assert (row["outcome"], row["sender"]) == ("refused", "")
    assert "user_id" in row["reason"]


def test_invalid_data_of_a_stranger_is_told_to_no_agent(desk: Desk) -> None:
    for sender, commune in (("mairie-13055", ""), ("mairie-13900", COMMUNE)):
        event = CloudEvent.wrap(_model(LISTES), source="/test")
        event = event.model_copy(update={"data": event.data | {"formats": ["doc"]}})
        ingest_request(event, desk.services, sender=sender)
        assert (desk.request(event)["outcome"], desk.request(event)["code_commune"]) == ("refused", commune)


@pytest.mark.slow
@pytest.mark.parametrize("model", [CancelRequested, RetryRequested])
def test_anothers_request_cannot_be_told_from_one_that_does_not_exist(
    desk: Desk, model: type[CancelRequested] | type[RetryRequested]
) -> None:
    event = CloudEvent.wrap(_model(LISTES), source="/test")
    ingest_request(event, desk.services, sender="mairie-13900")
    reasons = [
        _send(desk, _about(model, event_id), "mairie-13055")["reason"] for event_id in (event.id, "no-such-request")
    ]
    assert reasons[0] == reasons[1]
    assert desk.values("SELECT status FROM export") == ["queued"]
    assert _send(desk, _about(CancelRequested, event.id), "mairie-13900")["outcome"] == "accepted"


def _about(model: type[CancelRequested] | type[RetryRequested], event_id: str) -> CancelRequested | RetryRequested:
    return model.model_validate({"request": {"source": "/test", "id": event_id}, "requested_by": "mairie"})


def _model(fields: dict[str, Any]) -> ListeExportRequested | TableauxRenderRequested:
    model = TableauxRenderRequested if "types" in fields else ListeExportRequested
    return model.model_validate(fields)
