"""A line of the table is red for whatever is lost, doubled, half-written or left."""

from dataclasses import fields, replace

import pytest

from tests.faults import table
from tests.faults.facts import Facts
from tests.faults.verdict import Verdict

GOOD = Facts(asked=3, rows=3, ready=3, files=3, partial=0, hidden=0, told=3, again=0, unknown=0, events=3, left=0)


def _verdict(facts: Facts = GOOD, **changes: object) -> Verdict:
    return replace(Verdict("a fault", facts, 1.5), **changes)  # type: ignore[arg-type]


def test_a_line_where_all_is_as_it_must_be_is_green() -> None:
    assert _verdict().broken == []
    assert table.row(_verdict(note="tmpfs")).endswith("ok (tmpfs)")


@pytest.mark.parametrize("name", [field.name for field in fields(Facts) if field.name != "asked"])
def test_one_more_of_anything_is_red(name: str) -> None:
    verdict = _verdict(replace(GOOD, **{name: getattr(GOOD, name) + 1}))
    assert verdict.broken == [name]
    assert f"BROKEN: {name}" in table.row(verdict)


@pytest.mark.parametrize("name", ["rows", "ready", "files", "told", "events"])
def test_one_less_is_red(name: str) -> None:
    assert _verdict(replace(GOOD, **{name: 2})).broken == [name]


def test_nothing_asked_proves_nothing() -> None:
    nothing = Facts(**dict.fromkeys([field.name for field in fields(Facts)], 0))
    assert _verdict(nothing).broken == ["asked"]


def test_a_mail_may_come_twice_where_the_protocol_cannot_do_better() -> None:
    again = replace(GOOD, again=1)
    assert _verdict(again).broken == ["again"]
    assert _verdict(again, mails_again=1).broken == []
    assert _verdict(replace(GOOD, again=2), mails_again=1).broken == ["again"]


def test_a_fault_that_missed_is_red() -> None:
    verdict = _verdict(trouble="AssertionError: nobody was harmed")
    assert verdict.broken == ["trouble"]
    assert "nobody was harmed" in table.row(verdict)
