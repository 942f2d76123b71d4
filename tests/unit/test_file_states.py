"""A file has one state on every page, an unusable one is never called ready; what is to be deposited; the requests."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import column, insert, select, table

from producers.web.depot import find_to_answer, find_to_deposit, find_to_redo
from producers.web.dossier import pick, why_lacking
from producers.web.exports.query import DERNIERS_EXPORTS, ETATS, AskedFile
from producers.web.suivi.requests import DemandeState, Stage, build_cards, just_ended
from schemas.file_state import STATE_RULES, FileState
from schemas.topology import REQUEST_CANCEL, REQUEST_LISTE_EXPORT
from schemas.vocabulary import ExportStatus, RequestOutcome, Verdict
from tests.unit.asked_files import DAY, NOON, ready_list, ready_tableau
from worker.db.engine import build_engine
from worker.db.functions import sql_of_state

FACTS: Mapping[str, tuple[Any, ...]] = {
    "verdict": ("", Verdict.ACCEPTE.value, Verdict.REJETE.value),
    "recalled_at": (None, NOON),
    "deposited_on": (None, DAY),
    "published_on": (None, DAY),
    "certified_on": (None, DAY),
    "purged_at": (None, NOON),
    "fault": ("", "missing", "altered"),
    "bloquantes": (0, 9),
    "provisoire_until": (None, DAY),
    "outdated_at": (None, NOON),
    "a_completer": (0, 9),
}
"""Possible values in the record of a file."""

records = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in FACTS.items()})


@pytest.mark.parametrize(
    ("facts", "state", "words"),
    [
        ({"status": ExportStatus.QUEUED}, FileState.QUEUED, "en attente"),
        ({"status": ExportStatus.RUNNING}, FileState.RUNNING, "en préparation"),
        ({"status": ExportStatus.FAILED}, FileState.FAILED, "en échec"),
        ({"status": ExportStatus.CANCELLED}, FileState.CANCELLED, "annulé"),
        ({}, FileState.READY, "prêt"),
        ({"outdated_at": NOON}, FileState.OUTDATED, "ancien"),
        ({"fault": "missing", "bloquantes": 9}, FileState.MISSING, "introuvable"),
        ({"fault": "truncated"}, FileState.ALTERED, "altéré"),
        ({"fault": "missing", "purged_at": NOON}, FileState.PURGED, "effacé"),
        ({"provisoire_until": DAY}, FileState.PROVISOIRE, "provisoire"),
        ({"provisoire_until": DAY, "bloquantes": 9}, FileState.TO_CORRECT, "à corriger"),
        ({"a_completer": 9}, FileState.TO_COMPLETE, "à compléter"),
        ({"a_completer": 9, "outdated_at": NOON}, FileState.TO_COMPLETE, "à compléter"),
        ({"a_completer": 9, "provisoire_until": DAY}, FileState.PROVISOIRE, "provisoire"),
        ({"a_completer": 9, "bloquantes": 9}, FileState.TO_CORRECT, "à corriger"),
        ({"a_completer": 9, "published_on": DAY}, FileState.PUBLISHED, "publié"),
        ({"purged_at": NOON, "bloquantes": 9}, FileState.PURGED, "effacé"),
        ({"deposited_on": DAY, "bloquantes": 9}, FileState.DEPOSITED, "déposé"),
        ({"deposited_on": DAY, "outdated_at": NOON}, FileState.DEPOSITED, "déposé"),
        (
            {"deposited_on": DAY, "verdict": "accepte", "purged_at": NOON},
            FileState.ACCEPTED,
            "accepté",
        ),
        (
            {"deposited_on": DAY, "verdict": "accepte", "recalled_at": NOON},
            FileState.TO_REDO,
            "à refaire",
        ),
        (
            {"published_on": DAY, "outdated_at": NOON, "purged_at": NOON},
            FileState.PUBLISHED,
            "publié",
        ),
        (
            {"published_on": DAY, "deposited_on": DAY, "verdict": "accepte"},
            FileState.PUBLISHED,
            "publié",
        ),
        ({"published_on": DAY, "certified_on": DAY}, FileState.CERTIFIED, "certifié"),
        (
            {"published_on": DAY, "certified_on": DAY, "recalled_at": NOON},
            FileState.TO_REDO,
            "à refaire",
        ),
        ({"deposited_on": DAY, "verdict": "rejete"}, FileState.REJECTED, "rejeté"),
        (
            {"deposited_on": DAY, "verdict": "rejete", "recalled_at": NOON},
            FileState.REJECTED,
            "rejeté",
        ),
        (
            {"deposited_on": DAY, "verdict": "rejete", "purged_at": NOON},
            FileState.REJECTED,
            "rejeté",
        ),
    ],
)
def test_each_file_stands_in_one_state(facts: dict[str, Any], state: FileState, words: str) -> None:
    file = ready_list(1, **facts)
    assert (file.state, file.state.label) == (state, words)


def test_every_state_has_words_and_a_look_of_its_own_or_an_explained_one() -> None:
    assert len({state.label for state in FileState}) == len(FileState)
    assert {rule.column for rule in STATE_RULES} == set(FACTS)


@given(records)
def test_what_the_platform_refused_is_never_ready_nor_offered(facts: dict[str, Any]) -> None:
    refused = ready_list(1, **facts | {"verdict": Verdict.REJETE.value, "deposited_on": DAY})
    twin = ready_list(2, request_id=1, format="xml")
    assert refused.state is FileState.REJECTED
    assert not refused.is_finished
    assert pick([refused]) is None
    assert pick([refused, twin]) is None
    assert pick([twin, refused]) is None
    assert find_to_deposit([refused, twin]) == []
    assert why_lacking([twin, refused]).startswith("la plateforme l'a rejetée")


@given(records)
def test_only_what_nothing_speaks_against_is_ready(facts: dict[str, Any]) -> None:
    file = ready_list(1, **facts)
    assert (file.state is FileState.READY) == (not any(facts.values()))
    if file.state is FileState.READY:
        assert pick([file]) == file
        assert find_to_deposit([file]) == [file]
    if (
        facts["bloquantes"]
        or file.is_incomplete
        or facts["provisoire_until"]
        or facts["recalled_at"]
    ):
        assert file not in find_to_deposit([file])


_STATES = """
CREATE VIEW derniers_exports AS SELECT e.export_id, {state} AS state
FROM facts e JOIN facts d ON d.id = e.id JOIN facts p ON p.id = e.id
     JOIN (SELECT id, recalled_at AS created_at FROM facts) rc ON rc.id = e.id
     JOIN (SELECT id, outdated_at AS finished_at FROM facts) im ON im.id = e.id,
     (SELECT '' AS created_at) r
"""
"""The expression of the worker's view, over one table of facts in the place of its tables."""


def test_a_filter_finds_the_files_of_its_state_and_no_other(tmp_path: Path) -> None:
    """For every possible record: the view of the database says the state that the pages say."""
    states_of = {
        "pret": {FileState.READY},
        "a-corriger": {FileState.TO_CORRECT},
        "provisoire": {FileState.PROVISOIRE},
        "a-completer": {FileState.TO_COMPLETE},
        "ancien": {FileState.OUTDATED},
        "depose": {FileState.DEPOSITED},
        "accepte": {FileState.ACCEPTED},
        "rejete": {FileState.REJECTED},
        "publie": {FileState.PUBLISHED},
        "certifie": {FileState.CERTIFIED},
        "a-refaire": {FileState.TO_REDO},
        "efface": {FileState.PURGED},
        "introuvable": {FileState.MISSING},
        "altere": {FileState.ALTERED},
        "en-attente": {FileState.QUEUED},
        "en-preparation": {FileState.RUNNING},
        "en-echec": {FileState.FAILED},
        "annule": {FileState.CANCELLED},
    }
    assert set().union(*states_of.values()) == set(FileState)
    names = ("id", "export_id", "status", *FACTS)
    made = [
        {"status": ExportStatus.READY, **dict(zip(FACTS, values, strict=True))}
        for values in product(*FACTS.values())
    ]
    others = [{"status": status} for status in ExportStatus if status is not ExportStatus.READY]
    files = [ready_list(number, **facts) for number, facts in enumerate(made + others, 1)]
    engine = build_engine(f"sqlite:///{tmp_path / 'states.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE facts ({', '.join(names)})")
        rows = [{it: getattr(file, it) for it in names[1:]} for file in files]
        facts = table("facts", *(column(it, DERNIERS_EXPORTS.c[it].type) for it in names[1:]))
        connection.execute(insert(facts), rows)
        connection.exec_driver_sql("UPDATE facts SET id = export_id")
        connection.exec_driver_sql(_STATES.format(state=sql_of_state()))
        for etat, (_, condition) in ETATS.items():
            found = set(
                connection.execute(select(DERNIERS_EXPORTS.c.export_id).where(condition)).scalars()
            )
            assert found == {file.export_id for file in files if file.state in states_of[etat]}, (
                etat
            )
    engine.dispose()


def test_what_is_good_to_deposit_and_was_not() -> None:
    good, tableau = ready_list(1), ready_tableau(7)
    files = [
        good,
        ready_list(2, liste="CE", bloquantes=1),
        ready_list(3, liste="CM", deposited_on=DAY),
        ready_list(4, liste="CM", format="xml", request_id=3),
        ready_tableau(5, edition="commission"),
        ready_tableau(6, purged_at=NOON),
        tableau,
    ]
    assert find_to_deposit(files) == [good, tableau]


def test_a_list_asked_for_after_its_deposit_is_to_be_deposited_again() -> None:
    newer = ready_list(2, format="xml")
    assert find_to_deposit([ready_list(1, deposited_on=DAY), newer]) == [newer]
    assert find_to_deposit([ready_list(3, deposited_on=DAY), newer]) == []


def test_files_of_one_request_deposited_together_are_answered_together() -> None:
    together = [
        ready_list(1, request_id=9, deposited_on=DAY),
        ready_list(2, request_id=9, deposited_on=DAY),
    ]
    alone = ready_list(3, request_id=8, deposited_on=DAY)
    answered = ready_list(4, request_id=8, deposited_on=DAY, verdict="accepte")
    assert find_to_answer([*together, alone, answered]) == [together, [alone]]


@pytest.mark.parametrize(
    "wrong", [{"verdict": "rejete"}, {"verdict": "accepte", "recalled_at": NOON}]
)
def test_what_was_rejected_or_recalled_is_to_be_redone_until_a_later_deposit(
    wrong: dict[str, Any],
) -> None:
    file = ready_list(1, deposited_on=DAY, **wrong)
    assert find_to_redo([file]) == [file]
    assert find_to_redo([ready_list(2, deposited_on=DAY, format="xml"), file]) == []
    assert find_to_redo([ready_list(2, deposited_on=DAY, liste="CM"), file]) == [file]
    assert find_to_deposit([ready_list(1, recalled_at=NOON)]) == []


def test_what_the_platform_accepted_and_was_made_again_with_the_same_bytes_is_not_to_redo() -> None:
    recalled = ready_list(1, deposited_on=DAY, verdict="accepte", recalled_at=NOON)
    same, other = ready_list(2), ready_list(2, sha256="b" * 64)
    assert find_to_redo([recalled], [same]) == find_to_deposit([same], [recalled]) == []
    assert find_to_redo([recalled], [other]) == [recalled]


def test_tableaux_of_two_polls_do_not_replace_each_other() -> None:
    first = ready_tableau(
        1, deposited_on=DAY, verdict="rejete", parameters={"scrutin": "2026-12-06"}
    )
    second = ready_tableau(2, deposited_on=DAY, parameters={"scrutin": "2027-04-11"})
    assert find_to_redo([second, first]) == [first]
    again = ready_tableau(3, deposited_on=DAY, parameters={"scrutin": "2026-12-06"})
    assert find_to_redo([again, second, first]) == []


NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
Q, RUN, OK, BAD, OFF = (
    *(
        ExportStatus.QUEUED,
        ExportStatus.RUNNING,
        ExportStatus.READY,
        ExportStatus.FAILED,
        ExportStatus.CANCELLED,
    ),
)


def file(number: int, status: ExportStatus, *, minutes_ago: float = 1, **facts: Any) -> AskedFile:  # noqa: ANN401
    """A file of the principal list, finished this long ago if it is finished."""
    ended = NOW - timedelta(minutes=minutes_ago) if status.is_terminal else None
    values = {
        "source": "/s",
        "requested_at": NOW,
        "status": status,
        "started_at": None,
        "finished_at": ended,
    }
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
    return [it.request_id for it in build_cards(demandes, now, hidden)]


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
def test_the_stage_of_a_request_is_that_of_its_files(
    states: list[ExportStatus], stage: Stage
) -> None:
    files = [file(number, state) for number, state in enumerate(states, 1)]
    assert demande(1, *files).stage is stage


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


@pytest.mark.parametrize(
    ("later", "is_shown"), [(Q, False), (OK, False), (BAD, False), (OFF, True)]
)
def test_a_failure_goes_once_the_same_file_is_asked_again(
    later: ExportStatus, is_shown: bool
) -> None:
    first, second = demande(1, file(1, BAD)), demande(2, file(2, later))
    assert (1 in shown(second, first)) is is_shown


def test_a_refused_cancellation_is_soon_old_news() -> None:
    assert shown(refused(1, event_type=REQUEST_CANCEL)) == [1]
    assert shown(refused(1, event_type=REQUEST_CANCEL), now=NOW + timedelta(hours=2)) == []


def test_a_request_whose_files_are_wrong_is_not_called_ready() -> None:
    wrong = demande(1, file(1, OK), file(2, OK, bloquantes=3))
    assert (wrong.label, wrong.tone) == ("à corriger", "error")
    right = demande(1, file(1, OK, remarques=3))
    assert (right.label, right.tone) == ("prête", "ready")


def test_a_request_of_a_provisional_tableau_is_not_called_ready() -> None:
    provisional = file(1, OK, provisoire_until=date(2027, 1, 10))
    assert (demande(1, provisional).label, demande(1, provisional).tone) == (
        "provisoire",
        "warning",
    )
    assert demande(1, provisional, file(2, OK, bloquantes=1)).label == "à corriger"
    recalled = demande(1, provisional, file(2, OK, bloquantes=1, recalled_at=NOW))
    assert (recalled.label, recalled.tone) == ("à refaire", "error")


def test_only_what_did_not_succeed_is_asked_again() -> None:
    assert [
        it.export_id for it in demande(1, file(1, OK), file(2, BAD), file(3, OFF)).to_retry
    ] == [2, 3]
    assert not demande(1, file(1, OK), file(2, BAD)).may_cancel
    assert demande(1, file(1, OK), file(2, RUN)).may_cancel


def test_what_ended_lately_is_announced_in_its_order() -> None:
    asked = [
        demande(
            1,
            file(1, OK, minutes_ago=0.3),
            file(2, BAD, minutes_ago=0.5),
            file(3, OFF),
            file(4, RUN),
        )
    ]
    assert [it.export_id for it in just_ended(asked, NOW)] == [2, 1]
    assert just_ended(asked, NOW + timedelta(hours=1)) == []
