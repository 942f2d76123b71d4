"""What the bench asks of the screen, and the past that the screen has to look through."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from starlette.testclient import TestClient

from bench.check import percentile_99
from bench.checks_screen import PULSE, STREAM, most_for, pages, take_turns
from bench.history import APART, FILES, Past, iter_past
from bench.history_files import Row, deposits_of, files_of
from bench.history_rows import NEIGHBOUR, add_history
from bench.registers import Task
from bench.report import format_table
from bench.screen import read_event
from producers.web.app import create_app
from producers.web.settings import WebSettings
from schemas.vocabulary import ExportStatus
from tests.parts.town import AGENT
from worker.db.engine import build_engine

NOW = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
PAST = Past("13900", AGENT, 2000, NOW, date(2026, 12, 6), before=500, waiting=3)
ASKED = list(iter_past(PAST))


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [file for asked in ASKED for file in files_of(asked)]


def test_a_commune_asks_without_a_pause_until_now() -> None:
    assert ASKED[-1].at == NOW
    assert {after.at - before.at for before, after in pairwise(ASKED)} == {APART}
    assert (ASKED[0].number, len({asked.request_id for asked in ASKED})) == (500, 2000)


def test_every_file_has_a_number_a_name_and_the_same_columns(rows: list[Row]) -> None:
    assert [row["id"] for row in rows] == [*range(500 * FILES + 1, 2500 * FILES + 1)]
    assert len({row["file_name"] for row in rows}) == len({row["label"] for row in rows}) == 2000 * FILES
    assert len({frozenset(row) for row in rows}) == 1


def test_a_past_has_files_in_every_state_and_the_last_ones_wait(rows: list[Row]) -> None:
    states = Counter(row["status"] for row in rows)
    assert states == {"cancelled": 12, "queued": 20, "running": 1, "failed": 39, "ready": 12_000 - 72}
    assert [row["status"] for row in rows[-4 * FILES :]] == ["ready"] * 3 + ["running"] + ["queued"] * 20
    assert all((row["finished_at"] is None) is (row["status"] in {"queued", "running"}) for row in rows)


def test_the_older_half_is_purged_and_only_what_was_made(rows: list[Row]) -> None:
    older, newer = rows[: 1000 * FILES], rows[1000 * FILES :]
    assert all((row["purged_at"] is None) is (row["status"] is not ExportStatus.READY) for row in older)
    assert all(row["purged_at"] is None for row in newer)


def test_lists_as_csv_that_were_made_are_deposited_and_answered_but_the_last_ones() -> None:
    deposits = [deposit for asked in ASKED for deposit in deposits_of(asked, files_of(asked))]
    assert Counter(deposit["verdict"] for deposit in deposits) == {"accepte": 175 * 3, "rejete": 20 * 3, "": 5 * 3}
    formats = {row["id"]: row["format"] for asked in ASKED for row in files_of(asked)}
    assert {formats[deposit["export_id"]] for deposit in deposits} == {"csv"}


def test_the_addresses_look_far_back_however_small_the_past() -> None:
    assert pages(10_000, NOW)["exports of the first day"] == "/exports?au=2026-09-17"
    assert pages(10_000, NOW)["exports, last pages"] == "/exports?avant=150"
    assert pages(10, NOW)["exports, last pages"] == "/exports?avant=2"


@pytest.mark.parametrize(("name", "most"), [("listes", 100), (STREAM, 100), (PULSE, 50)])
def test_what_is_asked_often_must_be_short(name: str, most: float) -> None:
    assert most_for(name) == most


def test_pages_take_turns_and_the_first_rounds_do_not_count() -> None:
    order: list[str] = []

    def timer(name: str) -> float:
        order.append(name)
        return len(order)

    samples = take_turns({"A": lambda: timer("A"), "B": lambda: timer("B")}, 2)
    assert order == ["A", "B"] * 5
    assert samples == {"A": [7, 9], "B": [8, 10]}


def test_the_table_has_the_median_beside_the_percentile() -> None:
    check = percentile_99("W1", "page", [*range(1, 101)], target=300, unit="ms")
    assert (check.value, check.left) == (99, 50.5)
    assert format_table([check]).splitlines()[-1].endswith("ok  median 50 ms")


@pytest.mark.parametrize(
    ("stream", "event"),
    [
        (b": ping\r\n\r\ndata: <a>\r\ndata: <b>\r\n\r\ndata: later", b"data: <a>\r\ndata: <b>\r\n"),
        (b"data: <a>\r\n", b""),
    ],
)
def test_an_event_is_read_once_it_is_whole(stream: bytes, event: bytes) -> None:
    assert read_event(BytesIO(stream)) == event


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Task:
    folder = tmp_path_factory.mktemp("past")
    task = Task(f"sqlite:///{folder / 'past.sqlite3'}", str(folder), 60)
    assert add_history(task).lines == 90 * FILES
    return task


@pytest.mark.slow
def test_the_neighbours_files_are_newer_and_half_as_many(past: Task) -> None:
    engine = build_engine(past.url)
    query = "SELECT code_commune, count(*), min(export_id) FROM derniers_exports GROUP BY code_commune ORDER BY 3"
    with engine.connect() as connection:
        assert connection.execute(text(query)).all() == [("13900", 360, 1), (NEIGHBOUR, 180, 361)]
    engine.dispose()


@pytest.fixture
def client(past: Task) -> Iterator[TestClient]:
    folder = Path(past.folder)
    settings = WebSettings(state_url=SecretStr(past.url), exports_dir=folder, home=folder, web_agent=AGENT)
    with TestClient(create_app(settings, lambda _event: None), base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.mark.slow
def test_every_address_is_a_page_that_shows_files(client: TestClient) -> None:
    for name, path in pages(60, datetime.now(UTC)).items():
        page = client.get(f"/communes/13900{path}")
        assert page.status_code == 200, name
        assert "Liste P du" in page.text or "liste P, du" in page.text or name == "echeances", name
