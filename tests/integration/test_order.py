"""Shares take turns, people go before batches, and of two declarations the one said last counts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from schemas.declarations import DeclarationNoted
from schemas.envelope import CloudEvent, Data
from schemas.requests import ListeExportRequested, RegistreImportRequested
from schemas.topology import QUEUE_LISTES, SCREEN_ACCOUNT
from schemas.vocabulary import ExportStatus, Liste
from tests.integration.depots_desk import DepotsDesk, today
from tests.integration.export_desk import COMMUNE
from tests.parts.notes import note_file
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE
from worker.exports.models import Export, Request
from worker.exports.records import settle
from worker.handlers.requests.ingest_request import ingest_request
from worker.work.queue import BATCH, PEOPLE, NewWork, WorkKind, add

pytestmark = [
    pytest.mark.database(LIBREVILLE_TEMPLATE),
    pytest.mark.desk(opened_by=DepotsDesk.open),
]

HOG, CLERK, OTHER = "hog", "clerk", "other"
NAMED = "INVENTEE Zélie, date de naissance fausse"


def _wrap(data: Data) -> CloudEvent:
    return CloudEvent.wrap(data, source="/test")


def _send(desk: DepotsDesk, sender: str, number: int = 1, **fields: Any) -> None:  # noqa: ANN401 — of the request
    asked = {"commune": COMMUNE, "listes": ["CE"], "requested_by": AGENT} | fields
    for _ in range(number):
        event = _wrap(ListeExportRequested.model_validate(asked))
        ingest_request(event, desk.services, sender=sender)


def _serve(desk: DepotsDesk, number: int) -> str:
    """Take so many tokens; the accounts whose files they made, by their first letters."""
    served, known = "", _ready(desk)
    for _ in range(number):
        desk.take_token(QUEUE_LISTES)
        made = {it: sender for it, sender in _ready(desk).items() if it not in known}
        served += "".join(sender[0] for sender in made.values())
        known |= made
    return served


def _ready(desk: DepotsDesk) -> dict[int, str]:
    with Session(desk.engine) as session:
        ready = select(Export.id, Request.sender).join(Request)
        return dict(session.execute(ready.where(Export.status == ExportStatus.READY)).all())


def _codes(desk: DepotsDesk, sender: str) -> Sequence[str]:
    return desk.values("SELECT code FROM request WHERE sender = :it ORDER BY id", it=sender)


# Turns and lanes.


@pytest.mark.parametrize("bulk", [True, False])
def test_a_new_file_waits_for_one_file_of_a_share_that_has_3000_waiting(
    desk: DepotsDesk, *, bulk: bool
) -> None:
    lane = BATCH if bulk else PEOPLE
    _send(desk, HOG, 5, bulk=bulk)
    with desk.engine.begin() as connection:
        waiting = range(5, 3000)
        works = [
            NewWork(WorkKind.LISTE, f"export:{9000 + it}", "", lane, it, HOG) for it in waiting
        ]
        add(connection, works)
    assert _serve(desk, 1) == "h"
    _send(desk, CLERK, 2, bulk=bulk)
    assert _serve(desk, 4) == "hchc"
    _send(desk, OTHER, bulk=bulk)
    assert _serve(desk, 2) == "ho"


def test_the_files_of_two_requests_alternate(desk: DepotsDesk) -> None:
    six = {"listes": ["P", "CE", "CM"], "formats": ["csv", "xml"]}
    _send(desk, HOG, 1, **six)
    _send(desk, CLERK, listes=["P", "CE", "CM"])
    assert _serve(desk, 9) == "hchchchhh"


def test_a_share_that_was_idle_gets_no_turns_of_the_past(desk: DepotsDesk) -> None:
    _send(desk, HOG, 4)
    assert _serve(desk, 3) == "hhh"
    _send(desk, CLERK, 3)
    _send(desk, HOG, 2)
    assert _serve(desk, 6) == "hcchch"


def test_a_share_is_an_account_and_on_the_screen_a_commune(desk: DepotsDesk) -> None:
    for sender in (HOG, CLERK, SCREEN_ACCOUNT):
        _send(desk, sender)
    shares = desk.values("SELECT share FROM work WHERE kind = 'liste' ORDER BY id")
    assert shares == [HOG, CLERK, f"{SCREEN_ACCOUNT} {COMMUNE}"]


def test_a_person_is_told_before_a_batch_and_each_account_in_turn(desk: DepotsDesk) -> None:
    _send(desk, HOG, 3, bulk=True)
    _send(desk, OTHER, 1, bulk=True)
    _send(desk, CLERK, 1)
    with desk.engine.begin() as connection:
        connection.execute(update(Export).values(status=ExportStatus.READY, sha256="0" * 64))
        settle(connection, connection.scalars(select(Request.id)).all())
    with Session(desk.engine) as session:
        senders = dict(session.execute(select(Request.event_id, Request.sender)).all())
    told = desk.announce()
    for status in ("accepted", "settled"):
        asked = [it.causationid or "" for it in told if it.data["status"] == status]
        assert [senders[it] for it in asked] == [CLERK, HOG, OTHER, HOG, HOG]


# The limit of waiting files.


def test_a_share_that_has_too_much_waiting_is_refused_and_no_other(desk: DepotsDesk) -> None:
    desk.configure(most_waiting=3)
    for sender in (HOG, HOG, HOG, HOG, CLERK, HOG):
        _send(desk, sender)
        _send(desk, sender, bulk=True)
    each = ["", "", "", "quota", "quota"]
    assert _codes(desk, HOG) == [code for code in each for _ in range(2)], "each lane has a limit"
    assert {*_codes(desk, CLERK)} == {""}
    reasons = desk.values("SELECT DISTINCT reason FROM request WHERE code = 'quota'")
    assert len(reasons) == 1
    assert "(3 au plus)" in reasons[0]
    assert "dans dix minutes, avec un « id » nouveau" in reasons[0]


def test_a_share_that_was_served_may_ask_again(desk: DepotsDesk) -> None:
    desk.configure(most_waiting=2)
    _send(desk, HOG, 3)
    _serve(desk, 1)
    _send(desk, HOG, 2)
    assert _codes(desk, HOG) == ["", "", "quota", "", "quota"]


def test_a_refusal_is_answered_after_others(desk: DepotsDesk) -> None:
    """Thousands of refused requests of one program delay no reply to a person."""
    _send(desk, HOG, 3, commune="01001")
    _send(desk, CLERK)
    assert [it.data["status"] for it in desk.announce()] == ["accepted", *["refused"] * 3]


# An event that names something unknown does not wait for it.


def _verdict(*export_ids: int, verdict: str = "accepte", **fields: Any) -> DeclarationNoted:  # noqa: ANN401
    said: dict[str, Any] = {"verdict": verdict, "verdict_on": today()}
    return note_file("verdict", *export_ids, **said | fields)


def _depot(*export_ids: int, **fields: Any) -> DeclarationNoted:  # noqa: ANN401
    return note_file("deposited", *export_ids, **{"deposited_on": today()} | fields)


def test_a_verdict_before_its_deposit_is_refused_at_once_and_says_when_to_send_it(
    desk: DepotsDesk,
) -> None:
    one, other = (
        desk.make()["export_id"],
        desk.make(liste=Liste.COMPLEMENTAIRE_EUROPEENNE)["export_id"],
    )
    desk.send(_depot(one))
    early = desk.send(_verdict(one, other, answer=NAMED))
    row = desk.request(early)
    assert (row["outcome"], row["code"]) == ("refused", "depot_absent")
    assert "renvoyez la réponse une fois le dépôt accepté, avec un « id » nouveau" in row["reason"]
    assert desk.depot(one)["verdict"] == "", "one of them alone is not recorded"
    assert not any(NAMED in str(dict(it)) for it in desk.rows("SELECT * FROM request"))
    desk.send(_depot(other))
    assert desk.depot(one)["verdict"] == "", "it does not wait"
    desk.send(_verdict(one, other))
    assert {desk.depot(it)["verdict"] for it in (one, other)} == {"accepte"}


def test_an_import_of_an_unknown_preview_is_refused_at_once_and_says_when_to_send_it(
    desk: DepotsDesk,
) -> None:
    asked = RegistreImportRequested(commune=COMMUNE, preview=7, sha256="0" * 64, requested_by=AGENT)
    row = desk.declare(asked)
    assert (row["outcome"], row["code"]) == ("refused", "apercu_inconnu")
    assert (
        "Renvoyez cet événement une fois l'aperçu annoncé, avec un « id » nouveau" in row["reason"]
    )


# Two declarations.


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
