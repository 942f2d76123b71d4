"""What the commands say of a request, for people and for programs: while it is waited for, and of its files."""

import io
from collections.abc import Callable, Iterator
from datetime import date
from itertools import chain, repeat
from pathlib import Path

import pytest
from rich.console import Console

from common.cli import ExitCode
from common.french import format_size
from producers.cli import render
from producers.cli.render import print_exports, print_files, print_others, print_request, wait_for
from producers.errors import StateAwayError
from producers.records import ExportState, RequestState, exit_code_of
from producers.state import State
from schemas.vocabulary import ExportStatus, RequestOutcome
from tests.unit.asked_files import EVENT, INSTANT, export, plain, request, tableau

VOLUME = Path("/srv/exports")
LABEL = "Liste P du 25/11/2026 09:30:00 [csv]"
REFUSED = RequestState(RequestOutcome.REFUSED, "aucun registre importé pour 13900")
REPORT = VOLUME / "13900" / "liste-P-13900-20261125-093000-anomalies.csv"


def printed(write: Callable[[Console], object]) -> list[str]:
    stream = io.StringIO()
    write(Console(file=stream, width=120))
    return [line.rstrip() for line in stream.getvalue().splitlines() if line.strip()]


def test_the_table_shows_labels_counts_and_sizes() -> None:
    files = [
        export(),
        export(liste="CE", status=ExportStatus.QUEUED, electeurs=None, size=None, sha256=None),
    ]
    header, _, first, second = printed(lambda console: print_exports(console, files))
    assert header.split() == [
        "Commune",
        "Fichier",
        "État",
        "Électeurs",
        "Bloquantes",
        "Remarques",
        "Taille",
    ]
    assert LABEL in first
    assert first.split("prêt")[1].split() == ["3", "000", "0", "12", "51,2", "ko"]
    assert second.split("en attente")[1].split() == ["—", "—", "—", "—"]


def test_a_purged_file_is_said_to_be_purged_and_is_not_offered() -> None:
    files = [export(purged_at=INSTANT), export(status=ExportStatus.FAILED, purged_at=INSTANT)]
    _, _, ready, failed = printed(lambda console: print_exports(console, files))
    assert "effacé" in ready
    assert "prêt" not in ready
    assert "effacé" not in failed
    assert printed(lambda console: print_files(console, files, VOLUME)) == []


def test_what_cannot_be_used_is_not_called_ready() -> None:
    coming = tableau(provisoire_until=date(2027, 1, 10))
    gone = export(
        recalled_at=INSTANT, recalled_because="l'import 3 (reu.csv) a été annulé", bloquantes=1
    )
    _, _, *rows = printed(
        lambda console: print_exports(console, [coming, tableau(bloquantes=2), gone])
    )
    assert any("à refaire" in row for row in rows)
    assert not any("prêt" in row for row in rows)
    assert any("provisoire" in row for row in rows)
    assert any("à corriger" in row for row in rows)
    advice = printed(lambda console: print_request(console, EVENT, request(coming)))[-1]
    assert advice.endswith(
        " : à refaire à partir du 10/01/2027, avant d'être signé, publié ou déposé"
    )
    advice = printed(lambda console: print_request(console, EVENT, request(gone)))[-1]
    assert advice.endswith(" : l'import 3 (reu.csv) a été annulé")


@pytest.mark.parametrize(
    ("shown", "total", "lines"),
    [
        (10, 10, []),
        (10, 11, ["… et 1 autre : --limit 11"]),
        (10, 1244, ["… et 1 234 autres : --limit 1244"]),
    ],
)
def test_what_is_not_shown_is_counted(shown: int, total: int, lines: list[str]) -> None:
    said = printed(lambda console: print_others(console, shown, total))
    assert [plain(line) for line in said] == lines


def test_files_are_listed_as_sha256sum_reads_them() -> None:
    lines = printed(
        lambda console: print_files(console, [export(), export(status=ExportStatus.FAILED)], VOLUME)
    )
    assert lines == ["9f" * 32 + "  /srv/exports/13900/liste-P-13900-20261125-093000.csv"]


@pytest.mark.parametrize(
    ("state", "last"),
    [
        (
            request(export(bloquantes=3)),
            f"{LABEL} : 3 anomalies bloquantes, la liste serait fausse, ou rejetée ; à corriger d'après {REPORT}",
        ),
        (
            request(export(status=ExportStatus.FAILED, error_message="Espace disque insuffisant.")),
            f"{LABEL} : Espace disque insuffisant.",
        ),
        (REFUSED, "Demande refusée : aucun registre importé pour 13900"),
        (
            request(export(status=ExportStatus.RUNNING)),
            "Délai dépassé : les fichiers manquants peuvent encore venir.",
        ),
    ],
    ids=["blocking", "failed", "refused", "late"],
)
def test_the_last_line_says_what_became_of_a_request(state: RequestState, last: str) -> None:
    assert printed(lambda console: print_request(console, EVENT, state, VOLUME))[-1] == last


def test_a_request_that_no_worker_read_is_said_apart() -> None:
    (unread,) = printed(lambda console: print_request(console, EVENT, RequestState()))
    assert "aucun worker n'a lu la demande" in unread


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "—"),
        (0, "0 octets"),
        (51_233, "51,2 ko"),
        (2_400_000, "2,4 Mo"),
        (7 * 10**12, "7,0 To"),
        (10**16, "10000,0 To"),
    ],
)
def test_sizes_are_french(size: int | None, text: str) -> None:
    assert plain(format_size(size)) == text


UNREAD = RequestState()
RUNNING = export(status=ExportStatus.RUNNING, electeurs=3000, lines_written=1200)
MADE = request(export(), export(export_id=2, status=ExportStatus.FAILED))


class Script(State):
    """A scripted state that repeats its last answer for ever; an exception is raised."""

    def __init__(self, *answers: RequestState | Exception) -> None:
        super().__init__("sqlite://")
        self._answers: Iterator[RequestState | Exception] = chain(answers, repeat(answers[-1]))

    def request_progress(self, sender: str, source: str, event_id: str) -> RequestState:
        assert (sender, source, event_id) == ("mairie", EVENT.source, EVENT.id)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "POLL_SECONDS", 0.001)


@pytest.mark.parametrize(
    "answers",
    [
        (UNREAD, request(RUNNING, export(export_id=2, status=ExportStatus.QUEUED)), MADE),
        (UNREAD, REFUSED),
        (request(RUNNING), StateAwayError("partie"), MADE),
    ],
    ids=["made", "refused", "a database that restarts"],
)
def test_it_ends_with_the_fate_of_every_file(answers: tuple[RequestState | Exception, ...]) -> None:
    assert (
        wait_for(Script(*answers), "mairie", EVENT, Console(file=io.StringIO()), 10) == answers[-1]
    )


def test_it_ends_after_the_time_allowed_with_what_is_known() -> None:
    late = request(export(), RUNNING)
    result = wait_for(Script(late), "mairie", EVENT, Console(file=io.StringIO()), 0.02)
    assert result == late
    assert exit_code_of(result) is ExitCode.TIMEOUT


def test_lines_show_each_change_once() -> None:
    script = Script(UNREAD, request(RUNNING), request(RUNNING), request(export()))
    _, *lines = printed(lambda console: wait_for(script, "mairie", EVENT, console, 10))
    assert lines == [f"{LABEL} : 1\u202f200 / 3\u202f000 électeurs", f"{LABEL} : prêt"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (export(bloquantes=1), "à corriger"),
        (tableau(provisoire_until=date(2027, 1, 10)), "provisoire"),
        (tableau(provisoire_until=date(2027, 1, 10), bloquantes=1), "à corriger"),
    ],
)
def test_the_last_line_does_not_call_ready_what_cannot_be_used(
    made: ExportState, said: str
) -> None:
    _, *lines = printed(
        lambda console: wait_for(Script(request(made)), "mairie", EVENT, console, 10)
    )
    assert lines == [f"{made.label} : {said}"]


def test_a_request_that_nobody_reads_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.cli.render.UNREAD_SECONDS", 0.0)
    lines = printed(lambda console: wait_for(Script(UNREAD), "mairie", EVENT, console, 0.05))
    assert "".join(lines).count("Demande pas encore lue") == 1


def test_a_database_that_stays_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "AWAY_SECONDS", 0.02)
    with pytest.raises(StateAwayError):
        wait_for(Script(StateAwayError("partie")), "mairie", EVENT, Console(file=io.StringIO()), 10)


@pytest.mark.parametrize(
    ("exports", "code"),
    [
        ([export()], ExitCode.DONE),
        ([export(), export(bloquantes=3)], ExitCode.ANOMALIES),
        ([tableau(), tableau(bloquantes=1)], ExitCode.ANOMALIES),
        ([export(bloquantes=3), export(status=ExportStatus.FAILED)], ExitCode.FAILED),
        ([export(status=ExportStatus.CANCELLED)], ExitCode.FAILED),
        ([export(), RUNNING], ExitCode.TIMEOUT),
    ],
)
def test_the_exit_code_says_what_became_of_the_files(
    exports: list[ExportState], code: ExitCode
) -> None:
    assert exit_code_of(request(*exports)) is code
