"""An event is identified by account, source and id: a copy changes nothing, a different event of that id is refused."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from schemas.envelope import CloudEvent
from schemas.requests import CancelRequested, ListeExportRequested
from tests.integration.export_desk import COMMUNE, Desk
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE
from worker.access.models import Sender
from worker.exports.models import KEY_REUSED
from worker.handlers.requests.ingest_request import ingest_request

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

BY = {"requested_by": AGENT}
OWNER, STRANGER = "mairie-13900", "mairie-13055"


def _ask(**fields: Any) -> CloudEvent:  # noqa: ANN401 — of the request
    asked = {"commune": COMMUNE, "listes": ["CE"]} | BY | fields
    return CloudEvent.wrap(ListeExportRequested.model_validate(asked), source="/test")


def _cancel(event: CloudEvent) -> CloudEvent:
    asked = {"request": {"source": event.source, "id": event.id}} | BY
    return CloudEvent.wrap(CancelRequested.model_validate(asked), source="/test")


def _under_the_key_of(first: CloudEvent, second: CloudEvent) -> CloudEvent:
    return second.model_copy(update={"id": first.id})


def _rows(desk: Desk) -> Sequence[RowMapping]:
    return desk.rows("SELECT * FROM demandes ORDER BY request_id")


def _codes(desk: Desk) -> list[str]:
    return [row["code"] for row in _rows(desk)]


def _status(desk: Desk) -> list[str]:
    return desk.values("SELECT status FROM export ORDER BY id")


def test_another_event_under_the_same_key_is_refused(desk: Desk) -> None:
    first = _ask()
    second = _under_the_key_of(first, _ask(listes=["P"]))
    for event in (first, second, first, second, first):
        ingest_request(event, desk.services, sender=OWNER)
    assert [(row["outcome"], row["code"]) for row in _rows(desk)] == [("accepted", ""), ("refused", KEY_REUSED)]
    assert _rows(desk)[1]["reason"].startswith("Identifiant déjà employé pour une autre demande")
    assert _status(desk) == ["queued"], "of the first, and still to be made"


def test_what_an_event_says_is_its_type_and_its_data_and_not_the_order_of_fields(desk: Desk) -> None:
    first = _ask()
    turned = first.model_copy(update={"data": dict(reversed(first.data.items())), "correlationid": "another"})
    retyped = first.model_copy(update={"type": "fr.openelec.prefecture.request.tableaux_render.v1"})
    for event in (first, turned, retyped):
        ingest_request(event, desk.services, sender=OWNER)
    assert _codes(desk) == ["", KEY_REUSED], "whatever else would be wrong with it"


def test_a_refused_strangers_id_does_not_burn_the_owners(desk: Desk) -> None:
    desk.configure(is_embedded=False)
    with Session(desk.engine) as session, session.begin():
        session.add(Sender(name=OWNER, code_commune=COMMUNE))
    event = _ask()
    for sender in (STRANGER, OWNER, STRANGER, OWNER):
        ingest_request(event, desk.services, sender=sender)
    assert [(row["sender"], row["outcome"]) for row in _rows(desk)] == [(STRANGER, "refused"), (OWNER, "accepted")]
    ingest_request(_cancel(event), desk.services, sender=OWNER)
    assert _status(desk) == ["cancelled"], "its own, not the stranger's"


@pytest.mark.slow
def test_who_waits_keeps_the_key(desk: Desk) -> None:
    asked = _ask()
    waiting = _cancel(asked)
    for second in (_ask(), _cancel(_ask())):
        ingest_request(waiting, desk.services)
        ingest_request(_under_the_key_of(waiting, second), desk.services)
    assert _codes(desk) == [KEY_REUSED, KEY_REUSED]
    ingest_request(asked, desk.services)
    assert _codes(desk) == [KEY_REUSED, KEY_REUSED, "", ""]
    assert _status(desk) == ["cancelled"]
