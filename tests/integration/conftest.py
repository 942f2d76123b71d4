"""Fixtures that several files use: desks, a town hall's processes, commands, an HTTP server, a whole installation."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.integration.files_desk import Ran
from tests.integration.import_desk import MouvementsDesk
from tests.integration.tableau_desk import TableauDesk
from tests.parts.deployment import Deployment
from tests.parts.mail import Mailbox
from tests.parts.town import Town, prepare_libreville
from tests.parts.web import WebServer, serving
from worker.cli.main import main

OpenDesk = Callable[[str, Path], AbstractContextManager[object]]


@pytest.fixture(scope="package")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A broker and a database with the accounts of `deploy/`, LIBREVILLE imported by the owner."""
    with Deployment(tmp_path_factory.mktemp("deployment")) as deployed:
        prepare_libreville(deployed.database_url("owner"))
        yield deployed


@pytest.fixture
def desk(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[object]:
    """The desk that `pytest.mark.desk(opened_by=…)` opens, on a database and in a folder that only this test uses."""
    open_desk: OpenDesk = request.node.get_closest_marker("desk").kwargs["opened_by"]
    with open_desk(database_url, tmp_path) as desk:
        yield desk


@pytest.fixture
def register(database_url: str, tmp_path: Path) -> Iterator[MouvementsDesk]:
    """A register that a test imports into."""
    with MouvementsDesk.open(database_url, tmp_path) as desk:
        yield desk


@pytest.fixture
def tableaux(register: MouvementsDesk, tmp_path: Path) -> TableauDesk:
    return TableauDesk(register.engine, tmp_path / "exports")


@pytest.fixture
def town(
    request: pytest.FixtureRequest, amqp_url: str, tmp_path: Path, mailbox: Mailbox
) -> Iterator[Town]:
    """A town hall on PostgreSQL, or on the database that the test's parameter names."""
    database_url: str = request.getfixturevalue(getattr(request, "param", "postgres_url"))
    town = Town(database_url, amqp_url, tmp_path, mailbox.port)
    yield town
    town.close()


@pytest.fixture
def run(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Run `python -m worker` with arguments, on a database that only this test uses."""
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str | Path) -> Ran:
        code = main([str(argument) for argument in arguments])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def server() -> Iterator[WebServer]:
    """An HTTP server that receives the posts of webhooks and chats."""
    with serving() as web:
        yield web
