"""Fixtures of the tests that need real parts with the accounts of an installation."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.parts.deployment import Deployment
from tests.parts.town import prepare_libreville

OpenDesk = Callable[[str, Path], AbstractContextManager[object]]


@pytest.fixture(scope="package")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A broker and a database with the accounts of `deploy/`, LIBREVILLE imported by the owner."""
    with Deployment(tmp_path_factory.mktemp("deployment")) as deployed:
        prepare_libreville(deployed.database_url("owner"))
        yield deployed


@pytest.fixture
def desk(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[object]:
    """What `pytest.mark.desk(opened_by=…)` opens, on a database and in a folder that are the test's alone."""
    open_desk: OpenDesk = request.node.get_closest_marker("desk").kwargs["opened_by"]
    with open_desk(database_url, tmp_path) as desk:
        yield desk
