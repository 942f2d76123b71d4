"""Fixtures for all tests: servers are started when the first test asks for one, and never outlive the session."""

import logging
import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.parts.databases import SqliteFiles, Template
from tests.parts.mail import Mailbox
from tests.parts.packages import POSTGRESQL, RABBITMQ, Part, require
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode
from tests.parts.scheduling import WholeFiles, seventh, slowest_first

# How fast an example is made says how busy the machine is, not whether the rule holds.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


def pytest_xdist_auto_num_workers() -> int:
    """One process of `pytest -n auto` more than cores: for a quarter of its time a test waits for others."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> WholeFiles:
    """How the processes of `pytest -n` share the tests."""
    return WholeFiles(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How `.ci/run` asks for a part of the slow tests."""
    parser.addoption("--seventh", type=int, help="of the slow tests, those of this day of the week")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long begins first."""
    day = config.getoption("seventh")
    chosen = items if day is None else seventh(items, day)
    config.hook.pytest_deselected(items=[it for it in items if it not in set(chosen)])
    items[:] = slowest_first(chosen)


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command that a test runs in this process sends the logs where it likes: the next test finds them as ever."""
    root = logging.getLogger()
    handlers, level, aloud = root.handlers[:], root.level, logging.raiseExceptions
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = aloud


@pytest.fixture(scope="session")
def rabbit_node(pytestconfig: pytest.Config) -> Iterator[RabbitNode]:
    """The session's RabbitMQ; a test may kill it, the next `amqp_url` starts it again."""
    _require_aloud(pytestconfig, RABBITMQ)
    with RabbitNode() as node:
        yield node


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[PostgresServer]:
    """The session's PostgreSQL; a test may kill it, the next `postgres_url` starts it again."""
    _require_aloud(pytestconfig, POSTGRESQL)
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_files(tmp_path_factory: pytest.TempPathFactory) -> SqliteFiles:
    """The session's SQLite templates."""
    return SqliteFiles(tmp_path_factory.mktemp("sqlite-templates"))


@pytest.fixture
def amqp_url(rabbit_node: RabbitNode) -> Iterator[str]:
    """The AMQP address of a virtual host that is this test's alone."""
    rabbit_node.start()
    vhost = rabbit_node.create_vhost()
    yield rabbit_node.url(vhost)
    rabbit_node.delete_vhost(vhost)


@pytest.fixture
def database_template(request: pytest.FixtureRequest) -> Template | None:
    """What the databases of `postgres_url`, `sqlite_url` and `database_url` are copies of: `pytest.mark.database(…)`.

    None: they are empty.
    """
    marker = request.node.get_closest_marker("database")
    template: Template | None = marker.args[0] if marker else None
    return template


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, database_template: Template | None) -> Iterator[str]:
    """The address of a PostgreSQL database that is this test's alone."""
    postgres_server.start()
    url = postgres_server.create_database(database_template)
    yield url
    postgres_server.drop(url)


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_files: SqliteFiles, database_template: Template | None) -> str:
    """The address of an SQLite database that is this test's alone."""
    return sqlite_files.create(tmp_path / "test.sqlite3", database_template)


@pytest.fixture(params=["postgresql", "sqlite"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Runs the test twice: on PostgreSQL and on SQLite."""
    url: str = request.getfixturevalue({"postgresql": "postgres_url", "sqlite": "sqlite_url"}[request.param])
    return url


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mail server, listening."""
    box = Mailbox()
    box.start()
    yield box
    box.stop()


def _require_aloud(config: pytest.Config, part: Part) -> None:
    """Let the person who waits for an installation read what is being installed."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        require(part)
