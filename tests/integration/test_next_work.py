"""A token makes the next due file: once, whatever dies, doubles, or is not answered on the way."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NoReturn

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from common.logs import configure_logs
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import QUEUE_LISTES, QUEUE_TABLEAUX, TOKEN_QUEUES
from schemas.vocabulary import Format
from tests.integration.export_desk import COMMUNE, Desk, before_writing, lose_answer, replace_writer
from tests.integration.notifier_desk import Killed
from tests.parts.town import LIBREVILLE_TEMPLATE
from worker.db.types import utc_now
from worker.exports.records import subject_of_file
from worker.handlers.making import make_liste
from worker.handlers.next_work import free_held_works
from worker.handlers.requests.ingest_request import ingest_request
from worker.work.queue import BATCH, MOST_STARTS, PEOPLE, NewWork, Work, WorkKind, WorkState, add
from worker.writers.electeurs_file import LISTE_FORMATS

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

ENDED = "UPDATE work SET due_at = '2000-01-01 00:00:00.000', within_seconds = 0"
"""The lease of a dead process and its rest are over."""


def _raise(error: BaseException, *_arguments: object, **_options: object) -> NoReturn:
    raise error


def _ask(desk: Desk, *, bulk: bool = False) -> CloudEvent:
    asked = {"commune": COMMUNE, "listes": ["CE"], "requested_by": "mairie", "bulk": bulk}
    event = CloudEvent.wrap(ListeExportRequested.model_validate(asked), source="/test")
    ingest_request(event, desk.services)
    return event


def _status(desk: Desk, event: CloudEvent) -> str:
    (file,) = desk.files_of(event)
    return str(file["status"])


def test_a_token_that_finds_nothing_changes_nothing(desk: Desk) -> None:
    export_id = desk.ask()
    held = {"state": WorkState.HELD, "owner": "other", "due_at": utc_now(30), "within_seconds": 30}
    with desk.engine.begin() as connection:
        connection.execute(update(Work).values(**held))
    before = desk.rows("SELECT * FROM work"), desk.row(export_id)
    for queue in TOKEN_QUEUES:
        desk.take_token(queue)
    assert (desk.rows("SELECT * FROM work"), desk.row(export_id)) == before
    assert desk.files() == []


def test_three_hundred_doubled_tokens_make_each_file_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    write = LISTE_FORMATS[Format.CSV].write

    def count(*arguments: Any, **options: bool) -> int:  # noqa: ANN401 — passed on
        made.append(arguments)
        return write(*arguments, **options)

    replace_writer(monkeypatch, count)
    files = [desk.ask() for _ in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(desk.take_token, [QUEUE_LISTES] * 300))
    assert {desk.row(it)["status"] for it in files} == {"ready"}
    assert len(made) == 12


def test_a_claim_that_is_not_answered_costs_no_start_and_no_lease(desk: Desk) -> None:
    export_id = desk.ask()
    with lose_answer(desk.engine, "WITH first"), pytest.raises(OperationalError):
        desk.take_token(QUEUE_LISTES)
    row = desk.row(export_id)
    assert (row["starts"], row["waits"], row["owner"]) == (0, 0, None)
    assert desk.count_due(QUEUE_LISTES) == 1, "the sweep sends a token at once"
    desk.take_token(QUEUE_LISTES)
    assert desk.row(export_id)["status"] == "ready"


def test_a_claim_of_a_notifier_that_is_not_answered_delays_no_reply(desk: Desk) -> None:
    event = _ask(desk)
    with lose_answer(desk.engine, "WITH first"), pytest.raises(OperationalError):
        desk.announce()
    assert desk.values("SELECT starts FROM work WHERE kind = 'reply'") == [0]
    assert [it.causationid for it in desk.announce()] == [event.id]


@pytest.mark.parametrize("deaths", [MOST_STARTS - 1, MOST_STARTS])
def test_a_file_fails_at_the_sixth_death_of_its_process(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, deaths: int
) -> None:
    export_id = desk.ask()
    with monkeypatch.context() as patch:
        replace_writer(patch, partial(_raise, Killed()))
        for starts in range(1, deaths + 1):
            with pytest.raises(Killed):
                desk.take_token(QUEUE_LISTES)
            row = desk.row(export_id)
            assert (row["status"], row["starts"]) == ("running", starts)
            desk.run(ENDED)
    desk.take_token(QUEUE_LISTES)
    row = desk.row(export_id)
    if deaths < MOST_STARTS:
        assert row["status"] == "ready"
        return
    assert (row["status"], row["error_code"]) == ("failed", "arrets_repetes")
    assert "s'est arrêtée 6 fois" in row["error_message"]
    assert desk.files() == []
    assert desk.count_due(QUEUE_LISTES) == 0


def test_a_process_that_is_stopped_while_it_makes_a_file_costs_the_file_no_start(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = desk.ask()
    for _ in range(MOST_STARTS + 1):
        with monkeypatch.context() as patch:
            before_writing(patch, lambda: free_held_works(desk.services))
            desk.take_token(QUEUE_LISTES)
        assert (desk.row(export_id)["starts"], desk.files()) == (0, [])
        assert desk.count_due(QUEUE_LISTES) == 1, "another process may have it at once"
    desk.take_token(QUEUE_LISTES)
    assert desk.row(export_id)["status"] == "ready"


def test_a_process_that_is_stopped_frees_no_work_of_another(desk: Desk) -> None:
    desk.ask()
    desk.run("UPDATE work SET state = 'held', owner = 'other', starts = 1")
    free_held_works(desk.services)
    assert desk.values("SELECT owner FROM work") == ["other"]


@pytest.mark.parametrize("failures", [2, 3])
def test_a_file_fails_at_the_third_start_that_meets_a_bug(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    configure_logs("json", "critical")  # a traceback of the tests' logs takes seconds
    export_id = desk.ask()
    with monkeypatch.context() as patch:
        replace_writer(patch, partial(_raise, ValueError()))
        for _ in range(failures):
            desk.take_token(QUEUE_LISTES)
            desk.run(ENDED)
    desk.work(QUEUE_LISTES)
    row = desk.row(export_id)
    assert (row["status"], row["error_code"]) == (
        ("failed", "erreur") if failures == 3 else ("ready", "")
    )


PIECES = [(WorkKind.FINGERPRINT, QUEUE_LISTES), (WorkKind.CERTIFICAT, QUEUE_TABLEAUX)]


def _add_piece(desk: Desk, kind: WorkKind, lane: int = PEOPLE) -> None:
    export_id = desk.process(desk.ask())["export_id"]
    desk.run("UPDATE export SET type_tableau = 'vingt_jours', purged_at = finished_at")
    with desk.engine.begin() as connection:
        add(connection, [NewWork(kind, subject_of_file(export_id), lane=lane)])


@pytest.mark.parametrize(("deaths", "states"), [(MOST_STARTS - 1, []), (MOST_STARTS, ["dead"])])
@pytest.mark.parametrize(("kind", "queue"), PIECES)
def test_a_fingerprint_or_a_certificate_that_kills_its_processes_is_given_up(
    desk: Desk, kind: WorkKind, queue: str, deaths: int, states: list[str]
) -> None:
    """It would kill a process each eight seconds for ever."""
    _add_piece(desk, kind)
    desk.run(f"{ENDED}, state = 'held', owner = 'dead', starts = :deaths", deaths=deaths)
    desk.take_token(queue)
    assert desk.values("SELECT state FROM work WHERE kind = :kind", kind=kind) == states


@pytest.mark.parametrize(("failures", "state"), [(2, "due"), (3, "dead")])
def test_a_fingerprint_that_meets_a_bug_three_times_is_given_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, failures: int, state: str
) -> None:
    configure_logs("json", "critical")
    monkeypatch.setattr(make_liste, "lacks_fingerprint", partial(_raise, ValueError()))
    _add_piece(desk, WorkKind.FINGERPRINT)
    for _ in range(failures):
        desk.take_token(QUEUE_LISTES)
        desk.run(ENDED)
    states = "SELECT state FROM work WHERE kind = 'fingerprint'"
    assert desk.values(states) == [state]


def test_a_worker_for_people_makes_no_file_of_a_batch(desk: Desk) -> None:
    batch, person = _ask(desk, bulk=True), _ask(desk)
    desk.configure(most_lane=PEOPLE)
    for _ in range(3):
        desk.take_token(QUEUE_LISTES)
    assert (_status(desk, batch), _status(desk, person)) == ("queued", "ready")


def test_a_list_for_a_person_is_made_before_a_fingerprint_of_a_batch(desk: Desk) -> None:
    """A program that declares a thousand deposits must not delay a clerk."""
    _add_piece(desk, WorkKind.FINGERPRINT, BATCH)
    person = _ask(desk)
    desk.take_token(QUEUE_LISTES)
    assert _status(desk, person) == "ready"
    assert desk.values("SELECT state FROM work WHERE kind = 'fingerprint'") == ["due"]


def test_people_are_served_before_batches(desk: Desk) -> None:
    batches, person = [_ask(desk, bulk=True) for _ in range(2)], _ask(desk)
    desk.take_token(QUEUE_LISTES)
    assert [_status(desk, it) for it in (*batches, person)] == ["queued", "queued", "ready"]
    desk.work(QUEUE_LISTES)
    assert {_status(desk, it) for it in batches} == {"ready"}
