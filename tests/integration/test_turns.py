"""Fair scheduling: accounts with many requests and accounts with few take turns."""

from collections.abc import Iterable

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.vocabulary import ExportStatus
from tests.integration.depots_desk import DepotsDesk
from tests.integration.export_desk import COMMUNE
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE
from worker.exports.models import Export, Request
from worker.exports.records import settle
from worker.handlers.requests.ingest_request import ingest_request
from worker.housekeeping.housekeeping import sweep
from worker.work.models import WorkKind
from worker.work.queue import ClaimRule, claim

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=DepotsDesk.open)]

HOG, CLERK, OTHER = "hog", "clerk", "other"


def _ask(*, bulk: bool = False) -> CloudEvent:
    asked = {"commune": COMMUNE, "listes": ["P"], "requested_by": AGENT, "bulk": bulk}
    return CloudEvent.wrap(ListeExportRequested.model_validate(asked), source="/test")


def _send(desk: DepotsDesk, sender: str, number: int = 1, *, bulk: bool = False) -> None:
    for _ in range(number):
        ingest_request(_ask(bulk=bulk), desk.services, sender=sender)


def _serve(desk: DepotsDesk, number: int) -> str:
    """Handle the first doorbells of the queue; the accounts of all ready files in order, by their first letters."""
    for doorbell in [desk.enqueued.pop(0) for _ in range(number)]:
        desk.process(doorbell.row_id)
    with Session(desk.engine) as session:
        made = select(Request.sender).join(Export).where(Export.status == ExportStatus.READY)
        return "".join(sender[0] for sender in session.scalars(made.order_by(Export.finished_at)))


def _codes(desk: DepotsDesk) -> list[tuple[str, str]]:
    with desk.engine.connect() as connection:
        rows = connection.execute(select(Request.sender, Request.code).order_by(Request.id))
        return [(sender, code) for sender, code in rows]


@pytest.mark.slow
@pytest.mark.parametrize("bulk", [True, False])
def test_a_clerk_is_served_next_however_much_another_asked_for(desk: DepotsDesk, *, bulk: bool) -> None:
    _send(desk, HOG, 12, bulk=bulk)
    assert _serve(desk, 4) == "hhhh"
    _send(desk, CLERK, 2, bulk=bulk)
    assert _serve(desk, 4) == "hhhh" + "hchc", "in turn, from the one that was next"
    assert _serve(desk, 6) == "hhhh" + "hchc" + "hhhhhh", "who gave way is served by the doorbell of who did not"
    assert not desk.enqueued
    assert not sweep(desk.engine, desk.enqueued.extend, grace_seconds=60)


def test_what_is_told_first_is_single_and_then_each_account_in_turn(desk: DepotsDesk) -> None:
    _send(desk, HOG, 3, bulk=True)
    _send(desk, OTHER, 1, bulk=True)
    _send(desk, CLERK, 1)
    with desk.engine.begin() as connection:
        connection.execute(update(Export).values(status=ExportStatus.READY))
        settle(connection, connection.scalars(select(Request.id)))
    with desk.engine.begin() as connection:
        lease = {"lease_seconds": 60.0, "limit": 9}
        claims = claim(connection, [WorkKind.RECIPIENTS], "notifier", rule=ClaimRule(), **lease)  # type: ignore[arg-type]
    assert _senders(desk, [it.subject_id for it in claims]) == [CLERK, HOG, OTHER, HOG, HOG]


def _senders(desk: DepotsDesk, ids: Iterable[int]) -> list[str]:
    with Session(desk.engine) as session:
        return [session.get_one(Request, request_id).sender for request_id in ids]


def test_beyond_the_quota_one_is_refused_and_no_other(desk: DepotsDesk) -> None:
    desk.configure(quota=3)
    for sender in (HOG, HOG, HOG, HOG, CLERK, HOG):
        _send(desk, sender)
        _send(desk, sender, bulk=True)
    hogs = [code for sender, code in _codes(desk) if sender == HOG]
    assert (hogs.count(""), hogs.count("quota")) == (3 + 5, 2), "a batch has a quota of its own"
    assert {code for sender, code in _codes(desk) if sender == CLERK} == {""}


def test_a_share_that_was_served_has_its_quota_again(desk: DepotsDesk) -> None:
    desk.configure(quota=2)
    _send(desk, HOG, 3)
    _serve(desk, 2)
    _send(desk, HOG, 2)
    assert [code for _, code in _codes(desk)] == ["", "", "quota", "", ""]
