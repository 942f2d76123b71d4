"""The state, read from the views of a real database."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from common.cli import ExitCode
from producers.cli import main
from producers.cli.requests import build_liste_export
from producers.cli.send import put_in_batch
from producers.errors import StateAwayError
from producers.records import RequestState
from producers.state import State
from producers.web.suivi.requests import find_requests
from schemas.envelope import CloudEvent
from schemas.generate import ROOT
from schemas.requests import ListeExportRequested
from schemas.vocabulary import ExportStatus, Format, Liste, RequestOutcome
from tests.integration.requests_queue import RequestsQueue
from tests.parts.town import MIGRATED_TEMPLATE
from worker.db.engine import build_engine
from worker.exports.models import Export, Request

pytestmark = pytest.mark.database(MIGRATED_TEMPLATE)


class Records:
    """The rows that a worker would write to a database."""

    def __init__(self, url: str) -> None:
        self.engine = build_engine(url)

    def close(self) -> None:
        self.engine.dispose()

    def accept(
        self,
        event: CloudEvent,
        *,
        sender: str = "",
        minutes_ago: float = 0,
        **values: Any,  # noqa: ANN401 — columns
    ) -> None:
        """Write an accepted request and one row per file; `values` go into each row."""
        wanted = ListeExportRequested.model_validate(event.data)
        request = Request(
            sender=sender,
            source=event.source,
            event_id=event.id,
            event_type=event.type,
            correlation_id=event.correlationid,
            code_commune=wanted.commune,
            requested_by=wanted.requested_by,
            created_at=datetime.now(UTC) - timedelta(minutes=minutes_ago),
        )
        for liste, format_ in wanted.parts():
            name = {
                "file_name": f"liste-{liste}-{wanted.commune}-{sender}{event.id}.{format_}",
                "label": f"Liste {liste} du 25/11/2026 09:30:00 [{format_}]",
            }
            of_part = {
                "code_commune": wanted.commune,
                "part": f"{liste}.{format_}",
                "liste": liste,
                "format": format_,
            }
            request.exports.append(Export(**of_part | name | values))
        with Session(self.engine) as session, session.begin():
            session.add(request)


@pytest.fixture
def state(database_url: str) -> Iterator[State]:
    with State(database_url) as reader:
        yield reader


def ask(commune: str = "13900", *, formats: tuple[Format, ...] = (Format.CSV,)) -> CloudEvent:
    return build_liste_export(
        commune=commune, listes=list(Liste), formats=formats, requested_by="mairie", source="/tests"
    )


def test_a_request_is_unseen_then_accepted_with_its_files(records: Records, state: State) -> None:
    event = ask()
    assert state.request_progress("", event.source, event.id) == RequestState()
    records.accept(event, status=ExportStatus.RUNNING, electeurs=327, lines_written=100)
    seen = state.request_progress("", event.source, event.id)
    assert seen.outcome is RequestOutcome.ACCEPTED
    assert [(file.liste, file.status) for file in seen.exports] == [
        ("P", ExportStatus.RUNNING),
        ("CE", ExportStatus.RUNNING),
        ("CM", ExportStatus.RUNNING),
    ]
    assert not seen.is_terminal
    assert {(file.lines_written, file.electeurs) for file in seen.exports} == {(100, 327)}


def test_two_senders_with_one_source_and_id_have_a_request_each(
    records: Records, state: State
) -> None:
    """On the command line, and on the screen, which remembers the ids of its own events."""
    event = ask()
    for sender, status in (("compta", ExportStatus.READY), ("ecran", ExportStatus.QUEUED)):
        records.accept(event, sender=sender, status=status)
    for sender, status in (("compta", ExportStatus.READY), ("ecran", ExportStatus.QUEUED)):
        seen = state.request_progress(sender, event.source, event.id)
        assert [it.status for it in seen.exports] == [status] * 3
    assert state.request_progress("autre", event.source, event.id) == RequestState()
    first, second = (
        find_requests(state, sender, event.source, {event.id})[event.id].request_id
        for sender in ("compta", "ecran")
    )
    assert first != second
    assert find_requests(state, "autre", event.source, {event.id}) == {}


def test_the_latest_come_newest_first_and_no_more_than_asked(
    records: Records, state: State
) -> None:
    records.accept(ask(), minutes_ago=2)
    records.accept(ask("2A004"), minutes_ago=1)
    records.accept(ask(formats=(Format.XML,)))
    latest, total = state.latest()
    assert [(file.code_commune, file.liste, file.format) for file in latest] == [
        *(("13900", liste, "xml") for liste in ("P", "CE", "CM")),
        *(("2A004", liste, "csv") for liste in ("P", "CE", "CM")),
        *(("13900", liste, "csv") for liste in ("P", "CE", "CM")),
    ]
    assert total == len(latest)
    some, total = state.latest(limit=4)
    assert (len(some), total) == (4, len(latest))
    assert {file.code_commune for file in state.latest("2A004")[0]} == {"2A004"}
    assert state.latest("75056") == ([], 0)


def test_the_files_of_a_batch_are_its_report(records: Records, state: State) -> None:
    for commune in ("13900", "2A004"):
        records.accept(put_in_batch(ask(commune), "lot-1"))
    records.accept(ask())
    found, total = state.latest(limit=None, batch="lot-1")
    assert {(file.code_commune, file.liste) for file in found} == {
        (commune, liste) for commune in ("13900", "2A004") for liste in ("P", "CE", "CM")
    }
    assert total == len(found)
    assert (state.latest("13900", batch="lot-1")[1], state.latest(batch="lot-2")[1]) == (3, 0)


def test_instants_are_in_utc_on_both_databases(records: Records, state: State) -> None:
    before = datetime.now(UTC)
    records.accept(ask(), finished_at=datetime(2026, 7, 1, 12, 30, 15, 250_000, tzinfo=UTC))
    (file, *_), _ = state.latest()
    assert abs((file.requested_at - before).total_seconds()) < 60
    assert file.finished_at == datetime(2026, 7, 1, 12, 30, 15, 250_000, tzinfo=UTC)
    assert file.started_at is None


def test_a_session_can_only_read(postgres_url: str) -> None:
    rows = Records(postgres_url)
    rows.accept(event := ask())
    with rows.engine.begin() as connection:
        for statement in (
            "CREATE FUNCTION write() RETURNS text LANGUAGE sql VOLATILE AS $$ DELETE FROM request RETURNING '' $$",
            "DROP VIEW demandes",
            (
                "CREATE VIEW demandes AS SELECT id AS request_id, sender, source, event_id, write() AS outcome, reason "
                "FROM request"
            ),
        ):
            connection.execute(text(statement))
    rows.close()
    with State(postgres_url) as state, pytest.raises(StateAwayError, match="read-only transaction"):
        state.request_progress("", event.source, event.id)


def test_a_sqlite_file_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "absent.sqlite3"
    with (
        State(f"sqlite:///{path}") as state,
        pytest.raises(StateAwayError, match="PREFECTURE_STATE_URL"),
    ):
        state.latest()
    assert not path.exists()


def test_a_database_that_was_not_migrated_is_told(tmp_path: Path) -> None:
    (path := tmp_path / "empty.sqlite3").touch()
    with State(f"sqlite:///{path}") as state, pytest.raises(StateAwayError, match="migrée"):
        state.latest()


def test_a_server_that_is_away_is_told_without_the_password() -> None:
    url = "postgresql+psycopg://lecture:hush@127.0.0.1:1/base"
    with State(url) as state, pytest.raises(StateAwayError, match=r"127\.0\.0\.1:1/base") as caught:
        state.latest()
    assert "hush" not in str(caught.value)


READY: dict[str, Any] = {
    "status": ExportStatus.READY,
    "electeurs": 1327,
    "lines_written": 1327,
    "remarques": 12,
    "size": 51_233,
    "sha256": "9f" * 32,
}
ASK = ["export-liste", "--commune", "13900", "--liste", "LP"]


@pytest.fixture
def queue(amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[RequestsQueue]:
    monkeypatch.setenv("PREFECTURE_AMQP_URL", amqp_url)
    monkeypatch.setenv("PREFECTURE_SOURCE", "/tests")
    with RequestsQueue(amqp_url) as requests:
        yield requests


@pytest.fixture
def records(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Records]:
    monkeypatch.setenv("PREFECTURE_STATE_URL", database_url)
    monkeypatch.setenv("PREFECTURE_EXPORTS_DIR", "/srv/exports")
    rows = Records(database_url)
    yield rows
    rows.close()


def test_the_command_runs_as_a_process_whatever_the_locale(queue: RequestsQueue) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "producers", "export-liste", "--commune", "13900"],
        cwd=ROOT.parent,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert queue.take_event().id in done.stdout


def test_nothing_is_sent_when_the_database_is_away(
    queue: RequestsQueue,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PREFECTURE_STATE_URL", f"sqlite:///{tmp_path / 'absent.sqlite3'}")
    assert main([*ASK, "--wait"]) == ExitCode.AWAY
    assert "la base ne répond pas" in capsys.readouterr().err
    assert queue.poll() is None


def test_exports_shows_ten_files_and_counts_the_others(
    records: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    for minutes_ago in (3, 2, 1, 0):
        event = build_liste_export(commune="13900", requested_by="mairie", source="/tests")
        records.accept(event, minutes_ago=minutes_ago, **READY)
    assert main(["exports"]) == ExitCode.DONE
    shown = capsys.readouterr().out.splitlines()
    lines = [line for line in shown if line.startswith("13900")]
    assert len(lines) == 10
    assert "Liste P du 25/11/2026 09:30:00 [csv]" in lines[0]
    assert shown[-1] == "… et 2 autres : --limit 12"
    assert main(["exports", "--limit", "12"]) == ExitCode.DONE
    assert "autre" not in capsys.readouterr().out
