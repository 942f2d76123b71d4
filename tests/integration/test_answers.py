"""Every ingested event is answered to the account that sent it: accepted or refused, once, and again for a copy."""

from threading import Event
from typing import Any

import pytest
from sqlalchemy import select, update

from schemas.envelope import CloudEvent, Data
from schemas.requests import CancelRequested, ListeExportRequested
from schemas.topology import EVENT_REQUEST_STATUS
from schemas.vocabulary import ExportStatus
from tests.integration.depots_desk import DepotsDesk
from tests.integration.export_desk import COMMUNE
from tests.parts.notes import note_file
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE
from worker.errors import TransientError
from worker.exports.models import KEY_REUSED, Export, Request
from worker.exports.records import announce
from worker.handlers.requests.ingest_request import ingest_request
from worker.messaging.events import routing_keys
from worker.notifier.messages.events import PublishEvent
from worker.notifier.notices import Notices
from worker.notifier.notify import Notifier, build_pools
from worker.work.queue import Claim, Work, WorkKind, WorkState

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=DepotsDesk.open)]

BY = {"requested_by": AGENT}
ACCOUNT = "mairie-13900"


class Listener:
    """A notifier that only publishes replies, and the events that it has published to each account."""

    def __init__(self, desk: DepotsDesk) -> None:
        self.published: list[tuple[CloudEvent, str]] = []
        pools = build_pools(desk.engine, Notices(""), {}, lambda it, account: self.published.append((it, account)))
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
def test_a_request_is_accepted_with_the_files_to_expect(desk: DepotsDesk, listener: Listener) -> None:
    asked = _ask(desk, listes=["P", "CE"])
    (accepted,) = listener.listen()
    assert (accepted.type, accepted.causationid, listener.published[-1][1]) == (EVENT_REQUEST_STATUS, asked.id, ACCOUNT)
    assert accepted.data["status"] == "accepted"
    assert accepted.data["request"] == {"source": "/test", "id": asked.id}
    assert [(it["liste"], it["format"]) for it in accepted.data["exports"]] == [("P", "csv"), ("CE", "csv")]
    assert listener.listen() == [], "once"


@pytest.mark.slow
def test_what_asks_for_no_file_is_answered_too(desk: DepotsDesk, listener: Listener) -> None:
    export_id = desk.make()["export_id"]
    asked = _ask(desk, listes=["CE"])
    listener.listen()
    said = [
        _send(desk, CancelRequested.model_validate({"request": {"source": "/test", "id": asked.id}} | BY)),
        _send(desk, note_file("downloaded", export_id)),
        _send(desk, note_file("downloaded", 999_999)),
    ]
    answers = listener.listen()
    assert [answer.causationid for answer in answers] == [event.id for event in said]
    assert [answer.data["status"] for answer in answers] == ["accepted", "accepted", "refused"]
    assert [answer.data.get("exports") for answer in answers] == [[], [], None]
    assert answers[2].data["code"] == "fichier_inconnu"


def test_a_refusal_says_each_thing_that_is_wrong_and_where(desk: DepotsDesk, listener: Listener) -> None:
    wrong = _ask(desk).model_copy(update={"id": "wrong"})
    listener.listen()
    wrong = wrong.model_copy(update={"data": wrong.data | {"formats": ["doc"], "commune": 13900, "couleur": "bleu"}})
    ingest_request(wrong, desk.services)
    (refused,) = listener.listen()
    assert (refused.data["code"], refused.data["reason"][:18]) == ("demande_invalide", "Demande invalide :")
    assert {(it["field"], it["code"]) for it in refused.data["errors"]} == {
        *(("data.formats.0", "enum"), ("data.commune", "string_type"), ("data.couleur", "extra_forbidden")),
    }
    assert all("bleu" not in it["message"] and it["message"] for it in refused.data["errors"])
    _ask(desk, commune="2A999")
    (unknown,) = listener.listen()
    (fault,) = unknown.data["errors"]
    assert (
        (fault["field"], fault["code"])
        == ("data.commune", unknown.data["code"])
        == ("data.commune", "commune_inconnue")
    )


def test_a_copy_finds_its_answer_and_another_under_its_key_finds_its_own(desk: DepotsDesk, listener: Listener) -> None:
    asked = _ask(desk)
    (first,) = listener.listen()
    brief = {name: value for name, value in asked.data.items() if name not in {"formats", "bulk"}}
    ingest_request(asked.model_copy(update={"data": brief}), desk.services, sender=ACCOUNT)
    assert listener.listen() == [first], "what is said is the same: a default value need not be written"
    reused = asked.model_copy(update={"data": asked.data | {"listes": ["CM"]}})
    for _ in range(2):
        ingest_request(reused, desk.services, sender=ACCOUNT)
        (second,) = listener.listen()
        assert (second.data["code"], second.causationid) == (KEY_REUSED, asked.id)


def test_an_account_that_asks_hears_each_second_how_far_a_file_is(desk: DepotsDesk) -> None:
    published: list[tuple[CloudEvent, str]] = []
    asked = _ask(desk, listes=["P"], progress=True)
    others = [_ask(desk, listes=["P"]), _ask(desk, listes=["P"], progress=True, bulk=True)]
    _begin(desk, asked.id, "P", lines_written=41_000)
    for other in others:
        _begin(desk, other.id, "P")
    _publish_progress(desk, _keep(published))
    _publish_progress(desk, _keep(published))
    ((event, account),) = published
    assert (event.data["status"], event.causationid, account) == ("running", asked.id, ACCOUNT)
    assert (event.data["liste"], event.data["lines_written"], event.data["electeurs"]) == ("P", 41_000, 98_000)
    _pass_a_second(desk)
    _publish_progress(desk, _keep(published))
    assert len({said.id for said, _ in published}) == 2

    _pass_a_second(desk)
    _publish_progress(desk, _away)
    _publish_progress(desk, _keep(published))
    assert len(published) == 2, "what could not leave at its second never does"
    desk.run("UPDATE request SET completed_at = created_at")
    _pass_a_second(desk)
    _publish_progress(desk, _keep(published))
    assert len(published) == 2
    assert desk.values("SELECT id FROM work WHERE kind = 'progress'") == []


def test_an_account_that_asks_hears_how_many_files_come_before_its_own(desk: DepotsDesk) -> None:
    published: list[tuple[CloudEvent, str]] = []
    _ask(desk, listes=["P", "CE"])
    _ask(desk, listes=["P", "CE", "CM"], bulk=True)
    _ask(desk, listes=["CM"], progress=True)
    _publish_progress(desk, _keep(published))
    assert published == [], "a file that is made at once waits for nothing"
    _pass_a_second(desk)
    _publish_progress(desk, _keep(published))
    ((event, account),) = published
    assert (event.data["status"], event.data["before"], account) == ("waiting", 2, ACCOUNT)
    assert routing_keys(event, account) == [f"{event.type}.account.{ACCOUNT}"]
    _publish_progress(desk, _keep(published))
    assert len(published) == 1, "not before some seconds"


def _keep(published: list[tuple[CloudEvent, str]]) -> PublishEvent:
    return lambda event, account: published.append((event, account))


def _publish_progress(desk: DepotsDesk, publish: PublishEvent) -> None:
    """Let a notifier publish the due progress."""
    pools = build_pools(desk.engine, Notices(""), {}, publish)
    Notifier(desk.engine, pools[2:3], owner="progress", lease_seconds=60).work(Event())


def _begin(desk: DepotsDesk, event_id: str, liste: str, **columns: Any) -> None:  # noqa: ANN401 — of the row
    """Simulate a worker that has claimed the file and counted its electors."""
    of_event = select(Request.id).where(Request.event_id == event_id).scalar_subquery()
    with desk.engine.begin() as connection:
        of_file = Export.request_id == of_event, Export.liste == liste
        running = update(Export).where(*of_file).values(status=ExportStatus.RUNNING, **columns)
        subject = f"export:{connection.scalars(running.returning(Export.id)).one()}"
        held = update(Work).where(Work.subject == subject).values(state=WorkState.HELD, owner="worker")
        work_id = connection.scalars(held.returning(Work.id)).one()
    claim = Claim(work_id, WorkKind.LISTE, subject, "", 0, 0, 1, 0, 0.0, "worker")
    announce(desk.engine, claim, electeurs=98_000)


def _pass_a_second(desk: DepotsDesk) -> None:
    desk.run("UPDATE work SET due_at = NULL")


def _away(_event: CloudEvent, _account: str) -> None:
    raise TransientError("away")
