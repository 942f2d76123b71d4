"""The audit trail: who did what, as an operator and a program read it."""

from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert

from common.cli import ExitCode
from common.clock import PARIS
from tests.integration.files_desk import FilesDesk, open_desk
from tests.integration.notifier_desk import TEMPLATE, Killed
from worker.exports.audit import Action, record_audit
from worker.exports.models import Audit

pytestmark = [pytest.mark.integration, pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=open_desk)]


def _note(desk: FilesDesk, actor: str, commune: str = "13900", **columns: object) -> None:
    values = {"actor": actor, "action": Action.FILE_PURGED, "code_commune": commune}
    with desk.engine.begin() as connection:
        connection.execute(insert(Audit).values(**values | columns))


def test_the_newest_line_is_the_first(desk: FilesDesk) -> None:
    assert desk.run("audit").out == "Rien n'est noté.\n"
    for actor in ("exploitant", "notifier"):
        _note(desk, actor, detail="[liste] de la commune", export_id=7)
    *_, first, second, _end = desk.run("audit").out.splitlines()
    today = f"{datetime.now(PARIS):%d/%m/%Y}"
    for line, actor in ((first, "notifier"), (second, "exploitant")):
        for word in (today, actor, "fichier purgé", "13900", "7", "[liste] de la commune"):
            assert word in line
    assert "exploitant" not in desk.run("audit", "--limit", "1").out
    assert desk.run("audit", "--limit", "0").code == ExitCode.USAGE


def test_lines_of_a_commune_and_since_a_day_of_paris(desk: FilesDesk) -> None:
    midnight = datetime(2026, 3, 1, tzinfo=PARIS)
    _note(desk, "la veille", at=midnight - timedelta(milliseconds=1))
    _note(desk, "à minuit", at=midnight)
    _note(desk, "ailleurs", "2A004", at=midnight)
    assert _actors(desk) == ["ailleurs", "à minuit", "la veille"]
    assert _actors(desk, "--since", "01/03/2026") == ["ailleurs", "à minuit"]
    assert _actors(desk, "--since", "2026-03-01", "--commune", "13900") == ["à minuit"]
    assert _actors(desk, "--commune", "2a004") == ["ailleurs"]
    assert desk.run("audit", "--since", "hier").code == ExitCode.USAGE


def test_a_program_gets_codes_and_instants(desk: FilesDesk) -> None:
    _note(desk, "exploitant", at=datetime(2026, 3, 1, tzinfo=PARIS))
    assert desk.run("audit", "--json").document == [
        {
            "at": "2026-02-28T23:00:00.000+00:00",
            "actor": "exploitant",
            "action": "file_purged",
            "code_commune": "13900",
            "export_id": None,
            "detail": "",
        }
    ]


def test_what_another_release_wrote_is_shown_as_it_is(desk: FilesDesk) -> None:
    _note(desk, "exploitant", action="something_newer")
    assert "something_newer" in desk.run("audit").out


def test_a_line_is_written_with_what_it_is_about_or_not_at_all(desk: FilesDesk) -> None:
    with suppress(Killed), desk.engine.begin() as connection:
        record_audit(connection, Action.FILE_PURGED, actor="exploitant")
        raise Killed
    assert desk.audit() == []


def _actors(desk: FilesDesk, *arguments: str) -> list[str]:
    return [line["actor"] for line in desk.run("audit", "--json", *arguments).document]
