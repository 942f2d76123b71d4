"""The road of a request through a real RabbitMQ, worker processes and a notifier."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM

import pika
import pytest

from common.calendrier import jour_a_paris, now
from schemas.envelope import CloudEvent
from schemas.topology import EVENT_EXPORT_ENDED, EXCHANGE
from tests.parts.mail import Mailbox
from tests.parts.town import EMAIL, LIBREVILLE_TEMPLATE, Town, count_of_age

pytestmark = [pytest.mark.integration, pytest.mark.database(LIBREVILLE_TEMPLATE)]


@pytest.fixture
def town(request: pytest.FixtureRequest, amqp_url: str, tmp_path: Path, mailbox: Mailbox) -> Iterator[Town]:
    database_url: str = request.getfixturevalue(getattr(request, "param", "postgres_url"))
    town = Town(database_url, amqp_url, tmp_path, mailbox.port)
    yield town
    town.close()


@pytest.mark.parametrize("town", ["postgres_url", "sqlite_url"], indirect=True)
def test_one_request_makes_six_files_one_mail_and_six_events(town: Town, mailbox: Mailbox) -> None:
    town.start_worker()
    _listen(town)
    event = town.ask(formats=["csv", "xml"])
    exports = town.wait_for(event)
    town.start_notifier()
    (mail,) = mailbox.wait_for(1)

    assert [f"{export['liste']}.{export['format']}" for export in exports] == [
        *("P.csv", "P.xml", "CE.csv", "CE.xml", "CM.csv", "CM.xml")
    ]
    of_age = count_of_age(jour_a_paris(now()))
    for export in exports:
        content = (town.exports / "13900" / export["file_name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (export["size"], export["sha256"])
        lines = content.count(b"\n") - 1 if export["format"] == "csv" else content.count(b"<Electeur>")
        assert lines == export["electeurs"] == {"P": of_age, "CE": 20, "CM": 24}[export["liste"]]
    assert mail.recipients == (EMAIL,)
    assert "2 fichiers prêts, 4 à corriger, 11 anomalies bloquantes" in mail.message["Subject"]

    events = [CloudEvent.from_bytes(body) for _, body in town.collect("listener", 6)]
    assert {said.data["file"]["path"] for said in events} == {f"13900/{export['file_name']}" for export in exports}
    assert {(said.correlationid, said.causationid) for said in events} == {(event.correlationid, event.id)}


@pytest.mark.slow
def test_what_is_asked_while_no_worker_runs_is_made_by_the_first_one(town: Town) -> None:
    town.start_worker().end(SIGTERM)
    event = town.ask(listes=["CM"])
    assert town.exports_of(event) == []
    town.start_worker()
    assert town.wait_for(event)[0]["electeurs"] == 24


@pytest.mark.slow
def test_a_lost_doorbell_is_rung_again_by_the_sweep(town: Town) -> None:
    worker = town.start_worker("-Q", "requests")
    event = town.ask(listes=["CE"])
    town.wait_for(event, status="queued")
    worker.end(SIGTERM)
    assert len(town.queue("listes")) == 1
    with town.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE export SET rung_at = NULL")
    town.start_notifier()
    town.start_worker("-Q", "listes")
    assert town.wait_for(event)[0]["electeurs"] == 20


@pytest.mark.slow
def test_a_worker_refuses_a_database_that_is_not_migrated(town: Town) -> None:
    with town.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
    with pytest.raises(AssertionError, match="lancez « python -m worker migrate »"):
        town.start_worker()


def _listen(town: Town) -> None:
    with pika.BlockingConnection(pika.URLParameters(town.amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare("listener")
        channel.queue_bind("listener", EXCHANGE, EVENT_EXPORT_ENDED)
