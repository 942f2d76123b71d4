"""The state, read from the views of a real database."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text

from producers.cli.batch import put_in_batch
from producers.cli.requests import build_liste_export
from producers.errors import StateAwayError
from producers.records import RequestState
from producers.state import State
from schemas.envelope import CloudEvent
from schemas.vocabulary import ExportStatus, Format, Liste, RequestOutcome
from tests.integration.fake_worker import Records
from tests.parts.town import MIGRATED_TEMPLATE

pytestmark = [pytest.mark.integration, pytest.mark.database(MIGRATED_TEMPLATE)]


@pytest.fixture
def records(database_url: str) -> Iterator[Records]:
    rows = Records(database_url)
    yield rows
    rows.close()


@pytest.fixture
def state(database_url: str) -> Iterator[State]:
    with State(database_url) as reader:
        yield reader


def ask(commune: str = "13900", *, formats: tuple[Format, ...] = (Format.CSV,)) -> CloudEvent:
    return build_liste_export(commune, list(Liste), formats, requested_by="mairie", source="/tests")


def test_a_request_is_unseen_then_accepted_with_its_files(records: Records, state: State) -> None:
    event = ask()
    assert state.request_progress(event.source, event.id) == RequestState()
    records.accept(event, status=ExportStatus.RUNNING, electeurs=327, lines_written=100)
    seen = state.request_progress(event.source, event.id)
    assert seen.outcome is RequestOutcome.ACCEPTED
    assert [(file.liste, file.status) for file in seen.exports] == [
        ("P", ExportStatus.RUNNING),
        ("CE", ExportStatus.RUNNING),
        ("CM", ExportStatus.RUNNING),
    ]
    assert not seen.is_terminal
    assert {(file.lines_written, file.electeurs) for file in seen.exports} == {(100, 327)}


def test_the_latest_come_newest_first_and_no_more_than_asked(records: Records, state: State) -> None:
    records.accept(ask(), minutes_ago=2)
    records.accept(ask("2A004"), minutes_ago=1)
    records.accept(ask(formats=(Format.XML,)))
    latest = state.latest()
    assert [(file.code_commune, file.liste, file.format) for file in latest] == [
        *(("13900", liste, "xml") for liste in ("P", "CE", "CM")),
        *(("2A004", liste, "csv") for liste in ("P", "CE", "CM")),
        *(("13900", liste, "csv") for liste in ("P", "CE", "CM")),
    ]
    assert len(state.latest(limit=4)) == 4
    assert {file.code_commune for file in state.latest("2A004")} == {"2A004"}
    assert state.latest("75056") == []


def test_the_files_of_a_batch_are_its_report(records: Records, state: State) -> None:
    for commune in ("13900", "2A004"):
        records.accept(put_in_batch(ask(commune), "lot-1"))
    records.accept(ask())
    assert {(file.code_commune, file.liste) for file in state.latest(limit=None, batch="lot-1")} == {
        (commune, liste) for commune in ("13900", "2A004") for liste in ("P", "CE", "CM")
    }
    assert (state.count(batch="lot-1"), state.count("13900", batch="lot-1"), state.count(batch="lot-2")) == (6, 3, 0)


def test_instants_are_in_utc_on_both_databases(records: Records, state: State) -> None:
    before = datetime.now(UTC)
    records.accept(ask(), finished_at=datetime(2026, 7, 1, 12, 30, 15, 250_000, tzinfo=UTC))
    file = state.latest()[0]
    assert abs((file.requested_at - before).total_seconds()) < 60
    assert file.finished_at == datetime(2026, 7, 1, 12, 30, 15, 250_000, tzinfo=UTC)
    assert file.started_at is None


def test_a_session_can_only_read(postgres_url: str) -> None:
    administrate(
        postgres_url,
        "CREATE FUNCTION write() RETURNS text LANGUAGE sql VOLATILE AS $$ DELETE FROM request RETURNING '' $$",
        "DROP VIEW demandes",
        "CREATE VIEW demandes AS SELECT source, event_id, write() AS outcome, reason FROM request",
    )
    rows = Records(postgres_url)
    rows.accept(event := ask())
    rows.close()
    with State(postgres_url) as state, pytest.raises(StateAwayError, match="read-only transaction"):
        state.request_progress(event.source, event.id)


def test_a_sqlite_file_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "absent.sqlite3"
    with State(f"sqlite:///{path}") as state, pytest.raises(StateAwayError, match="PREFECTURE_STATE_URL"):
        state.latest()
    assert not path.exists()


def test_what_is_read_together_shares_a_connection_that_is_given_back(records: Records, state: State) -> None:
    with state.one_connection():
        with state.reading() as first, state.reading() as second:
            assert first is second
        with pytest.raises(StateAwayError), state.reading() as connection:
            connection.execute(text("SELECT nothing FROM nowhere"))
        assert state.count() == 0, "who is refused one answer has the next"
    assert first.closed
    with state.one_connection():
        before = state.count()
    records.accept(ask())
    with state.reading() as alone:
        assert alone is not first
    assert state.count() > before


def test_a_database_that_was_not_migrated_is_told(tmp_path: Path) -> None:
    (path := tmp_path / "empty.sqlite3").touch()
    with State(f"sqlite:///{path}") as state, pytest.raises(StateAwayError, match="migrée"):
        state.latest()


def test_a_server_that_is_away_is_told_without_the_password() -> None:
    url = "postgresql+psycopg://lecture:hush@127.0.0.1:1/base"
    with State(url) as state, pytest.raises(StateAwayError, match=r"127\.0\.0\.1:1/base") as caught:
        state.latest()
    assert "hush" not in str(caught.value)


def administrate(url: str, *statements: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
