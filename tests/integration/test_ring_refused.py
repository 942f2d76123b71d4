"""Work that could not be enqueued because the broker was away is enqueued again without the grace period."""

from collections.abc import Sequence

import pytest

from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from tests.integration.export_desk import COMMUNE, Desk
from tests.parts.town import LIBREVILLE_TEMPLATE
from worker.doorbell import Doorbell
from worker.handlers.requests.ingest_request import ingest_request
from worker.housekeeping.housekeeping import sweep

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]


def test_a_request_read_while_the_broker_is_away_rings_at_the_next_sweep(desk: Desk) -> None:
    desk.configure(enqueue=_refuse)
    _ask(desk)
    enqueued: list[Doorbell] = []
    assert sweep(desk.engine, enqueued.extend) == 3
    assert len(enqueued) == 3


def test_one_that_has_rung_does_not_ring_again_at_once(desk: Desk) -> None:
    first: list[Doorbell] = []
    desk.configure(enqueue=first.extend)
    _ask(desk)
    assert len(first) == 3
    assert sweep(desk.engine, _refuse) == 0


def _ask(desk: Desk) -> None:
    asked = ListeExportRequested(commune=COMMUNE, requested_by="mairie-libreville")
    ingest_request(CloudEvent.wrap(asked, source="/test"), desk.services)


def _refuse(_bells: Sequence[Doorbell]) -> None:
    raise ConnectionError
