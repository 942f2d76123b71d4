"""The table of cures is total: each anomaly, state, task and refusal has one, and each page of it is a page."""

import ast
import re
from pathlib import Path

import pytest

import worker
from producers.web.app import ROUTES
from producers.web.templating import NAVIGATION, SETTINGS
from schemas.cures import (
    ANOMALIES,
    CURES,
    PAGES,
    REFUSALS,
    STATES,
    TASKS,
    Refusal,
    Todo,
    facts_of_file,
    find_cure,
)
from schemas.file_state import USABLE, FileState
from schemas.tableaux import Edition, Presentation, TypeTableau, why_never_published
from schemas.vocabulary import Severity
from tests.parts.rules import KINDS
from worker.domain.tableau import controles

FACTS = facts_of_file(12, "13900", "P", "vingt_jours", {"scrutin": "2027-04-11", "reunion": "x"})
PATHS = {route.name: route.path.partition("{commune}")[2] for route in ROUTES}


def _codes_in_source() -> set[str]:
    """The codes that the worker writes where it makes an anomaly, outside the two tables of messages."""
    found = set[str]()
    for path in Path(worker.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {
                "Anomaly",
                "_anomalie",
                "_remark",
                "replace",
            }:
                given = [*node.args[:1], *(it.value for it in node.keywords if it.arg == "code")]
                found |= {str(it.value) for it in given if isinstance(it, ast.Constant)}
    return found


def test_every_anomaly_has_its_cure() -> None:
    codes = {kind.code for kind in KINDS} | {*controles._MESSAGES} | _codes_in_source()  # noqa: SLF001
    assert len(codes) > 60
    assert {*ANOMALIES} == codes


def test_only_a_remark_asks_for_nothing() -> None:
    grave = {kind.code for kind in KINDS if kind.severity is not Severity.REMARK}
    grave |= {code for code, (it, _) in controles._MESSAGES.items() if it is not Severity.REMARK}  # noqa: SLF001
    assert [code for code in grave if not ANOMALIES[code].page] == []


def test_every_state_is_usable_or_has_its_cure() -> None:
    assert {*FileState} - {*USABLE} == {*STATES}
    assert not {*USABLE} & {*STATES}


def test_every_task_and_refusal_has_its_cure() -> None:
    assert {*TASKS} == {*Todo}
    never = {
        refusal.code
        for type_ in TypeTableau
        for presentation in Presentation
        for edition in Edition
        for commune in ("13900", "98818")  # its revision is yearly in the second
        if (refusal := why_never_published(type_, presentation, edition, commune))
    }
    assert {*REFUSALS} >= {*Refusal, *never}


def test_a_code_has_one_cure() -> None:
    assert len(CURES) == sum(map(len, (ANOMALIES, STATES, TASKS, REFUSALS)))


@pytest.mark.parametrize("name", PAGES)
def test_each_page_of_a_cure_is_a_page_of_the_screen(name: str) -> None:
    assert PAGES[name].path == PATHS[name]
    sections = [it for section in (*NAVIGATION, SETTINGS) for it in (section, *section.pages)]
    titles = {section.name: section.label for section in sections}
    assert titles.get(name, PAGES[name].title) == PAGES[name].title


@pytest.mark.parametrize("code", CURES)
def test_the_address_of_a_cure_is_whole_and_the_words_say_what_to_do(code: str) -> None:
    link = find_cure(code, {**FACTS, "bureau": "0001", "numero": 3})
    if not CURES[code].page:
        assert link is None
        return
    assert link
    assert link.address.startswith("/communes/13900/")
    assert not re.search(r"[{}]|=(&|#|$)", link.address)
    assert link.label
    assert link.describe("https://exemple.fr/").endswith(f" : https://exemple.fr{link.address}")
    assert link.describe("").endswith(f"(page {PAGES[CURES[code].page].title})")


def test_a_fact_cannot_leave_its_place_in_the_address() -> None:
    link = find_cure("canton_absent", {"commune": "13900", "bureau": "1&x=../#"})
    assert link
    assert link.address == "/communes/13900/bureaux?bureau=1%26x%3D..%2F%23"
