"""`cancel` and `retry` without a broker: the events that command lines make, and how a cancellation is followed."""

import io
import json

import jsonschema
import pytest
from rich.console import Console

from common.cli import ExitCode
from producers.cli import main, render
from producers.cli.render import print_exports, wait_for
from producers.cli.requests import Cancelled, build_cancel, judge_cancellation
from producers.publisher import Publisher
from producers.records import RequestState
from schemas.envelope import CloudEvent
from schemas.generate import ROOT
from schemas.topology import REQUEST_CANCEL, REQUEST_RETRY
from schemas.vocabulary import ExportStatus, RequestOutcome
from tests.unit.producers_samples import export, request

ID = "7d0c9a52-5a4f-4a3a-9a53-0f2d1f6f1c11"
TYPES = {"cancel": REQUEST_CANCEL, "retry": REQUEST_RETRY}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[CloudEvent]:
    """The events that a broker would have been given."""
    events: list[CloudEvent] = []
    monkeypatch.setattr(Publisher, "publish", lambda _, event: events.append(event))
    monkeypatch.setenv("PREFECTURE_SOURCE", "/mairie/13900")
    return events


@pytest.mark.parametrize("command", TYPES)
def test_the_event_names_the_earlier_request(
    command: str, sent: list[CloudEvent], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, ID, "--requested-by", "mairie"]) == ExitCode.DONE
    (event,) = sent
    schema = json.loads((ROOT / "json" / f"{TYPES[command]}.json").read_text("utf-8"))
    jsonschema.validate(json.loads(event.to_bytes()), schema)
    assert event.type == TYPES[command]
    assert event.data == {"request": {"source": "/mairie/13900", "id": ID}, "requested_by": "mairie"}
    assert event.source == "/mairie/13900"
    assert event.id in capsys.readouterr().out


@pytest.mark.parametrize("command", TYPES)
def test_another_programs_request_and_some_of_its_files_can_be_meant(command: str, sent: list[CloudEvent]) -> None:
    assert main([command, ID, "--source", "/screen", "--export", "41", "--export", "43"]) == ExitCode.DONE
    (event,) = sent
    assert event.data["request"] == {"source": "/screen", "id": ID}
    assert event.data["exports"] == [41, 43]
    assert event.source == "/mairie/13900"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "il manque l'argument 'ID'"),
        ([ID, "--export", "tous"], "un nombre entier plus grand que 0 est attendu"),
        ([ID, "--export", str(2**60)], "exports.0 : un nombre d'au plus 9007199254740991 est attendu"),
        (["\x07"], "request.id : un caractère n'est pas admis"),
    ],
)
def test_what_names_no_request_is_not_sent(
    arguments: list[str], words: str, sent: list[CloudEvent], capsys: pytest.CaptureFixture[str]
) -> None:
    for command in TYPES:
        assert main([command, *arguments]) == ExitCode.USAGE
        assert words in capsys.readouterr().err
    assert sent == []


class _State:
    """What the database says: of the cancellation, then of the request it is about."""

    def __init__(self, event: CloudEvent, cancellation: list[RequestState], earlier: RequestState) -> None:
        self._event, self._cancellation, self._earlier = event, cancellation, earlier

    def request_progress(self, source: str, event_id: str) -> RequestState:
        if (source, event_id) == (self._event.source, self._event.id):
            return self._cancellation.pop(0) if len(self._cancellation) > 1 else self._cancellation[0]
        assert (source, event_id) == ("/tests", ID)
        return self._earlier


UNREAD, ACCEPTED = RequestState(), RequestState(RequestOutcome.ACCEPTED)
READY = export(export_id=1)
DROPPED = export(export_id=2, status=ExportStatus.CANCELLED, error_message="Annulé par mairie.")


def test_waiting_for_a_cancellation_shows_the_files_it_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "FIRST_POLL_SECONDS", 0.001)
    event = build_cancel(ID, requested_by="mairie", source="/tests")
    state = _State(event, [UNREAD, UNREAD, ACCEPTED], request(READY, DROPPED))
    followed = wait_for(Cancelled(state, event), event, Console(file=io.StringIO()), 10)
    assert followed == request(READY, DROPPED)
    assert judge_cancellation(followed) == ExitCode.DONE


def test_the_files_that_go_on_are_not_waited_for() -> None:
    event = build_cancel(ID, exports=[2], requested_by="mairie", source="/tests")
    running = export(export_id=1, status=ExportStatus.RUNNING)
    followed = Cancelled(_State(event, [ACCEPTED], request(running, DROPPED)), event)
    assert followed.request_progress(event.source, event.id).exports == (DROPPED,)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (UNREAD, ExitCode.TIMEOUT),
        (RequestState(RequestOutcome.REFUSED, "Rien à annuler."), ExitCode.FAILED),
        (request(DROPPED), ExitCode.DONE),
    ],
)
def test_the_exit_code_tells_whether_it_was_cancelled(state: RequestState, code: ExitCode) -> None:
    assert judge_cancellation(state) == code


def test_the_latest_exports_show_what_to_cancel_by() -> None:
    shown = io.StringIO()
    print_exports(Console(file=shown, width=120), [export(export_id=41, event_id=ID)], with_ids=True)
    assert {"41", ID} <= set(shown.getvalue().split())
    print_exports(Console(file=(without := io.StringIO()), width=120), [export(export_id=41, event_id=ID)])
    assert ID not in without.getvalue()
