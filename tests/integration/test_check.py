"""`check` and `why` on planted troubles: each is named with its cause and its cure, in five seconds."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pika
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from common.calendrier import now
from schemas.topology import REQUEST_TYPES
from tests.integration.files_desk import Ran
from tests.integration.notifier_desk import TEMPLATE
from tests.parts.deployment import Deployment
from tests.parts.ports import free_port
from worker.cli import check as checks
from worker.cli.check import Part, ask_parts
from worker.db import sessions
from worker.exports.models import Request
from worker.exports.storage import Storage
from worker.messaging.broker import build_broker
from worker.messaging.reading import ACTORS
from worker.settings import load_settings

pytestmark = pytest.mark.database(TEMPLATE)
Run = Callable[..., Ran]
MOST_SECONDS = 5.5
"""The five seconds that `check` has, and what Python takes here."""


@dataclass
class House:
    """An installation in order: its broker's queues are read, its volume is marked, an account may ask."""

    engine: Engine
    channel: pika.adapters.blocking_connection.BlockingChannel
    run: Run

    def check(self) -> str:
        began = time.monotonic()
        said = self.run("check").out
        assert time.monotonic() - began < MOST_SECONDS
        return said


@pytest.fixture
def house(
    postgres_url: str, amqp_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> Iterator[House]:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", postgres_url)
    monkeypatch.setenv("PREFECTURE_AMQP_URL", amqp_url)
    monkeypatch.setenv("PREFECTURE_EXPORTS_DIR", str(tmp_path / "exports"))
    (tmp_path / "exports").mkdir()
    engine = create_engine(postgres_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO sender (name, code_commune, acts) VALUES ('prog', '13900', '*')")
        )
    Storage(tmp_path / "exports", engine).mark()
    with closing(build_broker(amqp_url)) as broker:
        for queue in ACTORS:
            broker.declare_queue(queue, ensure=True)
    with closing(pika.BlockingConnection(pika.URLParameters(amqp_url))) as connection:
        channel = connection.channel()
        for queue in ACTORS:
            channel.basic_consume(queue, lambda *_: None)
        yield House(engine, channel, run)


@contextmanager
def forgotten_lock(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A session that locks the table of works, for as long as it takes to be reported."""
    monkeypatch.setattr(sessions, "LOCK_SECONDS", 0)
    with engine.begin() as held:
        held.execute(text("LOCK TABLE work"))
        yield held.scalar(text("SELECT pg_backend_pid()")) or 0


def test_an_installation_in_order_has_no_failure(house: House) -> None:
    ran = house.run("check")
    assert (ran.code, "ÉCHEC" in ran.out) == (0, False), ran.out


def test_a_forgotten_lock_is_named_with_its_session_and_its_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with forgotten_lock(house.engine, monkeypatch) as pid:
        said = house.check()
    assert f"ÉCHEC  Sessions : la session {pid} (postgres, inactive) verrouille work depuis" in said
    assert f"pg_terminate_backend({pid})" in said


def test_why_does_not_hang_on_a_lock_and_names_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "PART_SECONDS", 1)
    with forgotten_lock(house.engine, monkeypatch) as pid, house.engine.begin() as held:
        held.execute(text("LOCK TABLE request"))
        began = time.monotonic()
        ran = house.run("why", "an-id")
        assert time.monotonic() - began < MOST_SECONDS
    assert (ran.code, f"la session {pid} (postgres, inactive) verrouille work" in ran.out) == (
        1,
        True,
    )
    assert "verrouille request" in ran.out


def test_a_queue_that_no_worker_reads_is_named(house: House) -> None:
    for consumer in house.channel.consumer_tags:
        house.channel.basic_cancel(consumer)
    said = house.check()
    assert "ÉCHEC  Files : aucun worker ne lit la file tableaux" in said
    assert "la file registre" not in said, "its workers may be stopped while nothing waits"
    house.channel.basic_publish("", "registre", b"{}")
    assert "aucun worker ne lit la file registre, où 1 message" in house.check()
    house.channel.queue_purge("registre")


def test_a_clock_that_went_back_is_named(house: House) -> None:
    later = now() + timedelta(minutes=12, seconds=5)
    with Session(house.engine) as session, session.begin():
        session.add(
            Request(
                source="/x",
                event_id="x",
                event_type=REQUEST_TYPES[0],
                correlation_id="x",
                code_commune="13900",
                requested_by="",
                created_at=later,
            )
        )
    said = house.check()
    assert "ÉCHEC  Horloge : la dernière demande est datée de 12 minutes plus tard" in said
    assert "timedatectl" in said


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("PREFECTURE_DATABASE_URL", "la base est arrêtée"),
        ("PREFECTURE_AMQP_URL", "Courtier RabbitMQ injoignable"),
    ],
)
def test_a_part_that_is_stopped_is_named_and_its_cure_is_said_once(
    house: House, monkeypatch: pytest.MonkeyPatch, variable: str, told: str
) -> None:
    scheme = "amqp" if "AMQP" in variable else "postgresql+psycopg"
    monkeypatch.setenv(variable, f"{scheme}://a:b@127.0.0.1:{free_port()}/prefecture")
    said = house.check()
    assert told in said
    assert said.count("docker compose up --detach") == 1


def test_a_part_that_hangs_is_named_and_the_others_answer(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "PART_SECONDS", 0.2)
    hung = threading.Event()
    parts = Part("A", lambda _: str(hung.wait(60))), Part("B", lambda _: "bien")
    answers = dict(ask_parts(load_settings(), parts))
    hung.set()
    assert answers["B"] == "bien"
    assert "pas de réponse" in str(answers["A"])


def test_a_wrong_password_is_named_with_its_account(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    for name, value in deployment.addresses("files", "workers").items():
        account = name.partition("_")[2]
        password = deployment.password("database_files" if "DATA" in account else "broker_workers")
        monkeypatch.setenv(name, value.replace(password, "another"))
    said = run("check").out
    assert "la base refuse le mot de passe du compte prefecture_files" in said
    assert "RabbitMQ refuse le mot de passe du compte workers" in said
    assert "sh deploy/prefecture passwords" in said
    assert "another" not in said
    told = run("why", "an-id")
    assert "le mot de passe du compte prefecture_files" in told.out + told.err
