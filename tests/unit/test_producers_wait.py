"""Waiting for a request: its end, its output, the errors that it survives."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import chain, repeat

import pytest
from rich.console import Console

from common.cli import ExitCode
from producers.cli import render
from producers.cli.render import wait_for
from producers.errors import StateAwayError
from producers.records import ExportState, RequestState, exit_code_of
from schemas.vocabulary import ExportStatus, RequestOutcome
from tests.unit.producers_samples import EVENT, export, request, tableau

UNREAD = RequestState()
REFUSED = RequestState(RequestOutcome.REFUSED, "aucun registre importé pour 13900")
RUNNING = export(status=ExportStatus.RUNNING, electeurs=3000, lines_written=1200)


class Script:
    """A scripted state that repeats its last answer for ever; an exception is raised."""

    def __init__(self, *answers: RequestState | Exception) -> None:
        self._answers: Iterator[RequestState | Exception] = chain(answers, repeat(answers[-1]))

    def request_progress(self, source: str, event_id: str) -> RequestState:
        assert (source, event_id) == (EVENT.source, EVENT.id)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "POLL_SECONDS", 0.001)


def console() -> Console:
    return Console(file=io.StringIO(), width=120)


def shown(target: Console) -> str:
    assert isinstance(target.file, io.StringIO)
    return target.file.getvalue()


def test_it_ends_when_every_file_is_made() -> None:
    made = request(export(), export(export_id=2, status=ExportStatus.FAILED))
    script = Script(UNREAD, request(RUNNING, export(export_id=2, status=ExportStatus.QUEUED)), made)
    assert wait_for(script, EVENT, console(), 10) == made


def test_it_ends_when_the_request_is_refused() -> None:
    assert wait_for(Script(UNREAD, REFUSED), EVENT, console(), None) == REFUSED


def test_it_ends_after_the_time_allowed_with_what_is_known() -> None:
    late = request(export(), RUNNING)
    result = wait_for(Script(late), EVENT, console(), 0.02)
    assert result == late
    assert exit_code_of(result) is ExitCode.TIMEOUT


def test_lines_show_each_change_once() -> None:
    target = console()
    wait_for(Script(UNREAD, request(RUNNING), request(RUNNING), request(export())), EVENT, target, 10)
    label = "Liste P du 25/11/2026 09:30:00 [csv]"
    assert shown(target).splitlines()[1:] == [
        f"{label} : 1\u202f200 / 3\u202f000 électeurs",
        f"{label} : prêt",
    ]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (export(bloquantes=1), "à corriger"),
        (tableau(provisoire_until=date(2027, 1, 10)), "provisoire"),
        (tableau(provisoire_until=date(2027, 1, 10), bloquantes=1), "à corriger"),
    ],
)
def test_the_last_line_does_not_call_ready_what_cannot_be_used(made: ExportState, said: str) -> None:
    target = console()
    wait_for(Script(request(made)), EVENT, target, 10)
    assert shown(target).splitlines()[1:] == [f"{made.label} : {said}"]


def test_a_tableau_is_followed_by_its_mouvements() -> None:
    target = console()
    wait_for(Script(request(tableau(status=ExportStatus.RUNNING, lines_written=120))), EVENT, target, 0.3)
    assert "120 / 3\u202f400 mouvements" in shown(target)


def test_a_request_that_nobody_reads_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.cli.render.UNREAD_SECONDS", 0.0)
    target = console()
    wait_for(Script(UNREAD), EVENT, target, 0.05)
    assert shown(target).count("Demande pas encore lue") == 1


def test_a_database_that_restarts_is_waited_for() -> None:
    made = request(export())
    assert wait_for(Script(request(RUNNING), StateAwayError("partie"), made), EVENT, console(), 10) == made


def test_a_database_that_stays_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "AWAY_SECONDS", 0.02)
    with pytest.raises(StateAwayError):
        wait_for(Script(StateAwayError("partie")), EVENT, console(), 10)


@pytest.mark.parametrize(
    ("exports", "code"),
    [
        ([export()], ExitCode.DONE),
        ([export(), export(bloquantes=3)], ExitCode.ANOMALIES),
        ([tableau(), tableau(bloquantes=1)], ExitCode.ANOMALIES),
        ([export(bloquantes=3), export(status=ExportStatus.FAILED)], ExitCode.FAILED),
        ([export(status=ExportStatus.CANCELLED)], ExitCode.FAILED),
        ([export(), replace(RUNNING)], ExitCode.TIMEOUT),
    ],
)
def test_the_exit_code_says_what_became_of_the_files(exports: list[ExportState], code: ExitCode) -> None:
    assert exit_code_of(request(*exports)) is code
