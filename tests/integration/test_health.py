"""`healthy` and the watchdog on real processes: a supervisor restarts exactly the processes that need it."""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from tests.contract.test_kubernetes import CONNECTIONS_OF_A_NOTIFIER, CONNECTIONS_OF_A_PROCESS
from tests.parts.health import ask_health
from tests.parts.postgres import PostgresServer
from tests.parts.process import Process
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import LIBREVILLE_TEMPLATE, ROOT, Town
from tests.parts.wait import PATIENCE_SECONDS, wait_until
from worker.db.engine import build_engine, find_lack
from worker.health import EXHAUSTED, STUCK

pytestmark = pytest.mark.database(LIBREVILLE_TEMPLATE)


def healthy(town: Town, *arguments: str) -> tuple[int, str]:
    return ask_health(town.folder / "health", *arguments)


def await_health(town: Town, code: int, *arguments: str) -> str:
    wait_until(lambda: healthy(town, *arguments)[0] == code, message=f"{arguments} to give {code}")
    return healthy(town, *arguments)[1]


@pytest.mark.slow
def test_a_worker_is_ready_once_it_reads_all_its_queues_and_leaves_nothing_behind(
    town: Town,
) -> None:
    assert healthy(town, "worker") == (1, "aucun processus « worker » ne tourne ici")
    worker = town.start_worker()
    assert await_health(town, 0, "worker") == "worker : 1 processus au travail"
    worker.end(SIGTERM)
    assert worker.exit_code == 0
    assert list((town.folder / "health").iterdir()) == []


def _count_connections(town: Town, url: str, start: Callable[[], object], unfinished: str) -> int:
    """The most connections that the process takes which `start` starts, until the query counts zero."""
    town.close()  # ends the processes that ran before, and our own connection
    ours = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'prefecture'"
    )
    counts = set[int]()
    ends_at = time.monotonic() + PATIENCE_SECONDS
    watcher = create_engine(url)
    with watcher.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        start()
        while connection.scalar(text(unfinished)):
            counts.add(connection.scalar(text(ours)) or 0)
            assert time.monotonic() < ends_at, unfinished
    watcher.dispose()
    return max(counts)


@pytest.mark.slow
def test_a_process_takes_no_more_connections_than_its_account_has_for_each(
    town: Town, postgres_url: str
) -> None:
    """`deploy/database/accounts.sql` allows eight containers of two processes that make files, and two notifiers."""
    recorder = town.start_worker("-Q", "requests-programs")
    asked = [town.ask(listes=["P", "CE", "CM"], formats=["csv", "xml"]) for _ in range(5)]
    wait_until(
        lambda: len(town.rows("SELECT 1 FROM derniers_exports")) == 6 * len(asked), message="rows"
    )
    recorder.end(SIGTERM)  # after it sent the messages of these files
    waiting = "SELECT count(*) FROM derniers_exports WHERE status <> 'ready'"
    of_worker = _count_connections(
        town, postgres_url, lambda: town.start_worker("-Q", "listes"), waiting
    )
    assert 0 < of_worker <= CONNECTIONS_OF_A_PROCESS
    of_notifier = _count_connections(
        town, postgres_url, town.start_notifier, "SELECT count(*) FROM work"
    )
    assert 0 < of_notifier <= CONNECTIONS_OF_A_NOTIFIER


@pytest.mark.slow
def test_the_processes_of_a_worker_tell_of_themselves_and_end_together(town: Town) -> None:
    worker = town.start_worker("--processes", "2")
    wait_until(
        lambda: healthy(town, "worker") == (0, "worker : 2 processus au travail"),
        message="two at work",
    )
    town.wait_for(town.ask(listes=["P"], formats=["csv"]))
    os.kill(worker.family[-1], SIGKILL)
    wait_until(lambda: not worker.alive, message="the end of the other one and of who watches them")
    assert worker.exit_code == 1


@pytest.mark.slow
def test_a_worker_without_broker_lives_but_is_not_ready(
    town: Town, rabbit_node: RabbitNode
) -> None:
    town.start_worker("-Q", "listes")
    await_health(town, 0, "worker")
    rabbit_node.kill()
    assert await_health(town, 1, "worker") == "RabbitMQ ne donne rien de : listes"
    assert healthy(town, "worker", "--alive") == (0, "worker : 1 processus en vie")
    rabbit_node.start()
    await_health(town, 0, "worker")


@pytest.fixture
def refused(postgres_url: str, postgres_server: PostgresServer) -> Iterator[tuple[str, Engine]]:
    """The address of an account of its own, and the server as its superuser."""
    owner = create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with owner.connect() as connection:
        connection.execute(text("CREATE ROLE ouvrier LOGIN SUPERUSER PASSWORD 'juste'"))
    yield (
        make_url(postgres_url)
        .set(username="ouvrier", password="juste")
        .render_as_string(hide_password=False),
        owner,
    )
    with owner.connect() as connection:
        connection.execute(text("DROP ROLE ouvrier"))


def test_a_process_whose_login_is_refused_lacks_the_database_and_says_of_which_account(
    refused: tuple[str, Engine],
) -> None:
    url, owner = refused
    engine = build_engine(url, serves=True)
    assert find_lack(engine) == ""
    engine.dispose()
    with owner.connect() as connection:
        connection.execute(text("ALTER ROLE ouvrier PASSWORD 'autre'"))
    assert find_lack(engine) == "la base refuse le mot de passe du compte ouvrier"
    engine.dispose()


def test_a_process_that_can_neither_claim_nor_record_lacks_the_database(postgres_url: str) -> None:
    engine = build_engine(postgres_url, serves=True)
    for mode in ("ACCESS EXCLUSIVE", "SHARE"):
        with engine.begin() as held:
            held.execute(text(f"LOCK TABLE work IN {mode} MODE"))
            assert find_lack(engine) == "la base attend un verrou qu'une autre session garde"
    with engine.begin() as held:
        held.execute(text("UPDATE work SET waits = waits"))
        assert find_lack(engine) == "", "another worker records"
    engine.dispose()
    standby = make_url(postgres_url).update_query_dict(
        {"options": "-c default_transaction_read_only=on"}
    )
    engine = create_engine(standby)
    assert find_lack(engine).startswith("la base ne fait que lire")
    engine.dispose()


def test_a_worker_behind_a_lock_is_not_ready_and_recovers(town: Town, postgres_url: str) -> None:
    town.start_worker("-Q", "listes")
    await_health(town, 0, "worker")
    engine = create_engine(postgres_url, poolclass=NullPool)
    with engine.begin() as held:
        held.execute(text("LOCK TABLE work"))
        assert "la base attend un verrou" in await_health(town, 1, "worker")
        assert healthy(town, "worker", "--alive")[0] == 0
    await_health(town, 0, "worker")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("thread", "word"),
    [
        *(("worker", "thread_dead"), ("consumer", "thread_dead")),
        *(("still", "process_stuck"), ("never-starts", "process_stuck")),
    ],
)
def test_a_worker_with_a_dead_or_stuck_thread_leaves(town: Town, thread: str, word: str) -> None:
    program = [
        sys.executable,
        "-m",
        "dramatiq",
        "tests.integration.mortal_worker",
        "-p",
        "1",
        "-t",
        "1",
    ]
    log = town.folder / "mortal.log"
    mortal = Process(
        program, env=town.environment | {"MORTAL_THREAD": thread}, folder=ROOT, log=log
    )
    await_health(town, 0, "worker")
    town.ask()
    wait_until(lambda: not mortal.alive, message="the end of the process")
    assert mortal.exit_code == STUCK
    assert word in log.read_text()
    assert healthy(town, "worker")[0] == 1


@pytest.mark.slow
@pytest.mark.parametrize("role", ["worker", "notifier"])
def test_a_process_that_lacks_descriptors_finishes_and_leaves(town: Town, role: str) -> None:
    process = town.start_worker() if role == "worker" else town.start_notifier()
    await_health(town, 0, role)
    for pid in process.family:
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    wait_until(lambda: not process.alive, message="the end of the process")
    assert process.exit_code == EXHAUSTED
    assert "process_exhausted" in town.log(role)
    assert healthy(town, role)[0] == 1


@pytest.mark.slow
def test_a_notifier_is_ready_while_its_database_answers(
    town: Town, postgres_server: PostgresServer
) -> None:
    notifier = town.start_notifier()
    assert await_health(town, 0, "notifier") == "notifier : 1 processus au travail"
    postgres_server.stop()
    assert "le notificateur n'avance plus (la base est arrêtée" in await_health(town, 1, "notifier")
    assert healthy(town, "notifier", "--alive")[0] == 0
    postgres_server.start()
    await_health(town, 0, "notifier")
    notifier.end(SIGTERM)
    assert list((town.folder / "health").iterdir()) == []
    said = [(line["event"], line.get("what")) for line in town.json_log("notifier")]
    assert said.count(("outage", "notifier")) == said.count(("outage_over", "notifier")) == 1


@pytest.mark.slow
def test_a_frozen_process_is_stuck_whatever_it_said_last(town: Town) -> None:
    worker = town.start_worker()
    await_health(town, 0, "worker")
    for pid in worker.family:
        os.kill(pid, SIGSTOP)
    for file in (town.folder / "health").iterdir():
        os.utime(file, times=(time.time() - 60,) * 2)
    assert "ne donne plus signe de vie" in healthy(town, "worker", "--alive")[1]
    for pid in worker.family:
        os.kill(pid, SIGCONT)
    await_health(town, 0, "worker")


@pytest.mark.parametrize("arguments", [[], ["producer"]])
def test_a_process_of_another_name_is_a_fault_of_the_command(
    town: Town, arguments: list[str]
) -> None:
    code, message = healthy(town, *arguments)
    assert code == 2
    assert "worker|notifier" in message
