"""Every event that is read is answered, to the account that sent it: accepted or refused, once, and again on a copy."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
from sqlalchemy import update

from schemas.declarations import FileDownloaded
from schemas.envelope import CloudEvent, Data
from schemas.requests import CancelRequested, ListeExportRequested
from schemas.topology import (
    EVENT_EXPORT_READY,
    EVENT_REQUEST_ACCEPTED,
    EVENT_REQUEST_REFUSED,
    EVENT_REQUEST_SETTLED,
    EXCHANGE,
)
from tests.integration.depots_desk import DepotsDesk, open_desk
from tests.integration.export_desk import COMMUNE
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE, Town
from worker.db.types import utc_now
from worker.errors import TransientError
from worker.exports.models import KEY_REUSED, Request
from worker.handlers.ingest_request import ingest_request
from worker.notifier.answers import Answers

pytestmark = [pytest.mark.integration, pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=open_desk)]

BY = {"requested_by": AGENT}
ACCOUNT = "mairie-13900"


class Listener:
    """Whoever listens; away for the first `away` events."""

    def __init__(self, desk: DepotsDesk, *, away: int = 0) -> None:
        self.heard: list[tuple[CloudEvent, str]] = []
        self._away = away
        self._answers = Answers(desk.engine, self._publish, lease_seconds=60)

    def listen(self) -> list[CloudEvent]:
        """What is said now that was not said before."""
        before = len(self.heard)
        self._answers.answer_waiting(Event())
        return [event for event, _ in self.heard[before:]]

    def _publish(self, event: CloudEvent, account: str) -> None:
        if self._away:
            self._away -= 1
            raise TransientError("away")
        self.heard.append((event, account))


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


def test_a_request_is_accepted_with_the_files_to_expect(desk: DepotsDesk, listener: Listener) -> None:
    asked = _ask(desk, listes=["P", "CE"])
    (accepted,) = listener.listen()
    assert (accepted.type, accepted.causationid, listener.heard[-1][1]) == (EVENT_REQUEST_ACCEPTED, asked.id, ACCOUNT)
    assert accepted.data["request"] == {"source": "/test", "id": asked.id}
    assert [(it["liste"], it["format"]) for it in accepted.data["exports"]] == [("P", "csv"), ("CE", "csv")]
    assert listener.listen() == [], "once"


def test_what_asks_for_no_file_is_answered_too(desk: DepotsDesk, listener: Listener) -> None:
    export_id = desk.make()["export_id"]
    asked = _ask(desk, listes=["CE"])
    listener.listen()
    said = [
        _send(desk, CancelRequested.model_validate({"request": {"source": "/test", "id": asked.id}} | BY)),
        _send(desk, FileDownloaded.model_validate({"commune": COMMUNE, "export": export_id} | BY)),
        _send(desk, FileDownloaded.model_validate({"commune": COMMUNE, "export": 999_999} | BY)),
    ]
    answers = listener.listen()
    assert [answer.causationid for answer in answers] == [event.id for event in said]
    assert [answer.type for answer in answers] == [*[EVENT_REQUEST_ACCEPTED] * 2, EVENT_REQUEST_REFUSED]
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


def test_an_absent_broker_is_waited_for(desk: DepotsDesk, listener: Listener) -> None:
    events = [_ask(desk) for _ in range(3)]
    away = Listener(desk, away=1)
    assert away.listen() == []
    assert [answer.causationid for answer in away.listen()] == [event.id for event in events]
    assert listener.listen() == []


def test_a_notifier_that_dies_leaves_its_answers_to_the_next(desk: DepotsDesk, listener: Listener) -> None:
    asked = _ask(desk)
    with desk.engine.begin() as connection:
        connection.execute(update(Request).values(answer_lease=utc_now(60)))
    assert listener.listen() == [], "somebody is at it"
    with desk.engine.begin() as connection:
        connection.execute(update(Request).values(answer_lease=utc_now(-1)))
    assert [answer.causationid for answer in listener.listen()] == [asked.id]


def test_an_answer_that_cannot_be_worded_keeps_no_other_back(desk: DepotsDesk, listener: Listener) -> None:
    _ask(desk, listes=["P"])
    sound = _ask(desk, listes=["CE"])
    desk.run("UPDATE export SET liste = 'unheard of' WHERE liste = 'P'")
    assert [answer.causationid for answer in listener.listen()] == [sound.id]


@pytest.fixture
def town(postgres_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Town]:
    town = Town(postgres_url, amqp_url, tmp_path)
    yield town
    town.close()


def test_an_account_listens_to_its_own_answers(town: Town) -> None:
    """Bound to the types followed by its name; who is bound to both ways has each event once."""
    town.start_worker()
    parameters = pika.URLParameters(town.amqp_url)
    account = urlsplit(town.amqp_url).username or ""
    every, own, others = (f"*.*.*.event.*.v1{suffix}" for suffix in ("", f".{account}", ".another"))
    bindings: dict[str, tuple[str, ...]] = {"all": (every,), "own": (own,), "both": (every, own), "others": (others,)}
    asked = CloudEvent.wrap(
        ListeExportRequested.model_validate({"commune": COMMUNE, "listes": ["CE"]} | BY), source="/x"
    )
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        for queue, keys in bindings.items():
            channel.queue_declare(queue)
            for key in keys:
                channel.queue_bind(queue, EXCHANGE, key)
        channel.confirm_delivery()
        properties = pika.BasicProperties(user_id=account, delivery_mode=2)
        channel.basic_publish(EXCHANGE, asked.type, asked.to_bytes(), properties, mandatory=True)
    town.start_notifier()
    heard = {name: sorted(_type(body) for _, body in town.collect(name, 3)) for name in ("all", "own", "both")}
    expected = sorted([EVENT_REQUEST_ACCEPTED, EVENT_EXPORT_READY, EVENT_REQUEST_SETTLED])
    assert heard == dict.fromkeys(heard, expected)
    assert town.queue("others") == []


def _type(body: bytes) -> str:
    return CloudEvent.from_bytes(body).type
