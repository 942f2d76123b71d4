"""A request is recorded once, then cancelled or retried in each state of its files."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from schemas.envelope import CloudEvent
from schemas.requests import (
    CancelRequested,
    ListeExportRequested,
    RetryRequested,
    TableauxRenderRequested,
)
from schemas.topology import QUEUE_LISTES
from schemas.vocabulary import KEY_REUSED, Format
from tests.integration.export_desk import COMMUNE, Desk, before_writing
from tests.parts.town import LIBREVILLE_TEMPLATE
from worker.access.models import Sender
from worker.exports.records import mark_ready
from worker.handlers.making import make_liste
from worker.handlers.requests.ingest_request import ingest_request

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]


def _event(**fields: Any) -> CloudEvent:  # noqa: ANN401 — of the request
    asked = {"commune": COMMUNE, "listes": ["CE"], "requested_by": "mairie"} | fields
    return CloudEvent.wrap(ListeExportRequested.model_validate(asked), source="/test")


def _cancel_event(event: CloudEvent, **fields: Any) -> CloudEvent:  # noqa: ANN401
    return CloudEvent.wrap(CancelRequested.model_validate(_about(event) | fields), source="/test")


def _about(event: CloudEvent) -> dict[str, Any]:
    return {"request": {"source": event.source, "id": event.id}, "requested_by": "Mme Lefèvre"}


def _ask(desk: Desk, **fields: Any) -> CloudEvent:  # noqa: ANN401
    return _send(desk, _event(**{"listes": ["P", "CE"]} | fields))


def _cancel(desk: Desk, event: CloudEvent, **fields: Any) -> CloudEvent:  # noqa: ANN401
    return _send(desk, _cancel_event(event, **fields))


def _retry(desk: Desk, event: CloudEvent, **fields: Any) -> CloudEvent:  # noqa: ANN401
    return _send(
        desk, CloudEvent.wrap(RetryRequested.model_validate(_about(event) | fields), source="/test")
    )


def _send(desk: Desk, event: CloudEvent) -> CloudEvent:
    ingest_request(event, desk.services)
    return event


def _states(desk: Desk, event: CloudEvent) -> list[str]:
    return [row["status"] for row in desk.files_of(event)]


def _refusal(desk: Desk, event: CloudEvent) -> str:
    row = desk.request(event)
    assert row["outcome"] == "refused"
    return str(row["reason"])


@pytest.mark.slow
def test_a_cancel_stops_the_files_that_are_not_made_and_keeps_the_others(desk: Desk) -> None:
    asked = _ask(desk)
    ready, waiting = desk.files_of(asked)
    desk.process(ready["export_id"])
    cancelled = _cancel(desk, asked)
    ingest_request(cancelled, desk.services)

    assert _states(desk, asked) == ["ready", "cancelled"]
    row = desk.row(waiting["export_id"])
    assert (row["error_code"], row["error_message"]) == ("annule", "Annulé par Mme Lefèvre.")
    assert row["finished_at"] is not None
    desk.work()
    assert desk.row(waiting["export_id"])["status"] == "cancelled"
    assert set(desk.files()) == {ready["file_name"], desk.row(ready["export_id"])["report_name"]}
    assert (desk.request(cancelled)["outcome"], desk.request(cancelled)["code_commune"]) == (
        "accepted",
        COMMUNE,
    )


@pytest.mark.slow
@pytest.mark.parametrize("format_", Format)
def test_the_worker_of_a_cancelled_file_publishes_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, format_: Format
) -> None:
    asked = _ask(desk, listes=["P"], formats=[format_])
    before_writing(monkeypatch, partial(_cancel, desk, asked))
    (file,) = desk.files_of(asked)
    assert desk.process(file["export_id"])["status"] == "cancelled"
    assert desk.files() == []


def test_a_file_that_is_ready_just_before_stays(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _ask(desk, listes=["CE"])
    cancellations: list[CloudEvent] = []

    def record(*arguments: Any, **columns: Any) -> None:  # noqa: ANN401 — passed on
        mark_ready(*arguments, **columns)
        cancellations.append(_cancel(desk, asked))

    monkeypatch.setattr(make_liste, "mark_ready", record)
    (file,) = desk.files_of(asked)
    assert desk.process(file["export_id"])["status"] == "ready"
    assert _refusal(desk, cancellations[0]).startswith("Rien à annuler")
    assert desk.request(cancellations[0])["code_commune"] == COMMUNE


def test_one_file_of_several_is_cancelled(desk: Desk) -> None:
    asked = _ask(desk)
    kept, dropped = desk.files_of(asked)
    _cancel(desk, asked, exports=[dropped["export_id"]])
    assert _states(desk, asked) == ["queued", "cancelled"]
    refused = _cancel(desk, asked, exports=[kept["export_id"], 999_999])
    assert _refusal(desk, refused).startswith("Fichier inconnu")
    assert _states(desk, asked) == ["queued", "cancelled"]


def test_a_refused_request_has_nothing_to_cancel_nor_to_ask_again(desk: Desk) -> None:
    asked = _ask(desk, commune="01001")
    assert _refusal(desk, _cancel(desk, asked)).startswith("Rien à annuler")
    assert _refusal(desk, _retry(desk, asked)).startswith("Rien à redemander")


@pytest.mark.slow
def test_files_that_failed_or_were_cancelled_are_asked_again_as_of_today(desk: Desk) -> None:
    sent: list[tuple[str, int]] = []
    desk.configure(send_tokens=lambda queue, number: sent.append((queue, number)))
    asked = _ask(desk, listes=["P", "CE", "CM"])
    failed, ready, cancelled = (row["export_id"] for row in desk.files_of(asked))
    desk.run("UPDATE export SET status = 'failed' WHERE id = :id", id=failed)
    desk.run("DELETE FROM work WHERE subject = :it", it=f"export:{failed}")
    desk.run("UPDATE request SET created_at = '2014-02-12 11:26:07.000'")
    desk.process(ready)
    _cancel(desk, asked, exports=[cancelled])
    sent.clear()

    again = _retry(desk, asked)
    ingest_request(again, desk.services)

    new = desk.files_of(again)
    assert [(row["liste"], row["format"], row["status"]) for row in new] == [
        ("P", "csv", "queued"),
        ("CM", "csv", "queued"),
    ]
    assert sent == [(QUEUE_LISTES, 2)], "a copy of the event sends no token"
    assert [row["requested_by"] for row in new] == ["Mme Lefèvre"] * 2
    for row in new:
        assert "2014" not in row["label"] + row["file_name"]
        assert desk.process(row["export_id"])["status"] == "ready"
    assert _states(desk, asked) == ["failed", "ready", "cancelled"]
    assert _refusal(desk, _retry(desk, again)).startswith("Rien à redemander")


def test_a_ready_file_is_made_again_only_when_it_is_named(desk: Desk) -> None:
    asked = _ask(desk, listes=["CE", "CM"])
    altered, intact = (desk.process(row["export_id"]) for row in desk.files_of(asked))
    assert _refusal(desk, _retry(desk, asked)).startswith("Rien à redemander")
    (new,) = desk.files_of(_retry(desk, asked, exports=[altered["export_id"]]))
    assert (new["liste"], new["status"]) == ("CE", "queued")
    assert new["file_name"] not in {altered["file_name"], intact["file_name"]}


@pytest.mark.parametrize(
    "lost", ["fault = 'missing'", "fault = 'altered'", "purged_at = finished_at", "recall_id = 7"]
)
def test_a_file_without_good_bytes_is_made_again_unnamed(desk: Desk, lost: str) -> None:
    asked = _ask(desk, listes=["CE", "CM"])
    for row in desk.files_of(asked):
        desk.process(row["export_id"])
    (first, _) = desk.files_of(asked)
    desk.run(f"UPDATE export SET {lost} WHERE id = :id", id=first["export_id"])  # noqa: S608
    (new,) = desk.files_of(_retry(desk, asked))
    assert (new["liste"], new["status"]) == ("CE", "queued")


def test_a_tableau_is_asked_again_with_its_dates(desk: Desk) -> None:
    wanted = {"commune": COMMUNE, "listes": ["P"], "types": ["cinq_jours"], "scrutin": "2017-04-23"}
    fields = wanted | {
        "presentations": ["par_bureau"],
        "edition": "commission",
        "requested_by": "mairie",
    }
    asked = _send(
        desk, CloudEvent.wrap(TableauxRenderRequested.model_validate(fields), source="/test")
    )
    _cancel(desk, asked)
    (old,), (new,) = desk.files_of(asked), desk.files_of(_retry(desk, asked))
    for column in ("kind", "liste", "format", "type_tableau", "presentation", "edition"):
        assert new[column] == old[column]
    assert new["file_name"].startswith("tableau-cinq_jours-P-13900-par_bureau-commission-")
    assert new["file_name"] != old["file_name"]
    first, second = desk.values("SELECT parameters FROM export ORDER BY id")
    assert first == second
    assert "2017-04-23" in str(first)


OWNER, STRANGER = "mairie-13900", "mairie-13055"


def _under_the_key_of(first: CloudEvent, second: CloudEvent) -> CloudEvent:
    return second.model_copy(update={"id": first.id})


def _rows(desk: Desk) -> Sequence[RowMapping]:
    return desk.rows("SELECT * FROM demandes ORDER BY request_id")


def _codes(desk: Desk) -> list[str]:
    return [row["code"] for row in _rows(desk)]


def _status(desk: Desk) -> list[str]:
    return desk.values("SELECT status FROM export ORDER BY id")


def test_another_event_under_the_same_key_is_refused(desk: Desk) -> None:
    first = _event()
    second = _under_the_key_of(first, _event(listes=["P"]))
    for event in (first, second, first, second, first):
        ingest_request(event, desk.services, sender=OWNER)
    assert [(row["outcome"], row["code"]) for row in _rows(desk)] == [
        ("accepted", ""),
        ("refused", KEY_REUSED),
    ]
    assert _rows(desk)[1]["reason"].startswith("Identifiant déjà employé pour une autre demande")
    assert _status(desk) == ["queued"], "of the first, and still to be made"


def test_what_an_event_says_is_its_type_and_its_data_and_not_the_order_of_fields(
    desk: Desk,
) -> None:
    first = _event()
    turned = first.model_copy(
        update={"data": dict(reversed(first.data.items())), "correlationid": "another"}
    )
    retyped = first.model_copy(update={"type": "fr.openelec.prefecture.request.tableaux_render.v1"})
    for event in (first, turned, retyped):
        ingest_request(event, desk.services, sender=OWNER)
    assert _codes(desk) == ["", KEY_REUSED], "whatever else would be wrong with it"


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ({}, {"listes": ["CM", "P", "CE", "P"], "formats": ["csv", "csv"], "bulk": False}),
        ({"listes": ["P", "CM"]}, {"listes": ["CM", "P"]}),
        ({"formats": ["csv", "xml"]}, {"formats": ["xml", "csv"]}),
    ],
)
def test_a_list_of_an_event_is_a_set(
    desk: Desk, said: dict[str, Any], same: dict[str, Any]
) -> None:
    asked = {"commune": COMMUNE, "requested_by": "mairie"}
    first = _event().model_copy(update={"data": asked | said})
    for event in (first, first.model_copy(update={"data": asked | same})):
        ingest_request(event, desk.services, sender=OWNER)
    assert _codes(desk) == [""]


def test_a_refused_strangers_id_does_not_burn_the_owners(desk: Desk) -> None:
    desk.configure(is_embedded=False)
    with Session(desk.engine) as session, session.begin():
        session.add(Sender(name=OWNER, code_commune=COMMUNE))
    event = _event()
    for sender in (STRANGER, OWNER, STRANGER, OWNER):
        ingest_request(event, desk.services, sender=sender)
    assert [(row["sender"], row["outcome"]) for row in _rows(desk)] == [
        (STRANGER, "refused"),
        (OWNER, "accepted"),
    ]
    ingest_request(_cancel_event(event), desk.services, sender=OWNER)
    assert _status(desk) == ["cancelled"], "its own, not the stranger's"
