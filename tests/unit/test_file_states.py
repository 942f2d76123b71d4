"""A file has one state on every page, and an unusable file is never called ready."""

from collections.abc import Mapping
from datetime import date, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from producers.records import STATE_RULES, FileState
from producers.web.depot import find_to_deposit
from producers.web.dossier.assembly import pick, why_lacking
from producers.web.exports.query import DERNIERS_EXPORTS, ETATS
from schemas.vocabulary import ExportStatus, Verdict
from tests.unit.asked_files import DAY, NOON, ready_list
from worker.db.engine import build_engine

FACTS: Mapping[str, tuple[Any, ...]] = {
    "verdict": ("", Verdict.ACCEPTE.value, Verdict.REJETE.value),
    "recalled_at": (None, NOON),
    "deposited_on": (None, DAY),
    "published_on": (None, DAY),
    "certified_on": (None, DAY),
    "purged_at": (None, NOON),
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
        ({"deposited_on": DAY, "verdict": "accepte", "purged_at": NOON}, FileState.ACCEPTED, "accepté"),
        ({"deposited_on": DAY, "verdict": "accepte", "recalled_at": NOON}, FileState.TO_REDO, "à refaire"),
        ({"published_on": DAY, "outdated_at": NOON, "purged_at": NOON}, FileState.PUBLISHED, "publié"),
        ({"published_on": DAY, "deposited_on": DAY, "verdict": "accepte"}, FileState.PUBLISHED, "publié"),
        ({"published_on": DAY, "certified_on": DAY}, FileState.CERTIFIED, "certifié"),
        ({"published_on": DAY, "certified_on": DAY, "recalled_at": NOON}, FileState.TO_REDO, "à refaire"),
        ({"deposited_on": DAY, "verdict": "rejete"}, FileState.REJECTED, "rejeté"),
        ({"deposited_on": DAY, "verdict": "rejete", "recalled_at": NOON}, FileState.REJECTED, "rejeté"),
        ({"deposited_on": DAY, "verdict": "rejete", "purged_at": NOON}, FileState.REJECTED, "rejeté"),
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
    if facts["bloquantes"] or file.is_incomplete or facts["provisoire_until"] or facts["recalled_at"]:
        assert file not in find_to_deposit([file])


def test_a_filter_finds_the_files_of_its_state_and_no_other(tmp_path: Path) -> None:
    """For every possible record."""
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
        "en-attente": {FileState.QUEUED},
        "en-preparation": {FileState.RUNNING},
        "en-echec": {FileState.FAILED},
        "annule": {FileState.CANCELLED},
    }
    assert set().union(*states_of.values()) == set(FileState)
    names = ("export_id", "status", *FACTS)
    made = [
        {"status": ExportStatus.READY, **dict(zip(FACTS, values, strict=True))} for values in product(*FACTS.values())
    ]
    others = [{"status": status} for status in ExportStatus if status is not ExportStatus.READY]
    files = [ready_list(number, **facts) for number, facts in enumerate(made + others, 1)]
    engine = build_engine(f"sqlite:///{tmp_path / 'states.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE derniers_exports ({', '.join(names)})")
        connection.execute(
            insert(DERNIERS_EXPORTS), [{it: _plain(getattr(file, it)) for it in names} for file in files]
        )
        for etat, (_, condition) in ETATS.items():
            found = set(connection.execute(select(DERNIERS_EXPORTS.c.export_id).where(condition)).scalars())
            assert found == {file.export_id for file in files if file.state in states_of[etat]}, etat
    engine.dispose()


def _plain(value: Any) -> Any:  # noqa: ANN401 — what SQLite keeps
    return value.isoformat() if isinstance(value, (date, datetime)) else value
