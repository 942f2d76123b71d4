"""The screen's texts: French typography, Paris days; the pages of long tables."""

import ast
import inspect
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment
from markupsafe import Markup

from common import french
from common.french import format_moment, typo, weekday_date
from producers.web.forms import Paging, page_number
from producers.web.security import AgentCommune
from producers.web.templating import add_words, day_of, jour_of, kept_until, people_label
from tests.unit.asked_files import plain, ready_list
from worker.domain import majorite
from worker.domain.tableau import controles, couverture
from worker.registre.reu import importer

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Prêt : oui", "Prêt\u202f: oui"),
        ("Quoi ? Non !", "Quoi\u202f? Non\u202f!"),
        ("un ; deux", "un\u202f; deux"),
        ("« Annuler »", "«\u00a0Annuler\u00a0»"),
        ("12:26:07", "12:26:07"),
        ("a :b", "a :b"),
    ],
)
def test_spaces_do_not_break_before_a_mark(text: str, written: str) -> None:
    assert typo(text) == written


def test_templates_are_written_so_and_their_tags_are_not_touched() -> None:
    source = '<p title="a : b">{{ "x : y" }} : « {{ z }} » {% if z == " ; " %} ; {% endif %}</p>'
    environment = Environment(loader=DictLoader({"t": source}), autoescape=True)
    add_words(environment)
    said = environment.get_template("t").render(z=Markup("mot"))
    assert said == '<p title="a : b">x : y\u202f: «\u00a0mot\u00a0» </p>'


def test_days_are_those_of_the_commune() -> None:
    late = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    assert jour_of(late, "13055") == "25/11/2026"
    assert format_moment(late, "13055") == "25/11/2026 à 00:30"
    assert jour_of(late, "98735") == "24/11/2026"
    environment = Environment(
        loader=DictLoader({"t": "{{ z | jour_of }}, {{ z | moment }}"}), autoescape=True
    )
    add_words(environment)
    commune = AgentCommune("98735", "Papeete")
    assert (
        environment.get_template("t").render(z=late, commune=commune)
        == "24/11/2026, 24/11/2026 à 13:30"
    )
    with pytest.raises(KeyError):
        environment.get_template("t").render(z=late)
    assert plain(weekday_date(date(2026, 11, 1))) == "dimanche 1er novembre 2026"
    assert plain(day_of("2027-04-11")) == "dimanche 11 avril 2027"


def test_the_page_of_a_file_says_until_when_it_is_kept() -> None:
    late = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    assert kept_until(ready_list(1, finished_at=late, code_commune="13055"), 30) == date(
        2026, 12, 25
    )
    deposited = ready_list(1, finished_at=late, deposited_on=date(2026, 11, 25))
    assert kept_until(deposited, 30) == date(2027, 11, 26)
    assert kept_until(deposited, 1000) == date(2029, 8, 21), "the longer of the two"


def _strings(source: str) -> Iterator[str]:
    """The strings of a module, except its docstrings."""
    tree = ast.parse(source)
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
        ):
            yield node.value


def test_a_clerk_reads_what_to_do_and_no_command() -> None:
    """For every message of the tableau rules; a parenthesis that names none stays."""
    environment = Environment(loader=DictLoader({"t": "{{ said | typo }}"}), autoescape=False)  # noqa: S701 — no page
    add_words(environment)
    modules = (french, controles, couverture, majorite, importer)
    said = [it for module in modules for it in _strings(inspect.getsource(module)) if " (" in it]
    assert any("imports --taken-on" in it for it in said)
    shown = [environment.get_template("t").render(said=it) for it in said]
    assert [it for it in shown if re.search(r"import-|--[a-z]|\(motifs\)", it)] == []
    assert typo("(la base de données refuse") in "".join(shown)


def test_a_file_is_called_so_that_neither_its_day_nor_its_hour_breaks() -> None:
    asked = datetime(2026, 11, 25, 3, 55, tzinfo=UTC)
    file = ready_list(1, requested_at=asked)
    assert people_label(file, asked) == "Liste principale — 25\u00a0novembre, 4\u00a0h\u00a055"
    assert "25\u00a0novembre\u00a02026, 4\u00a0h\u00a055" in people_label(
        file, asked + timedelta(days=90)
    )
    away = ready_list(1, requested_at=asked, code_commune="98735")
    assert people_label(away, asked) == "Liste principale — 24\u00a0novembre, 17\u00a0h\u00a055"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "moins d'une seconde"),
        (0.2, "moins d'une seconde"),
        (8, "8 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_are_said_as_one_says_them(seconds: float, text: str) -> None:
    assert plain(french.format_elapsed(seconds)) == text


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("", 1),
        ("1", 1),
        ("12", 12),
        ("0", 1),
        ("-3", 1),
        ("x", 1),
        ("١٢", 1),
        ("9" * 30, 1),
        ("1e3", 1),
        (" 2", 1),
    ],
)
def test_what_is_no_page_is_the_first(text: str, page: int) -> None:
    assert page_number(text) == page


def test_the_filters_stay_in_the_addresses() -> None:
    paging = Paging.of("/journal", {"action": "a&b", "vide": ""}, page=2, total=120, size=50)
    assert (paging.last, paging.before, paging.after) == (
        3,
        "/journal?action=a%26b&page=1",
        "/journal?action=a%26b&page=3",
    )


@pytest.mark.parametrize(
    ("page", "total", "last", "before", "after"),
    [
        (1, 0, 1, "", ""),
        (1, 50, 1, "", ""),
        (1, 51, 2, "", "/x?page=2"),
        (9, 51, 2, "/x?page=2", ""),
    ],
)
def test_the_ends_lead_nowhere(page: int, total: int, last: int, before: str, after: str) -> None:
    paging = Paging.of("/x", {}, page=page, total=total, size=50)
    assert (paging.last, paging.before, paging.after) == (last, before, after)
