"""Walks of clerks: each cure of « À faire » leads to its end. `make walker SEED=7 N=100` plays other histories."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.parts.databases import SqliteFiles, Template
from tests.walker.clock import Clock, shown_by
from tests.walker.history import play
from tests.walker.site import Site, prepare, read_here

_FIRST, _MANY = int(os.environ.get("SEED", "14799060")), int(os.environ.get("WALKS", "20"))
_TOWNS = Template("walker-towns", prepare)


@contextmanager
def open_site() -> Iterator[Site]:
    """Open an installation on SQLite, whose clock each history sets."""
    clock = Clock(datetime(2026, 1, 1, tzinfo=UTC))
    with (
        tempfile.TemporaryDirectory() as name,
        patch("worker.registre.imports.file.run_apart", read_here),
        shown_by(clock),
    ):
        folder = Path(name)
        files, path = SqliteFiles(folder), folder / "walker.sqlite3"
        site = Site(f"sqlite:///{path}", folder, clock, lambda: files.create(path, _TOWNS))
        try:
            yield site
        finally:
            site.close()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with open_site() as opened:
        yield opened


@pytest.mark.parametrize("seed", range(_FIRST, _FIRST + _MANY))
def test_each_cure_of_a_history_leads_to_its_end(site: Site, seed: int) -> None:
    assert play(site, seed) > 0
