"""Fixtures of the tests that need real parts with the accounts of an installation."""

from collections.abc import Iterator

import pytest

from tests.parts.deployment import Deployment
from tests.parts.town import prepare_libreville


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A broker and a database with the accounts of `deploy/`, LIBREVILLE imported by the owner."""
    with Deployment(tmp_path_factory.mktemp("deployment")) as deployed:
        prepare_libreville(deployed.database_url("owner"))
        yield deployed
