"""An event that refers to a later request or deposit waits for it; accounts with many requests and few take turns."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import Connection, func, select, update
from sqlalchemy.event import listen
from sqlalchemy.orm import Session

from schemas.declarations import DeclarationNoted
from schemas.envelope import CloudEvent, Data
from schemas.requests import CancelRequested, ListeExportRequested, RetryRequested
from schemas.topology import SCREEN_ACCOUNT
from schemas.vocabulary import ExportStatus, Liste
from tests.integration.depots_desk import DepotsDesk, today
from tests.integration.export_desk import COMMUNE
from tests.parts.notes import note_file
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE
from worker.db.types import utc_now
from worker.deferred import AT_ONCE
from worker.doorbell import Doorbell
from worker.errors import NotKnownYetError, TransientError
from worker.exports.models import Export, Request
from worker.exports.records import settle
from worker.handlers.making import make_export
from worker.handlers.requests import export_plan
from worker.handlers.requests import ingest_request as ingest
from worker.handlers.requests.export_plan import find_request
from worker.handlers.requests.ingest_request import check_deferred, ingest_request
from worker.housekeeping.housekeeping import sweep
from worker.notifier.messages.events import answer_event
from worker.work.queue import ClaimRule, Work, WorkKind, claim, claim_enqueued, finish, release

pytestmark = [
    pytest.mark.database(LIBREVILLE_TEMPLATE),
    pytest.mark.desk(opened_by=DepotsDesk.open),
]

BY = {"requested_by": AGENT}
NAMED = "INVENTEE Zélie, date de naissance fausse"


def _wrap(data: Data, **attributes: Any) -> CloudEvent:  # noqa: ANN401 — of the envelope
    return CloudEvent.wrap(data, source="/test").model_copy(update=attributes)


def _ask(**fields: Any) -> CloudEvent:  # noqa: ANN401 — of the request
    return _wrap(
        ListeExportRequested.model_validate({"commune": COMMUNE, "listes": ["P"]} | BY | fields)
    )


def _about(model: type[CancelRequested] | type[RetryRequested], event: CloudEvent) -> CloudEvent:
    return _wrap(model.model_validate({"request": {"source": event.source, "id": event.id}} | BY))


def _verdict(*export_ids: int, verdict: str = "accepte", **fields: Any) -> DeclarationNoted:  # noqa: ANN401
    said: dict[str, Any] = {"verdict": verdict, "verdict_on": today()}
    return note_file("verdict", *export_ids, **said | fields)


def _depot(*export_ids: int, **fields: Any) -> DeclarationNoted:  # noqa: ANN401
    return note_file("deposited", *export_ids, **{"deposited_on": today()} | fields)


def _outcomes(desk: DepotsDesk, *events: CloudEvent) -> list[str]:
    outcomes = {
        row["event_id"]: str(row["outcome"])
        for row in desk.rows("SELECT event_id, outcome FROM demandes")
    }
    return [outcomes.get(event.id, "") for event in events]


def _deferred(desk: DepotsDesk) -> int:
    return int(desk.values("SELECT count(*) FROM deferred_event")[0])


def _due(desk: DepotsDesk) -> None:
    with desk.engine.begin() as connection:
        connection.execute(
            update(Work).where(Work.kind == WorkKind.DEFERRED).values(due_at=utc_now())
        )


def _states(desk: DepotsDesk, event: CloudEvent) -> list[str]:
    return desk.values("SELECT status FROM derniers_exports WHERE event_id = :id", id=event.id)


def test_a_cancel_that_overtakes_its_request_waits_for_it(desk: DepotsDesk) -> None:
    asked = _ask()
    cancel = _about(CancelRequested, asked)
    for _ in range(2):
        ingest_request(cancel, desk.services)
    assert (_outcomes(desk, cancel), _deferred(desk)) == ([""], 1)
    ingest_request(asked, desk.services)
    assert _outcomes(desk, asked, cancel) == ["accepted", "accepted"]
    assert (_states(desk, asked), _deferred(desk)) == (["cancelled"], 0)
    ingest_request(cancel, desk.services)
    assert _deferred(desk) == 0, "a copy of what was served does not wait again"


def test_what_waits_for_what_waits_is_served_too(desk: DepotsDesk) -> None:
    asked = _ask(listes=["P", "CE"])
    first = _about(CancelRequested, asked)
    again = _about(RetryRequested, asked)
    last = _about(CancelRequested, again)
    for event in (last, again, first):
        ingest_request(event, desk.services)
    assert _deferred(desk) == 3
    ingest_request(asked, desk.services)
    assert _deferred(desk) == 0
    assert _outcomes(desk, asked, first)[0] == "accepted"
    assert "" not in _outcomes(desk, first, again, last)


@pytest.mark.slow
def test_a_verdict_that_overtakes_its_deposits_waits_for_each_of_them(desk: DepotsDesk) -> None:
    one, other = (
        desk.make()["export_id"],
        desk.make(liste=Liste.COMPLEMENTAIRE_EUROPEENNE)["export_id"],
    )
    verdict = desk.send(_verdict(one, other, answer=NAMED))
    desk.send(_depot(one))
    assert (_outcomes(desk, verdict), _deferred(desk)) == ([""], 1)
    desk.send(_depot(other))
    assert (_outcomes(desk, verdict), _deferred(desk)) == (["accepted"], 0)
    assert {desk.depot(it)["verdict"] for it in (one, other)} == {"accepte"}


@pytest.mark.parametrize("days", [0, 8])
def test_a_cancel_of_a_request_that_waits_in_a_queue_is_kept_for_a_week(
    desk: DepotsDesk, days: int
) -> None:
    """The request is read after a backlog, when its cancellation was answered long ago."""
    asked = _ask(listes=["P", "CE"])
    cancel = _about(CancelRequested, asked)
    ingest_request(cancel, desk.services)
    desk.wait_in_vain()
    assert (_outcomes(desk, cancel), _deferred(desk)) == (["accepted"], 1)
    with Session(desk.engine) as session:
        (recorded,) = session.scalars(select(Request)).all()
        assert answer_event(recorded).data["exports"] == []
    ingest_request(cancel, desk.services)
    assert _sweep_after(desk, due=False) == []
    if days:
        (deferred_id,) = _sweep_after(desk, due=True)
        check_deferred(deferred_id, desk.services)
    ingest_request(asked, desk.services)
    states = ["queued"] * 2 if days else ["cancelled"] * 2
    assert (_states(desk, asked), _deferred(desk)) == (states, 0)


def test_it_is_refused_once_it_was_looked_at_twice_in_vain(desk: DepotsDesk) -> None:
    cancel = _about(RetryRequested, _ask())
    ingest_request(cancel, desk.services)
    (deferred_id,) = _sweep_after(desk, due=True)
    assert _sweep_after(desk, due=False) == [], "a worker was told already"
    check_deferred(deferred_id, desk.services)
    assert (_outcomes(desk, cancel), _deferred(desk)) == ([""], 1)
    check_deferred(deferred_id, desk.services)
    assert _outcomes(desk, cancel) == [""], (
        "not due: a second message about the same look changes nothing"
    )
    assert _sweep_after(desk, due=True) == [deferred_id]
    check_deferred(deferred_id, desk.services)
    row = desk.request(cancel)
    assert (row["outcome"], row["reason"][:19], _deferred(desk)) == (
        "refused",
        "Demande introuvable",
        0,
    )


def test_a_request_recorded_while_its_cancel_is_deferred_is_seen(
    desk: DepotsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither sees the other at first: the request looks for deferred events before the cancel is stored."""
    asked = _ask()
    cancel = _about(CancelRequested, asked)

    def find(*arguments: Any) -> Any:  # noqa: ANN401 — passed on
        try:
            return find_request(*arguments)
        except NotKnownYetError:
            monkeypatch.setattr(export_plan, "find_request", find_request)
            ingest_request(asked, desk.services)
            raise

    monkeypatch.setattr(export_plan, "find_request", find)
    ingest_request(cancel, desk.services)
    assert (_outcomes(desk, asked, cancel), _deferred(desk)) == (["accepted", "accepted"], 0)


def test_the_broker_away_the_next_sweep_tells(desk: DepotsDesk) -> None:
    ingest_request(_about(CancelRequested, _ask()), desk.services)
    _due(desk)
    with pytest.raises(TransientError):
        sweep(desk.engine, Mock(side_effect=TransientError("away")))
    assert len(_sweep_after(desk, due=False)) == 1


def _sweep_after(desk: DepotsDesk, *, due: bool) -> list[int]:
    """The deferred events that the sweep sends messages for; `due`: after CHECK_SECONDS."""
    if due:
        _due(desk)
    sent: list[Doorbell] = []
    sweep(desk.engine, sent.extend)
    return [it.row_id for it in sent]


@pytest.fixture
def deposited(desk: DepotsDesk) -> int:
    export_id: int = desk.make()["export_id"]
    desk.send(_depot(export_id), datetime.now(UTC) - timedelta(hours=3))
    return export_id


def test_of_two_deposits_the_one_said_last_counts_and_the_other_says_why(
    desk: DepotsDesk, deposited: int
) -> None:
    now = datetime.now(UTC)
    desk.send(_depot(deposited, remarque="la bonne"), now - timedelta(seconds=1))
    late = desk.send(_depot(deposited, remarque="l'ancienne"), now - timedelta(seconds=2))
    assert desk.depot(deposited)["remarque"] == "la bonne"
    assert desk.request(late)["reason"].startswith(
        "Une déclaration faite après celle-ci est déjà notée pour « Liste P"
    )
    desk.send(_depot(deposited, remarque="la dernière"), now)
    assert desk.depot(deposited)["remarque"] == "la dernière"


def test_of_two_verdicts_the_one_said_last_counts_and_the_other_says_why(
    desk: DepotsDesk, deposited: int
) -> None:
    now = datetime.now(UTC)
    desk.send(_verdict(deposited, verdict="accepte"), now - timedelta(seconds=1))
    late = desk.send(_verdict(deposited, verdict="rejete"), now - timedelta(seconds=2))
    assert desk.depot(deposited)["verdict"] == "accepte"
    assert desk.request(late)["outcome"] == "refused"
    desk.send(_verdict(deposited, verdict="rejete"), now)
    assert desk.depot(deposited)["verdict"] == "rejete"


def test_the_files_that_were_not_overtaken_are_recorded(desk: DepotsDesk, deposited: int) -> None:
    other = desk.make(liste=Liste.COMPLEMENTAIRE_EUROPEENNE)["export_id"]
    late = desk.send(
        _depot(deposited, other, remarque="deux"), datetime.now(UTC) - timedelta(hours=4)
    )
    assert desk.request(late)["outcome"] == "accepted"
    assert [desk.depot(it)["remarque"] for it in (deposited, other)] == ["", "deux"]


@pytest.mark.slow
def test_a_clock_that_is_ahead_does_not_keep_others_from_correcting(
    desk: DepotsDesk, deposited: int
) -> None:
    desk.send(_depot(deposited, remarque="demain"), datetime.now(UTC) + timedelta(days=1))
    desk.send(_depot(deposited, remarque="corrigée"), datetime.now(UTC) + timedelta(seconds=1))
    assert desk.depot(deposited)["remarque"] == "corrigée"


def test_a_deposit_recorded_before_times_were_kept_is_corrected(
    desk: DepotsDesk, deposited: int
) -> None:
    desk.run("UPDATE depot SET said_at = NULL")
    desk.send(_depot(deposited, remarque="corrigée"), datetime(2026, 1, 1, tzinfo=UTC))
    assert desk.depot(deposited)["remarque"] == "corrigée"


def test_nothing_of_an_answer_is_left_where_it_waited(desk: DepotsDesk) -> None:
    verdict = desk.send(
        _verdict(desk.make()["export_id"], answer=NAMED, verdict_on=date(2026, 1, 1))
    )
    desk.wait_in_vain()
    assert (desk.request(verdict)["outcome"], _deferred(desk)) == ("refused", 0)


HOG, CLERK, OTHER = "hog", "clerk", "other"


def _send(desk: DepotsDesk, sender: str, number: int = 1, *, bulk: bool = False) -> None:
    for _ in range(number):
        ingest_request(_ask(bulk=bulk), desk.services, sender=sender)


def _serve(desk: DepotsDesk, number: int) -> str:
    """Handle the first doorbells of the queue; the accounts of all ready files in order, by their first letters."""
    for doorbell in [desk.enqueued.pop(0) for _ in range(number)]:
        desk.process(doorbell.row_id)
    with Session(desk.engine) as session:
        made = select(Request.sender).join(Export).where(Export.status == ExportStatus.READY)
        return "".join(sender[0] for sender in session.scalars(made.order_by(Export.finished_at)))


def _codes(desk: DepotsDesk) -> list[tuple[str, str]]:
    return [
        (row["sender"], row["code"])
        for row in desk.rows("SELECT sender, code FROM request ORDER BY id")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("bulk", [True, False])
def test_a_clerk_is_served_next_however_much_another_asked_for(
    desk: DepotsDesk, *, bulk: bool
) -> None:
    _send(desk, HOG, 12, bulk=bulk)
    assert _serve(desk, 4) == "hhhh"
    _send(desk, CLERK, 2, bulk=bulk)
    assert _serve(desk, 4) == "hhhh" + "hchc", "in turn, from the one that was next"
    assert _serve(desk, 6) == "hhhh" + "hchc" + "hhhhhh", (
        "who gave way is served by the doorbell of who did not"
    )
    assert not desk.enqueued
    assert not sweep(desk.engine, desk.enqueued.extend, grace_seconds=60)


def test_a_clerk_is_served_next_however_many_files_one_request_has(desk: DepotsDesk) -> None:
    ingest_request(
        _ask(listes=["P", "CE", "CM"], formats=["csv", "xml"], bulk=True), desk.services, sender=HOG
    )
    assert _serve(desk, 1) == "h"
    _send(desk, CLERK, 2, bulk=True)
    assert _serve(desk, 4) == "h" + "chch"


@pytest.mark.parametrize(("seconds", "made"), [(make_export.MORE_SECONDS, "hhh"), (-1, "h")])
def test_an_account_has_one_file_made_at_a_time(
    desk: DepotsDesk, monkeypatch: pytest.MonkeyPatch, seconds: float, made: str
) -> None:
    """Another process holds its first file: the messages of the others are spent, and one message makes all."""
    monkeypatch.setattr(make_export, "MORE_SECONDS", seconds)
    _send(desk, HOG, 3)
    _send(desk, CLERK)
    with desk.engine.begin() as connection:
        first = claim_enqueued(connection, desk.enqueued.pop(0), "other", lease_seconds=30)
    assert first
    assert _serve(desk, 3) == "c"
    assert not sweep(desk.engine, desk.enqueued.extend, grace_seconds=60), (
        "while the first file is made"
    )
    with desk.engine.begin() as connection:
        assert release(connection, first, 0)
    desk.enqueued.append(Doorbell(first.subject_id, WorkKind.LISTE))
    assert _serve(desk, 1) == "c" + made
    assert sweep(desk.engine, desk.enqueued.extend, grace_seconds=60) == 3 - len(made)


def test_a_message_makes_a_file_that_is_unblocked_meanwhile(desk: DepotsDesk) -> None:
    """The first file ends just after the second message has found the second file blocked."""
    _send(desk, HOG, 2)
    with desk.engine.begin() as connection:
        first = claim_enqueued(connection, desk.enqueued.pop(0), "other", lease_seconds=30)
    assert first

    def end_first(
        connection: Connection, _cursor: object, statement: str, *_others: object
    ) -> None:
        if statement.startswith("UPDATE work SET enqueued_at"):
            finish(connection, [first])

    listen(desk.engine, "before_cursor_execute", end_first)
    assert _serve(desk, 1) == "h"


def test_files_of_a_batch_are_made_at_the_same_time(desk: DepotsDesk) -> None:
    _send(desk, HOG, 2, bulk=True)
    with desk.engine.begin() as connection:
        assert claim_enqueued(connection, desk.enqueued.pop(0), "other", lease_seconds=30)
    assert _serve(desk, 1) == "h"


def test_a_steady_account_stays_among_clerks_while_another_waits(
    desk: DepotsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of one account waits for long; the other one sends its next request before its last one is made."""
    monkeypatch.setattr(ingest, "MOST_WAITING", 3)
    _send(desk, HOG)
    for _ in range(6):
        _send(desk, CLERK)
        newest = select(func.max(Request.id)).scalar_subquery()
        with desk.engine.begin() as connection:
            served = update(Request).where(Request.sender == CLERK, Request.id < newest)
            connection.execute(served.values(completed_at=utc_now()))
    assert not any(desk.values("SELECT is_bulk FROM request"))


def test_what_is_told_first_is_single_and_then_each_account_in_turn(desk: DepotsDesk) -> None:
    _send(desk, HOG, 3, bulk=True)
    _send(desk, OTHER, 1, bulk=True)
    _send(desk, CLERK, 1)
    with desk.engine.begin() as connection:
        connection.execute(update(Export).values(status=ExportStatus.READY))
        settle(connection, connection.scalars(select(Request.id)))
    with desk.engine.begin() as connection:
        lease = {"lease_seconds": 60.0, "limit": 3}
        claims = claim(connection, WorkKind.RECIPIENTS, "notifier", rule=ClaimRule(), **lease)  # type: ignore[arg-type]
    with Session(desk.engine) as session:
        senders = [session.get_one(Request, it.subject_id).sender for it in claims]
    assert senders == [CLERK, HOG, OTHER]


def test_beyond_the_quota_one_is_refused_and_no_other(desk: DepotsDesk) -> None:
    desk.configure(quota_bulk=3)
    for sender in (HOG, HOG, HOG, HOG, CLERK, HOG):
        _send(desk, sender)
        _send(desk, sender, bulk=True)
    hogs = [code for sender, code in _codes(desk) if sender == HOG]
    assert (hogs.count(""), hogs.count("quota")) == (3 + 3, 4), "a batch has a quota of its own"
    assert {code for sender, code in _codes(desk) if sender == CLERK} == {""}


def test_an_account_has_few_events_wait_and_one_message_serves_few_of_them(
    desk: DepotsDesk,
) -> None:
    desk.configure(quota=AT_ONCE + 2)
    asked = _ask()
    cancels = [_about(CancelRequested, asked) for _ in range(AT_ONCE + 3)]
    for event in (*cancels, cancels[0]):
        ingest_request(event, desk.services, sender=HOG)
    assert (_codes(desk), _deferred(desk)) == ([(HOG, "quota")], AT_ONCE + 2)
    ingest_request(asked, desk.services, sender=HOG)
    assert _outcomes(desk, asked, cancels[0], cancels[AT_ONCE]) == ["accepted", "accepted", ""]
    left = _sweep_after(desk, due=False)
    assert len(left) == _deferred(desk) == 2
    for deferred_id in left:
        check_deferred(deferred_id, desk.services)
    assert _deferred(desk) == 0


def test_a_share_that_was_served_has_its_quota_again(desk: DepotsDesk) -> None:
    desk.configure(quota_bulk=2)
    _send(desk, HOG, 3)
    _serve(desk, 2)
    _send(desk, HOG, 2)
    assert [code for _, code in _codes(desk)] == ["", "", "quota", "", ""]


def test_an_account_that_asks_for_much_gives_way_to_clerks(
    desk: DepotsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lanes(*senders: str) -> list[int]:
        before = len(_codes(desk))
        for sender in senders:
            _send(desk, sender)
        return [int(it) for it in desk.values("SELECT is_bulk FROM request ORDER BY id")[before:]]

    monkeypatch.setattr(ingest, "MOST_WAITING", 3)
    assert lanes(HOG, HOG, HOG, HOG, CLERK, HOG) == [0, 0, 0, 1, 0, 1], "three wait before it"
    _serve(desk, 6)
    assert lanes(HOG, CLERK) == [0, 0]
    begun = utc_now(-ingest.MOST_SECONDS_OF_ACCOUNT - 2)
    made = (
        select(Export.id).join(Request).where(Request.sender == HOG, Export.started_at.is_not(None))
    )
    with desk.engine.begin() as connection:
        connection.execute(
            update(Export).where(Export.id.in_(made.limit(1))).values(started_at=begun)
        )
    assert lanes(HOG, CLERK) == [1, 0], "its files took ten seconds"
    assert lanes(SCREEN_ACCOUNT) == [0]
    shares = {"hog\n", "clerk\n", f"{SCREEN_ACCOUNT}\n{COMMUNE}"}
    assert {*desk.values("SELECT share FROM request")} == shares, (
        "of the screen, a commune is a tenant"
    )
