"""A département without any error, and the number of false alarms."""

from pathlib import Path

import pytest

from tests.oracle.departement import measure
from tests.parts.town import MIGRATED_TEMPLATE
from worker.db.engine import build_engine


@pytest.mark.database(MIGRATED_TEMPLATE)
def test_fewer_than_one_elector_in_a_thousand_is_accused_wrongly(sqlite_url: str, tmp_path: Path) -> None:
    engine = build_engine(sqlite_url)
    alarms = measure(engine, tmp_path, 4000)
    engine.dispose()
    assert alarms.electors > 4000
    assert alarms.in_a_thousand < 1, alarms.codes
