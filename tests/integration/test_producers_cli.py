"""The command line against a real broker and a real database; the worker is played."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from common.cli import ExitCode
from producers.cli import main
from producers.cli.requests import build_liste_export
from schemas.generate import ROOT
from schemas.topology import REQUEST_LISTE_EXPORT
from schemas.vocabulary import ExportStatus
from tests.integration.fake_worker import Records, serving
from tests.integration.requests_queue import RequestsQueue
from tests.parts.town import MIGRATED_TEMPLATE

pytestmark = [pytest.mark.integration, pytest.mark.database(MIGRATED_TEMPLATE)]

SCHEMA = json.loads((ROOT / "json" / f"{REQUEST_LISTE_EXPORT}.json").read_text("utf-8"))
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


def test_export_liste_publishes_what_the_contract_says(
    queue: RequestsQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--liste", "lp", "--liste", "03", "--format", "csv", "--format", "XML", "--requested-by", "mairie"]
    assert main(["export-liste", "--commune", "2a004", *arguments]) == ExitCode.DONE
    _, _, body = queue.take()
    document = json.loads(body)
    jsonschema.validate(document, SCHEMA)
    assert document["source"] == "/tests"
    assert document["data"] == {
        "commune": "2A004",
        "listes": ["P", "CM"],
        "formats": ["csv", "xml"],
        "bulk": False,
        "requested_by": "mairie",
    }
    assert document["id"] in capsys.readouterr().out


def test_the_command_runs_as_a_process_and_writes_json_only(queue: RequestsQueue) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "producers", "export-liste", "--commune", "13900", "--json"],
        cwd=ROOT.parent,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout)["request"]["id"] == queue.take_event().id


def test_wait_ends_with_the_files_their_sums_and_their_places(
    queue: RequestsQueue, records: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(queue, records, **READY):
        assert main([*ASK, "--wait", "--timeout", "20"]) == ExitCode.DONE
    lines = capsys.readouterr().out.splitlines()
    assert any("Liste P du 25/11/2026 09:30:00 [csv] prêt" in line and "51,2\u00a0ko" in line for line in lines)
    assert lines[-1].startswith("9f" * 32 + "  /srv/exports/13900/liste-P-13900-")


def test_wait_gives_json_on_standard_output_and_progress_beside(
    queue: RequestsQueue, records: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = {"status": ExportStatus.FAILED, "error_code": "disque_plein", "error_message": "Disque plein."}
    with serving(queue, records, **failure) as taken:
        assert main([*ASK, "--wait", "--timeout", "20", "--json"]) == ExitCode.FAILED
    answer = capsys.readouterr()
    document = json.loads(answer.out)
    assert document["request"]["id"] == taken[0].id
    assert document["exit_code"] == ExitCode.FAILED
    assert [file["error_code"] for file in document["exports"]] == ["disque_plein"]
    assert "en échec" in answer.err


def test_nothing_is_sent_when_the_database_is_away(
    queue: RequestsQueue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFECTURE_STATE_URL", f"sqlite:///{tmp_path / 'absent.sqlite3'}")
    assert main([*ASK, "--wait", "--json"]) == ExitCode.AWAY
    answer = capsys.readouterr()
    assert "la base ne répond pas" in answer.err
    assert json.loads(answer.out)["error"]["code"] == "base_injoignable"
    assert queue.poll() is None


def test_exports_shows_ten_files_and_counts_the_others(records: Records, capsys: pytest.CaptureFixture[str]) -> None:
    for minutes_ago in (3, 2, 1, 0):
        event = build_liste_export("13900", requested_by="mairie", source="/tests")
        records.accept(event, minutes_ago=minutes_ago, **READY)
    assert main(["exports"]) == ExitCode.DONE
    shown = capsys.readouterr().out.splitlines()
    lines = [line for line in shown if line.startswith("13900")]
    assert len(lines) == 10
    assert "Liste P du 25/11/2026 09:30:00 [csv]" in lines[0]
    assert shown[-1] == "… et 2 autres : --limit 12"
    assert main(["exports", "--limit", "12"]) == ExitCode.DONE
    assert "autre" not in capsys.readouterr().out
