"""Pairs that are sent back to back to several worker processes: none is refused for the order it was read in."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from signal import SIGKILL

import pika
import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from schemas.envelope import CloudEvent, Data
from schemas.requests import CancelRequested, ListeExportRequested
from schemas.topology import EXCHANGE, QUEUE_REQUESTS, REQUEST_LISTE_EXPORT
from schemas.vocabulary import ExportKind, ExportStatus
from tests.integration.depots_desk import today
from tests.integration.export_desk import ASKED_AT, COMMUNE
from tests.parts.notes import note_file
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import wait_until
from worker.exports.models import Export, Request

pytestmark = [pytest.mark.integration, pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.slow]

BY = {"requested_by": AGENT}
OF_COMMUNE = {"commune": COMMUNE} | BY
REQUESTS_ONLY = ("-Q", QUEUE_REQUESTS)
"""No file is made, so that there is always something to cancel."""

Pair = tuple[CloudEvent, CloudEvent]


@pytest.fixture
def town(request: pytest.FixtureRequest, amqp_url: str, tmp_path: Path) -> Iterator[Town]:
    town = Town(request.getfixturevalue(getattr(request, "param", "postgres_url")), amqp_url, tmp_path)
    yield town
    town.close()


def _wrap(data: Data) -> CloudEvent:
    return CloudEvent.wrap(data, source="/test")


def _cancelled() -> Pair:
    asked = _wrap(ListeExportRequested.model_validate(OF_COMMUNE | {"listes": ["CE"]}))
    about = {"request": {"source": asked.source, "id": asked.id}} | BY
    return asked, _wrap(CancelRequested.model_validate(about))


def _answered(export_id: int) -> Pair:
    depot = note_file("deposited", export_id, deposited_on=today())
    return _wrap(depot), _wrap(note_file("verdict", export_id, verdict="accepte", verdict_on=today()))


def _ready_files(town: Town, number: int) -> Sequence[int]:
    """Rows of tableaux that were made: their deposit wants no fingerprint, so no file."""
    with Session(town.engine) as session, session.begin():
        made = Request(
            source="/made", event_id="made", event_type=REQUEST_LISTE_EXPORT, correlation_id="made", created_at=ASKED_AT
        )
        session.add(made)
        session.flush()
        row = {"request_id": made.id, "code_commune": COMMUNE, "liste": "P", "format": "pdf", "label": "Tableau P"}
        row |= {"kind": ExportKind.TABLEAU, "status": ExportStatus.READY, "edition": "affichage"}
        row |= {"finished_at": ASKED_AT, "anomalies": [], "parameters": {}}
        rows = [row | {"part": f"{index}", "file_name": f"{index}.pdf"} for index in range(number)]
        session.execute(insert(Export), rows)
        return session.scalars(select(Export.id).where(Export.request_id == made.id)).all()


def _send(town: Town, pairs: Sequence[Pair], *, reversed_each: int) -> None:
    """Back to back, each confirmed; of every so many pairs one is sent the wrong way round."""
    with pika.BlockingConnection(pika.URLParameters(town.amqp_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for index, pair in enumerate(pairs):
            for event in pair if index % reversed_each else pair[::-1]:
                key, properties = f"{town.account}.{event.type}", pika.BasicProperties(delivery_mode=2)
                channel.basic_publish(EXCHANGE, key, event.to_bytes(), properties, mandatory=True)


def _pairs(town: Town, number: int) -> list[Pair]:
    """As many cancelled requests as answered deposits, by turns."""
    by_turns = zip((_cancelled() for _ in range(number)), map(_answered, _ready_files(town, number)), strict=True)
    return list(chain.from_iterable(by_turns))


def _unread(town: Town, pairs: Sequence[Pair]) -> int:
    (row,) = town.rows("SELECT count(*) AS number FROM demandes WHERE source = '/test'")
    return 2 * len(pairs) - int(row["number"])


def _is_down_to(town: Town, pairs: Sequence[Pair], left: int) -> bool:
    return _unread(town, pairs) <= left


def _check(town: Town) -> None:
    refused = town.rows("SELECT event_type, reason FROM demandes WHERE outcome = 'refused'")
    assert [dict(row) for row in refused] == []
    assert {row["status"] for row in town.rows("SELECT status FROM derniers_exports WHERE kind = 'liste'")} == {
        "cancelled"
    }
    assert {row["verdict"] for row in town.rows("SELECT verdict FROM depot")} == {"accepte"}
    assert town.rows("SELECT id FROM parked") == []
    assert [town.queue(f"{QUEUE_REQUESTS}{suffix}") for suffix in ("", ".DQ", ".XQ")] == [[], [], []]


@pytest.mark.parametrize("town", ["postgres_url", "sqlite_url"], indirect=True)
def test_no_pair_is_refused_for_its_order(town: Town) -> None:
    for _ in range(3):
        town.start_worker(*REQUESTS_ONLY)
    pairs = _pairs(town, 8)
    _send(town, pairs, reversed_each=3)
    wait_until(lambda: not _unread(town, pairs), message=f"every outcome; worker: {town.log('worker')[-3000:]}")
    _check(town)


def test_no_pair_of_a_thousand_is_refused_while_workers_are_killed(town: Town) -> None:
    """Eight processes; ten times, once another hundred events or so were read, one is killed and another started."""
    workers = [town.start_worker(*REQUESTS_ONLY) for _ in range(8)]
    town.start_notifier()
    pairs = _pairs(town, 500)
    _send(town, pairs, reversed_each=7)
    for kill in range(10):
        left = 2 * len(pairs) * (10 - kill) // 11
        wait_until(partial(_is_down_to, town, pairs, left), timeout=120, message=f"{left} events left")
        workers[kill % 8].end(SIGKILL)
        workers[kill % 8] = town.start_worker(*REQUESTS_ONLY)
    wait_until(lambda: not _unread(town, pairs), timeout=120, message="every outcome")
    _check(town)
