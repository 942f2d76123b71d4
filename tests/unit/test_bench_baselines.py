"""The XML that the bench compares with says the same as ours."""

from pathlib import Path

import pytest
from lxml import etree
from sqlalchemy import Connection

from bench.baselines import write_naive_xml
from bench.queries import read_spec
from tests.parts.town import prepare_libreville
from worker.db.engine import build_engine, snapshot
from worker.writers.xml_file import write_xml


class Collected:
    """What a writer wrote."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


def as_is(root: etree._Element) -> list[tuple[str, str]]:
    """Elements in their order with their texts, white space between elements aside."""
    return [(element.tag, (element.text or "").strip()) for element in root.iter()]


def naive(connection: Connection, path: Path) -> tuple[etree._Element, int]:
    written = write_naive_xml(connection, read_spec(connection), path)
    return etree.parse(path).getroot(), written


@pytest.mark.slow
@pytest.mark.parametrize("size", [None, 250])
def test_both_files_hold_the_same_electors(tmp_path: Path, size: int | None) -> None:
    url = f"sqlite:///{tmp_path / 'register.sqlite3'}"
    prepare_libreville(url, size)
    engine = build_engine(url)
    ours = Collected()
    with snapshot(engine) as connection:
        theirs, written = naive(connection, tmp_path / "naive.xml")
        assert write_xml(connection, read_spec(connection), ours, lambda _written: None, cleaning=False) == written
    engine.dispose()
    assert written >= 200
    assert as_is(etree.fromstring(ours.data)) == as_is(theirs)
