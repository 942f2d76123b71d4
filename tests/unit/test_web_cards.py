"""« Vos demandes » by the states of the files."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from producers.web.exports.query import AskedFile
from producers.web.suivi.requests import (
    DemandeState,
    RecentActivity,
    RequestCard,
    Stage,
    build_cards,
    just_ended,
    make_card,
    stage_of,
)
from schemas.topology import REQUEST_CANCEL, REQUEST_LISTE_EXPORT
from schemas.vocabulary import ExportStatus, RequestOutcome
from tests.unit.asked_files import ready_list

NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
Q, RUN, OK, BAD, OFF = (
    *(ExportStatus.QUEUED, ExportStatus.RUNNING, ExportStatus.READY, ExportStatus.FAILED, ExportStatus.CANCELLED),
)


def file(number: int, status: ExportStatus, *, minutes_ago: float = 1, **facts: Any) -> AskedFile:  # noqa: ANN401
    """A file of the principal list, finished this long ago if it is finished."""
    ended = NOW - timedelta(minutes=minutes_ago) if status.is_terminal else None
    values = {"source": "/s", "requested_at": NOW, "status": status, "started_at": None, "finished_at": ended}
    return ready_list(number, **values | facts)


def demande(number: int, *files: AskedFile, **facts: Any) -> DemandeState:  # noqa: ANN401 — of Demande
    """A request of a minute ago."""
    said = DemandeState(
        request_id=number,
        source="/s",
        event_id=str(number),
        event_type=REQUEST_LISTE_EXPORT,
        kind="",
        code_commune="13900",
        requested_by="m",
        requested_at=NOW - timedelta(minutes=1),
        outcome=RequestOutcome.ACCEPTED,
        reason="",
        files=files,
    )
    return replace(said, **facts)


def refused(number: int, **facts: Any) -> DemandeState:  # noqa: ANN401 — of Demande
    return demande(number, outcome=RequestOutcome.REFUSED, reason="Non.", **facts)


def shown(*demandes: DemandeState, now: datetime = NOW, hidden: Collection[int] = ()) -> list[int]:
    return [card.demande.request_id for card in build_cards(RecentActivity(demandes=demandes), now, hidden)]


def test_what_has_ended_may_be_hidden_and_nothing_else() -> None:
    for status in (BAD, OFF):
        assert shown(demande(1, file(1, status)), hidden=[1]) == []
        assert shown(demande(1, file(1, status)), hidden=[2]) == [1]
    assert shown(refused(1), hidden=[1]) == []
    for status in (Q, RUN):
        assert shown(demande(1, file(1, status)), hidden=[1]) == [1]


@pytest.mark.parametrize(
    ("states", "stage"),
    [
        ([Q, Q], Stage.QUEUED),
        ([Q, RUN], Stage.RUNNING),
        ([OK, Q], Stage.RUNNING),
        ([OK, OK], Stage.READY),
        ([OK, OFF], Stage.READY),
        ([OK, BAD], Stage.FAILED),
        ([BAD, OFF], Stage.FAILED),
        ([BAD, Q], Stage.RUNNING),
        ([OFF, OFF], Stage.CANCELLED),
    ],
)
def test_the_stage_of_a_request_is_that_of_its_files(states: list[ExportStatus], stage: Stage) -> None:
    files = [file(number, state) for number, state in enumerate(states, 1)]
    assert stage_of(demande(1, *files)) is stage


@pytest.mark.parametrize(
    ("status", "minutes", "is_shown"),
    [
        (Q, 10**6, True),
        (RUN, 10**6, True),
        (OK, 0, False),
        (OFF, 14, True),
        (OFF, 16, False),
        (BAD, 6 * 24 * 60, True),
        (BAD, 8 * 24 * 60, False),
    ],
)
def test_what_ended_stays_for_a_while(status: ExportStatus, minutes: float, is_shown: bool) -> None:
    assert shown(demande(1, file(1, status, minutes_ago=minutes))) == ([1] if is_shown else [])


@pytest.mark.parametrize(("later", "is_shown"), [(Q, False), (OK, False), (BAD, False), (OFF, True)])
def test_a_failure_goes_once_the_same_file_is_asked_again(later: ExportStatus, is_shown: bool) -> None:
    first, second = demande(1, file(1, BAD)), demande(2, file(2, later))
    assert (1 in shown(second, first)) is is_shown


def test_a_refused_cancellation_is_soon_old_news() -> None:
    assert shown(refused(1, event_type=REQUEST_CANCEL)) == [1]
    assert shown(refused(1, event_type=REQUEST_CANCEL), now=NOW + timedelta(hours=2)) == []


def card(*files: AskedFile) -> RequestCard:
    return make_card(demande(1, *files))


def test_a_request_whose_files_are_wrong_is_not_called_ready() -> None:
    wrong = card(file(1, OK), file(2, OK, bloquantes=3))
    assert (wrong.label, wrong.tone) == ("à corriger", "error")
    right = card(file(1, OK, remarques=3))
    assert (right.label, right.tone) == ("prête", "ready")


def test_a_request_of_a_provisional_tableau_is_not_called_ready() -> None:
    provisional = file(1, OK, provisoire_until=date(2027, 1, 10))
    assert (card(provisional).label, card(provisional).tone) == ("provisoire", "warning")
    assert card(provisional, file(2, OK, bloquantes=1)).label == "à corriger"
    recalled = card(provisional, file(2, OK, bloquantes=1, recalled_at=NOW))
    assert (recalled.label, recalled.tone) == ("à refaire", "error")


def test_only_what_did_not_succeed_is_asked_again() -> None:
    assert [it.export_id for it in card(file(1, OK), file(2, BAD), file(3, OFF)).to_retry] == [2, 3]
    assert not card(file(1, OK), file(2, BAD)).may_cancel
    assert card(file(1, OK), file(2, RUN)).may_cancel


def test_what_ended_lately_is_announced_in_its_order() -> None:
    asked = [demande(1, file(1, OK, minutes_ago=1), file(2, BAD, minutes_ago=3), file(3, OFF), file(4, RUN))]
    assert [it.export_id for it in just_ended(asked, NOW)] == [2, 1]
    assert just_ended(asked, NOW + timedelta(hours=1)) == []
