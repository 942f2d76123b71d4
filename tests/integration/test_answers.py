"""Every ingested event is answered to the account that sent it: accepted or refused, once, and again for a copy.

The examples of our events in the contract equal the events of a real worker.
"""

import json
import re
from datetime import date
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, selectinload

from schemas import topology
from schemas.checking import hash_payload
from schemas.envelope import CloudEvent, Data
from schemas.events import FileStage, name_request
from schemas.generate import ROOT
from schemas.requests import CancelRequested, ListeExportRequested
from schemas.topology import EVENT_REQUEST_STATUS, SCREEN_ACCOUNT
from schemas.vocabulary import KEY_REUSED, ExportStatus
from tests.integration.depots_desk import DepotsDesk
from tests.integration.export_desk import COMMUNE
from tests.parts.databases import ON_SQLITE
from tests.parts.notes import note_file, note_screen
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE
from tests.unit.mail_samples import deadline
from worker.access.management import allow_sender
from worker.exports.models import Export, Recall, Request
from worker.exports.records import announce, mark_recalled
from worker.handlers.requests.ingest_request import ingest_request
from worker.notifier.messages.events import (
    answer_event,
    deadline_event,
    file_event,
    recall_event,
    settled_event,
)
from worker.notifier.models import Answer
from worker.notifier.notices import Notices
from worker.notifier.notify import Notifier, build_pools
from worker.notifier.records import add_to_feed
from worker.work.queue import Claim, Work, WorkKind, WorkState

pytestmark = [
    pytest.mark.database(LIBREVILLE_TEMPLATE),
    pytest.mark.desk(opened_by=DepotsDesk.open),
]

BY = {"requested_by": AGENT}
ACCOUNT = "mairie-13900"


class Listener:
    """A notifier that only publishes replies, and the events that it has published to each account."""

    def __init__(self, desk: DepotsDesk) -> None:
        self.published: list[tuple[CloudEvent, str]] = []
        pools = build_pools(
            desk.engine, Notices(""), {}, lambda it, account: self.published.append((it, account))
        )
        self._notifier = Notifier(desk.engine, pools[:1], owner="listener", lease_seconds=60)

    def listen(self) -> list[CloudEvent]:
        """The events published since the last call."""
        before = len(self.published)
        self._notifier.work(Event())
        return [event for event, _ in self.published[before:]]


@pytest.fixture
def listener(desk: DepotsDesk) -> Listener:
    listener = Listener(desk)
    listener.listen()
    return listener


def _send(desk: DepotsDesk, data: Data, **attributes: Any) -> CloudEvent:  # noqa: ANN401 — of the envelope
    event = CloudEvent.wrap(data, source="/test").model_copy(update=attributes)
    ingest_request(event, desk.services, sender=ACCOUNT)
    return event


def _ask(desk: DepotsDesk, **fields: Any) -> CloudEvent:  # noqa: ANN401 — of the request
    return _send(desk, ListeExportRequested.model_validate({"commune": COMMUNE} | BY | fields))


@pytest.mark.slow
def test_a_request_is_accepted_with_the_files_to_expect(
    desk: DepotsDesk, listener: Listener
) -> None:
    asked = _ask(desk, listes=["P", "CE"])
    (accepted,) = listener.listen()
    assert (accepted.type, accepted.causationid, listener.published[-1][1]) == (
        EVENT_REQUEST_STATUS,
        asked.id,
        ACCOUNT,
    )
    assert accepted.data["status"] == "accepted"
    assert accepted.data["request"] == {
        "source": "/test",
        "id": asked.id,
        "uuid": name_request(ACCOUNT, "/test", asked.id, hash_payload(asked)),
    }
    assert [(it["liste"], it["format"]) for it in accepted.data["exports"]] == [
        ("P", "csv"),
        ("CE", "csv"),
    ]
    assert listener.listen() == [], "once"


@pytest.mark.slow
def test_what_asks_for_no_file_is_answered_too(desk: DepotsDesk, listener: Listener) -> None:
    export_id = desk.make()["export_id"]
    asked = _ask(desk, listes=["CE"])
    listener.listen()
    said = [
        _send(
            desk,
            CancelRequested.model_validate({"request": {"source": "/test", "id": asked.id}} | BY),
        ),
        _send(desk, note_file("downloaded", export_id)),
        _send(desk, note_file("downloaded", 999_999)),
    ]
    answers = listener.listen()
    assert [answer.causationid for answer in answers] == [event.id for event in said]
    assert [answer.data["status"] for answer in answers] == ["accepted", "accepted", "refused"]
    assert [answer.data.get("exports") for answer in answers] == [[], [], None]
    assert answers[2].data["code"] == "fichier_inconnu"


def test_no_program_hears_of_a_note_of_the_screen(desk: DepotsDesk, listener: Listener) -> None:
    """It is no part of the contract; one that another account sends is refused, and hears so."""
    with desk.engine.begin() as connection:
        allow_sender(connection, SCREEN_ACCOUNT, COMMUNE, actor="test")
    seen = note_screen("electeurs_seen", page="anomalies", electeurs=3)
    for sender in (SCREEN_ACCOUNT, ACCOUNT):
        ingest_request(CloudEvent.wrap(seen, source="/test"), desk.services, sender=sender)
    (refused,) = listener.listen()
    assert (refused.data["status"], listener.published[-1][1]) == ("refused", ACCOUNT)
    with Session(desk.engine) as session:
        assert session.scalars(select(Answer.account)).all() == [ACCOUNT]


def test_a_refusal_says_each_thing_that_is_wrong_and_where(
    desk: DepotsDesk, listener: Listener
) -> None:
    wrong = _ask(desk).model_copy(update={"id": "wrong"})
    listener.listen()
    wrong = wrong.model_copy(
        update={"data": wrong.data | {"formats": ["doc"], "commune": 13900, "couleur": "bleu"}}
    )
    ingest_request(wrong, desk.services)
    (refused,) = listener.listen()
    assert (refused.data["code"], refused.data["reason"][:18]) == (
        "demande_invalide",
        "Demande invalide :",
    )
    assert {(it["field"], it["code"]) for it in refused.data["errors"]} == {
        *(
            ("/data/formats/0", "enum"),
            ("/data/commune", "string_type"),
            ("/data/couleur", "extra_forbidden"),
        )
    }
    assert all("bleu" not in it["message"] and it["message"] for it in refused.data["errors"])
    _ask(desk, commune="2A999")
    (unknown,) = listener.listen()
    (fault,) = unknown.data["errors"]
    assert (
        (fault["field"], fault["code"])
        == ("/data/commune", unknown.data["code"])
        == ("/data/commune", "commune_inconnue")
    )


def test_a_copy_finds_its_answer_and_another_under_its_key_finds_its_own(
    desk: DepotsDesk, listener: Listener
) -> None:
    asked = _ask(desk)
    (first,) = listener.listen()
    brief = {name: value for name, value in asked.data.items() if name not in {"formats", "bulk"}}
    ingest_request(asked.model_copy(update={"data": brief}), desk.services, sender=ACCOUNT)
    assert listener.listen() == [first], (
        "what is said is the same: a default value need not be written"
    )
    reused = asked.model_copy(update={"data": asked.data | {"listes": ["CM"]}})
    for _ in range(2):
        ingest_request(reused, desk.services, sender=ACCOUNT)
        (second,) = listener.listen()
        assert (second.data["code"], second.causationid) == (KEY_REUSED, asked.id)


def _begin(desk: DepotsDesk, event_id: str, liste: str, **columns: Any) -> None:  # noqa: ANN401 — of the row
    """Simulate a worker that has claimed the file and counted its electors."""
    of_event = select(Request.id).where(Request.event_id == event_id).scalar_subquery()
    with desk.engine.begin() as connection:
        of_file = Export.request_id == of_event, Export.liste == liste
        running = update(Export).where(*of_file).values(status=ExportStatus.RUNNING, **columns)
        subject = f"export:{connection.scalars(running.returning(Export.id)).one()}"
        held = (
            update(Work).where(Work.subject == subject).values(state=WorkState.HELD, owner="worker")
        )
        work_id = connection.scalars(held.returning(Work.id)).one()
    claim = Claim(work_id, WorkKind.LISTE, subject, "", 0, 0, 1, 0, 0.0, "worker")
    announce(desk.engine, claim, electeurs=98_000)


def _pass_a_second(desk: DepotsDesk) -> None:
    desk.run("UPDATE work SET due_at = NULL")


NAMES = {"id", "time", "correlationid", "causationid", "export_id", "request_id", "uuid"}
FREE = NAMES | {
    "lines_written",
    "ready",
    "failed",
    "size",
    "sha256",
    "electeurs",
    "anomalies_bloquantes",
    "remarques",
}
"""The fields that differ between requests."""

OF_ARRIVALS = {topology.EVENT_REGISTRE_STATUS}
"""Events about arriving exports of the REU need a whole import: the tests of previews check them."""

_INSTANTS = re.compile(r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d|\d{8}-\d{6}")


def _example(event_type: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(
        (ROOT / "examples" / f"{event_type}.json").read_text("utf-8")
    )
    return event


def _send_example(desk: DepotsDesk, event_id: str, **changes: Any) -> None:  # noqa: ANN401 — of the data
    """Send the example of a request under this id, with these fields replaced."""
    example = _example(topology.REQUEST_LISTE_EXPORT)
    data = example["data"] | {"listes": ["P"], "formats": ["csv"]} | changes
    ingest_request(
        CloudEvent.from_bytes(json.dumps(example | {"id": event_id, "data": data}).encode()),
        desk.services,
    )


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
        recall = Recall(
            code_commune="13900",
            because="l'import 12 (reu.csv) a été annulé",
            recalled_by="exploitant",
        )
        session.add(recall)
        session.flush()
        export = session.scalars(
            select(Export).join(Request).where(Request.event_id == event_id)
        ).one()
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
    _send_example(desk, "made")
    said = [answer_event(_request(desk, "made"))]
    desk.work()
    made = _request(desk, "made")
    said += [file_event(made, made.exports[0]), settled_event(made), _recall(desk, "made")]
    _send_example(desk, "cancelled")
    said.append(_cancel(desk, "cancelled"))
    _send_example(desk, "failed")
    failed = _request(desk, "failed")
    failed.exports[0].status = ExportStatus.FAILED
    failed.exports[0].error_code, failed.exports[0].error_message = (
        "disque_plein",
        "Espace disque insuffisant.",
    )
    said.append(file_event(failed, failed.exports[0]))
    _send_example(desk, "refused", commune="13001")
    said.append(answer_event(_request(desk, "refused")))
    day = date(2027, 3, 22)
    near = deadline("vingt_jours", day, day, date(2027, 4, 11), "Élections municipales, 1er tour")
    said.append(deadline_event("13900", day, near))
    assert {event.type for event in said} == set(topology.EVENT_TYPES) - OF_ARRIVALS
    ended = [event.data["status"] for event in said if event.type == topology.EVENT_EXPORT_STATUS]
    assert {*ended} == {*FileStage} - {FileStage.QUEUED, FileStage.RUNNING}
    for event in said:
        if event.data.get("status") == _example(event.type)["data"].get("status"):
            assert _shape(event.model_dump(mode="json", exclude_none=True)) == _shape(
                _example(event.type)
            ), event.type
        assert event.causationid == event.data.get("request", {}).get("id")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_feed_is_numbered_in_the_order_of_the_commits(desk: DepotsDesk) -> None:
    """Else a program that has read the second event would never read the first."""
    _send_example(desk, "first")
    _send_example(desk, "second")
    first, second = (answer_event(_request(desk, name)) for name in ("first", "second"))
    done = Event()

    def add_second() -> None:
        with desk.engine.begin() as connection:
            add_to_feed(connection, [(second, "mairie")], 2)
        done.set()

    with desk.engine.begin() as connection:
        add_to_feed(connection, [(first, "mairie")], 1)
        thread = Thread(target=add_second)
        thread.start()
        assert not done.wait(0.5), "it has a number before the first is there to be read"
    thread.join(10)
    told = desk.values("SELECT event_id FROM answer ORDER BY id")
    assert told == [first.id, second.id]
