"""Fixtures for all tests: a server starts when the first test needs it, and ends with the session."""

import logging
import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from sqlalchemy import Connection, Dialect, Engine, event

from tests.parts.databases import SqliteFiles, Template
from tests.parts.mail import Mailbox
from tests.parts.packages import POSTGRESQL, RABBITMQ, Part, require
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode
from tests.parts.scheduling import WholeFiles, seventh, slowest_first

# The time to generate an example depends on the load of the machine, not on the rule under test.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

_COMPILED = dict[str, tuple[Dialect, dict[Any, Any]]]()


@event.listens_for(Engine, "engine_connect")
def _compile_once(connection: Connection) -> None:
    """Engines of all tests share the compiled statements, as the connections of one engine do."""
    connection.dialect, cache = _COMPILED.setdefault(
        connection.dialect.name, (connection.dialect, {})
    )
    connection.execution_options(compiled_cache=cache)


def pytest_xdist_auto_num_workers() -> int:
    """One process of `pytest -n auto` more than cores: a test waits for other processes a quarter of its time."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> WholeFiles:
    """Distribute the tests over the processes of `pytest -n`."""
    return WholeFiles(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options by which `.ci/run` selects a part of the slow tests."""
    parser.addoption("--seventh", type=int, help="of the slow tests, those of this day of the week")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The slowest tests begin first."""
    day = config.getoption("seventh")
    chosen = items if day is None else seventh(items, day)
    config.hook.pytest_deselected(items=[it for it in items if it not in set(chosen)])
    items[:] = slowest_first(chosen)


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command that a test runs in this process may change the logging: restore it for the next test."""
    root = logging.getLogger()
    handlers, level, aloud = root.handlers[:], root.level, logging.raiseExceptions
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = aloud


@pytest.fixture(scope="session")
def rabbit_node(pytestconfig: pytest.Config) -> Iterator[RabbitNode]:
    """The session's RabbitMQ; a test may kill it, and the next `amqp_url` starts it again."""
    _require_aloud(pytestconfig, RABBITMQ)
    with RabbitNode() as node:
        yield node


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[PostgresServer]:
    """The session's PostgreSQL; a test may kill it, and the next `postgres_url` starts it again."""
    _require_aloud(pytestconfig, POSTGRESQL)
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_files(tmp_path_factory: pytest.TempPathFactory) -> SqliteFiles:
    return SqliteFiles(tmp_path_factory.mktemp("sqlite-templates"))


@pytest.fixture
def amqp_url(rabbit_node: RabbitNode) -> Iterator[str]:
    """The AMQP address of a virtual host that only this test uses."""
    rabbit_node.start()
    vhost = rabbit_node.create_vhost()
    yield rabbit_node.url(vhost)
    rabbit_node.delete_vhost(vhost)


@pytest.fixture
def database_template(request: pytest.FixtureRequest) -> Template | None:
    """The template of the databases of `postgres_url`, `sqlite_url` and `database_url`: `pytest.mark.database(…)`.

    None: the databases are empty.
    """
    marker = request.node.get_closest_marker("database")
    template: Template | None = marker.args[0] if marker else None
    return template


@pytest.fixture
def postgres_url(
    postgres_server: PostgresServer, database_template: Template | None
) -> Iterator[str]:
    """The address of a PostgreSQL database that only this test uses."""
    postgres_server.start()
    url = postgres_server.create_database(database_template)
    yield url
    postgres_server.drop(url)


@pytest.fixture
def sqlite_url(
    tmp_path: Path, sqlite_files: SqliteFiles, database_template: Template | None
) -> str:
    """The address of an SQLite database that only this test uses."""
    return sqlite_files.create(tmp_path / "test.sqlite3", database_template)


@pytest.fixture(params=["postgresql", "sqlite"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Runs the test twice: on PostgreSQL and on SQLite."""
    url: str = request.getfixturevalue(
        {"postgresql": "postgres_url", "sqlite": "sqlite_url"}[request.param]
    )
    return url


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    box.start()
    yield box
    box.stop()


def _require_aloud(config: pytest.Config, part: Part) -> None:
    """Show the progress of an installation to the person who waits for it."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        require(part)
