"""The broker's account determines the allowed communes: requests for others are refused on their row."""

from typing import Any

import pytest
from sqlalchemy import RowMapping, update
from sqlalchemy.orm import Session

from schemas.envelope import CloudEvent
from schemas.requests import (
    CancelRequested,
    ListeExportRequested,
    RetryRequested,
    TableauxRenderRequested,
)
from schemas.rights import EVERY_ACT, EVERY_COMMUNE
from schemas.vocabulary import ExportStatus
from tests.integration.export_desk import COMMUNE, Desk
from tests.parts.notes import note_file
from tests.parts.town import LIBREVILLE_TEMPLATE
from worker.access.management import make_token, revoke_token
from worker.access.models import Sender
from worker.exports.models import Export
from worker.handlers.requests.ingest_request import ingest_request

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

LISTES = {"commune": COMMUNE, "listes": ["CE"], "requested_by": "mairie-libreville"}
TABLEAUX = LISTES | {"types": ["cinq_jours"], "scrutin": "2017-04-23"}


Asked = ListeExportRequested | TableauxRenderRequested | CancelRequested | RetryRequested


def _model(fields: dict[str, Any]) -> Asked:
    model = TableauxRenderRequested if "types" in fields else ListeExportRequested
    return model.model_validate(fields)


def _about(model: type[CancelRequested | RetryRequested], event_id: str, **fields: Any) -> Asked:  # noqa: ANN401
    return model.model_validate(
        {"request": {"source": "/test", "id": event_id}, "requested_by": "mairie"} | fields
    )


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.configure(is_embedded=False)
    senders = [("mairie-13900", COMMUNE), ("mairie-13055", "13055"), ("departement", EVERY_COMMUNE)]
    with Session(desk.engine) as session, session.begin():
        session.add_all(Sender(name=name, code_commune=code) for name, code in senders)
        session.add(
            Sender(name="listes", code_commune=COMMUNE, acts="liste_export retry downloaded")
        )
    return desk


def _send(desk: Desk, data: Any, sender: str) -> RowMapping:  # noqa: ANN401 — any request
    event = CloudEvent.wrap(data, source="/test")
    ingest_request(event, desk.services, sender=sender)
    return desk.request(event)


@pytest.mark.slow
@pytest.mark.parametrize("sender", ["mairie-13900", "departement"])
@pytest.mark.parametrize("asked", [LISTES, TABLEAUX], ids=["listes", "tableaux"])
def test_a_known_sender_is_served_for_its_commune(
    desk: Desk, sender: str, asked: dict[str, Any]
) -> None:
    row = _send(desk, _model(asked), sender)
    assert (row["outcome"], row["sender"], row["code_commune"]) == ("accepted", sender, COMMUNE)


@pytest.mark.slow
@pytest.mark.parametrize("sender", ["mairie-13055", "unlisted", EVERY_COMMUNE, "mairie-libreville"])
@pytest.mark.parametrize("asked", [LISTES, TABLEAUX], ids=["listes", "tableaux"])
def test_another_sender_is_refused_with_a_reason_and_no_agent_is_mailed(
    desk: Desk, sender: str, asked: dict[str, Any]
) -> None:
    row = _send(desk, _model(asked), sender)
    assert (row["outcome"], row["sender"]) == ("refused", sender)
    assert row["reason"].startswith(
        f"Le compte « {sender} » ne peut pas demander de fichiers de {COMMUNE} : "
    )
    assert row["code_commune"] == "", "its agents would get mails at a stranger's request"


@pytest.mark.parametrize("is_embedded", [True, False])
def test_a_token_does_the_acts_that_it_was_made_for(desk: Desk, *, is_embedded: bool) -> None:
    desk.configure(is_embedded=is_embedded)
    with desk.engine.begin() as connection:
        token = make_token(connection, "compta", [COMMUNE], ["liste_export"], actor="exploitant")
        make_token(connection, "lecteur", [COMMUNE], [], actor="exploitant")
    row = _send(desk, _model(LISTES), "jeton compta")
    assert (row["outcome"], row["requested_by"], row["sender"]) == (
        "accepted",
        "jeton compta",
        "jeton compta",
    )
    assert _send(desk, _model(TABLEAUX), "jeton compta")["code"] == "acte_non_autorise"
    assert (
        _send(desk, _model(LISTES | {"commune": "13055"}), "jeton compta")["code"]
        == "compte_non_autorise"
    )
    assert _send(desk, _model(LISTES), "jeton lecteur")["code"] == "compte_non_autorise"
    with desk.engine.begin() as connection:
        revoke_token(connection, token.split("_")[1], actor="exploitant")
    assert _send(desk, _model(LISTES), "jeton compta")["code"] == "compte_non_autorise"


@pytest.mark.slow
def test_an_account_of_lists_does_nothing_else(desk: Desk) -> None:
    """It may retry, but no file that it may not ask for any more."""
    lists, tableaux = (CloudEvent.wrap(_model(it), source="/test") for it in (LISTES, TABLEAUX))
    acts = update(Sender).where(Sender.name == "listes")
    with desk.engine.begin() as connection:
        connection.execute(acts.values(acts=EVERY_ACT))
    for event in (lists, tableaux):
        ingest_request(event, desk.services, sender="listes")
    with desk.engine.begin() as connection:
        connection.execute(acts.values(acts="liste_export retry downloaded"))
    number: int = desk.files_of(lists)[0]["export_id"]
    desk.process(number)
    with Session(desk.engine) as session, session.begin():
        session.execute(
            update(Export).where(Export.id != number).values(status=ExportStatus.FAILED)
        )
    asked = [
        (_model(LISTES), ""),
        (_model(TABLEAUX), "acte_non_autorise"),
        (_about(CancelRequested, lists.id), "acte_non_autorise"),
        (_about(CancelRequested, "no-such-request"), "acte_non_autorise"),
        (_about(RetryRequested, lists.id, exports=[number]), ""),
        (_about(RetryRequested, tableaux.id), "acte_non_autorise"),
        (note_file("downloaded", number), ""),
        (note_file("deposited", number, deposited_on="2026-11-25"), "acte_non_autorise"),
    ]
    assert [_send(desk, data, "listes")["code"] for data, _ in asked] == [code for _, code in asked]


def test_an_event_without_a_sender_is_refused(desk: Desk) -> None:
    row = _send(desk, _model(LISTES), "")
    assert (row["outcome"], row["sender"]) == ("refused", "")
    assert "clé de routage" in row["reason"]


def test_invalid_data_of_a_stranger_is_told_to_no_agent(desk: Desk) -> None:
    for sender, commune in (("mairie-13055", ""), ("mairie-13900", COMMUNE)):
        event = CloudEvent.wrap(_model(LISTES), source="/test")
        event = event.model_copy(update={"data": event.data | {"formats": ["doc"]}})
        ingest_request(event, desk.services, sender=sender)
        assert (desk.request(event)["outcome"], desk.request(event)["code_commune"]) == (
            "refused",
            commune,
        )


@pytest.mark.slow
@pytest.mark.parametrize("sender", ["mairie-13055", "departement"])
@pytest.mark.parametrize("model", [CancelRequested, RetryRequested])
def test_a_request_of_another_account_cannot_be_told_from_one_that_does_not_exist(
    desk: Desk, model: type[CancelRequested | RetryRequested], sender: str
) -> None:
    event = CloudEvent.wrap(_model(LISTES), source="/test")
    ingest_request(event, desk.services, sender="mairie-13900")
    answers = [
        [row[it] for it in ("outcome", "code", "reason", "code_commune")]
        for row in (
            _send(desk, _about(model, event_id), sender) for event_id in (event.id, "no-such-one")
        )
    ]
    assert answers[0] == answers[1]
    assert desk.values("SELECT status FROM export") == ["queued"]
    assert _send(desk, _about(CancelRequested, event.id), "mairie-13900")["outcome"] == "accepted"
    assert desk.values("SELECT status FROM export") == ["cancelled"]
