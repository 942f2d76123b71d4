"""Every ingested event is answered to the account that sent it: accepted or refused, once, and again for a copy."""

import hashlib
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
from sqlalchemy import select, update

from schemas.envelope import CloudEvent, Data
from schemas.requests import CancelRequested, ListeExportRequested
from schemas.topology import (
    EVENT_REQUEST_STATUS,
    EXCHANGE,
    REQUEST_LISTE_EXPORT,
    listener_key,
)
from schemas.vocabulary import ExportStatus
from tests.integration.depots_desk import DepotsDesk
from tests.integration.export_desk import COMMUNE
from tests.integration.notifier_desk import one_by_one
from tests.parts.notes import note_file
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import wait_until
from worker.db.types import utc_now
from worker.errors import TransientError
from worker.exports.models import KEY_REUSED, Export, Request
from worker.exports.records import announce
from worker.handlers.requests.ingest_request import ingest_request
from worker.notifier.messages.events import PublishEvents
from worker.notifier.notices import Notices
from worker.notifier.notify import Notifier, build_pools
from worker.work.models import Work, WorkKind, WorkState
from worker.work.queue import Claim

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=DepotsDesk.open)]

BY = {"requested_by": AGENT}
ACCOUNT = "mairie-13900"


class Listener:
    """A notifier that only publishes replies, and the events that it has published to each account."""

    def __init__(self, desk: DepotsDesk) -> None:
        self.published: list[tuple[CloudEvent, str]] = []
        pools = build_pools(Notices(""), {}, one_by_one(self._publish))
        self._notifier = Notifier(desk.engine, lambda it: pools(it)[:1], owner="listener", lease_seconds=60)

    def listen(self) -> list[CloudEvent]:
        """The events published since the last call."""
        before = len(self.published)
        self._notifier.work(Event())
        return [event for event, _ in self.published[before:]]

    def _publish(self, event: CloudEvent, account: str) -> None:
        self.published.append((event, account))


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
    ingest_request(asked, desk.services, sender=ACCOUNT)
    assert listener.listen() == [first]
    reused = asked.model_copy(update={"data": asked.data | {"listes": ["CM"]}})
    for _ in range(2):
        ingest_request(reused, desk.services, sender=ACCOUNT)
        (second,) = listener.listen()
        assert (second.data["code"], second.causationid) == (KEY_REUSED, asked.id)


@pytest.mark.slow
def test_an_account_listens_to_its_own_answers(town: Town) -> None:
    """By the routing key of the operator's binding; an account that is bound both ways receives each event once."""
    town.start_worker()
    parameters = pika.URLParameters(town.amqp_url)
    account = urlsplit(town.amqp_url).username or ""
    every, own, others = (*(listener_key(commune="*"), listener_key(account=account), listener_key(account="another")),)
    bindings: dict[str, tuple[str, ...]] = {"all": (every,), "own": (own,), "both": (every, own), "others": (others,)}
    asked = CloudEvent.wrap(
        ListeExportRequested.model_validate({"commune": COMMUNE, "listes": ["CE"]} | BY), source="/x"
    )
    for queue, keys in bindings.items():
        town.listen(queue, *keys)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        properties = pika.BasicProperties(user_id=account, delivery_mode=2)
        channel.basic_publish(EXCHANGE, f"{town.account}.{asked.type}", asked.to_bytes(), properties, mandatory=True)
    town.start_notifier()
    received = {name: sorted(_status(body) for _, body in town.collect(name, 3)) for name in ("all", "own", "both")}
    expected = sorted(["accepted", "ready", "settled"])
    assert received == dict.fromkeys(received, expected)
    assert town.queue("others") == []


def _status(body: bytes) -> str:
    return str(CloudEvent.from_bytes(body).data["status"])


def _answers_by_reply(town: Town, *bodies: bytes, reply_to: str, expected: int) -> list[CloudEvent]:
    """The answers on the channel that published, where each message has a reply_to."""
    answers: list[CloudEvent] = []
    account = urlsplit(town.amqp_url).username or ""
    with pika.BlockingConnection(pika.URLParameters(town.amqp_url)) as connection:
        channel = connection.channel()
        channel.basic_consume(
            "amq.rabbitmq.reply-to",
            lambda _channel, _method, _properties, body: answers.append(CloudEvent.from_bytes(body)),
            auto_ack=True,
        )
        properties = pika.BasicProperties(user_id=account, delivery_mode=2, reply_to=reply_to)
        for body in bodies:
            channel.basic_publish(EXCHANGE, f"{town.account}.{REQUEST_LISTE_EXPORT}", body, properties)
        if expected:

            def is_answered() -> bool:
                connection.process_data_events(0.1)
                return len(answers) >= expected

            wait_until(is_answered, message="the answers")
        else:
            wait_until(
                lambda: (
                    len(town.rows("SELECT 1 FROM request")) >= len(bodies)
                    and not town.rows("SELECT 1 FROM work WHERE kind = 'reply'")
                ),
                message="told",
            )
            connection.process_data_events(0.1)
    return answers


@pytest.mark.slow
def test_a_channel_that_asks_for_it_is_answered_too(town: Town) -> None:
    """By RabbitMQ's direct reply-to, whether the event is accepted, refused, unreadable or without an id."""
    town.start_worker()
    town.start_notifier()
    good = CloudEvent.wrap(
        ListeExportRequested.model_validate({"commune": COMMUNE, "listes": ["CE"]} | BY), source="/x"
    )
    refused = good.model_copy(update={"id": "refused", "data": good.data | {"commune": "13001"}})
    unreadable, nameless = b'{"id": "unreadable"}', b"commune=13900"
    bodies = good.to_bytes(), refused.to_bytes(), unreadable, nameless
    answers = _answers_by_reply(town, *bodies, reply_to="amq.rabbitmq.reply-to", expected=4)
    by_id = {event.data["request"]["id"]: event for event in answers}
    digest = f"sha256:{hashlib.sha256(nameless).hexdigest()[:32]}"
    assert by_id.keys() == {good.id, "refused", "unreadable", digest}
    assert by_id[good.id].data["status"] == "accepted"
    assert {by_id[it].data["code"] for it in ("unreadable", digest)} == {"evenement_illisible"}
    assert [fault["code"] for fault in by_id[digest].data["errors"]] == ["json"]
    assert town.queue("requests.XQ") == []


@pytest.mark.slow
def test_nobody_has_us_write_into_a_queue(town: Town) -> None:
    """A sender cannot publish there directly, and reply_to must not allow it."""
    town.start_worker()
    town.start_notifier()
    with pika.BlockingConnection(pika.URLParameters(town.amqp_url)) as connection:
        connection.channel().queue_declare("listener.other")
    events = [
        CloudEvent.wrap(ListeExportRequested.model_validate({"commune": COMMUNE, "listes": [it]} | BY), source="/x")
        for it in ("CE", "CM")
    ]
    for event, queue in zip(events, ("listener.other", "requests.XQ"), strict=True):
        assert _answers_by_reply(town, event.to_bytes(), reply_to=queue, expected=0) == []
    assert (town.queue("listener.other"), town.queue("requests.XQ")) == ([], [])


def test_an_account_that_asks_hears_each_second_how_far_a_file_is(desk: DepotsDesk) -> None:
    published: list[tuple[CloudEvent, str]] = []
    asked = _ask(desk, listes=["P", "CE"], progress=True)
    others = [_ask(desk, listes=["P"]), _ask(desk, listes=["P"], progress=True, bulk=True)]
    assert _publish_progress(desk, published.extend) == [], "no file is being made"
    _begin(desk, asked.id, "P", lines_written=41_000)
    for other in others:
        _begin(desk, other.id, "P")
    _publish_progress(desk, published.extend)
    _publish_progress(desk, published.extend)
    ((event, account),) = published
    assert (event.data["status"], event.causationid, account) == ("running", asked.id, ACCOUNT)
    assert (event.data["liste"], event.data["lines_written"], event.data["electeurs"]) == ("P", 41_000, 98_000)
    _pass_a_second(desk)
    _publish_progress(desk, published.extend)
    assert len({said.id for said, _ in published}) == 2

    _pass_a_second(desk)
    _publish_progress(desk, one_by_one(_away))
    _publish_progress(desk, published.extend)
    assert len(published) == 2, "what could not leave at its second never does"
    with desk.engine.begin() as connection:
        connection.execute(update(Request).values(completed_at=utc_now()))
    _pass_a_second(desk)
    _publish_progress(desk, published.extend)
    assert len(published) == 2
    with desk.engine.connect() as connection:
        assert connection.scalars(select(Work.id).where(Work.kind == WorkKind.PROGRESS)).all() == []


def _publish_progress(desk: DepotsDesk, publish: PublishEvents) -> list[str]:
    """Let a notifier publish the due progress; the progress work that is left."""
    pools = build_pools(Notices(""), {}, publish)
    Notifier(desk.engine, lambda it: pools(it)[2:3], owner="progress", lease_seconds=60).work(Event())
    with desk.engine.connect() as connection:
        return [*connection.scalars(select(Work.subject).where(Work.kind == WorkKind.PROGRESS))]


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
    with desk.engine.begin() as connection:
        connection.execute(update(Work).values(due_at=None))


def _away(_event: CloudEvent, _account: str) -> None:
    raise TransientError("away")
