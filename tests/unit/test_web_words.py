"""How the screen writes: French typography, days of Paris, the pre-check's codes as words."""

from datetime import UTC, date, datetime, timedelta

import pytest
from jinja2 import DictLoader, Environment
from markupsafe import Markup

from common.french import format_moment, typo, weekday_date
from producers.web.templating import add_words, code_words, day_of, duration, jour_of, kept_until
from tests.unit.producers_samples import plain


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


def test_days_are_those_of_paris() -> None:
    late = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    assert jour_of(late) == "25/11/2026"
    assert format_moment(late) == "25/11/2026 à 00:30"
    assert plain(weekday_date(date(2026, 11, 1))) == "dimanche 1er novembre 2026"
    assert plain(day_of("2027-04-11")) == "dimanche 11 avril 2027"
    assert kept_until(late, 30) == datetime(2026, 12, 24, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "moins d'une seconde"), (0.2, "moins d'une seconde"), (8, "8 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_durations_are_said_as_one_says_them(seconds: float, text: str) -> None:
    assert plain(duration(timedelta(seconds=seconds))) == text


def test_codes_become_words() -> None:
    assert code_words("prenoms_absents") == "Prénoms absents"
    assert code_words("departement_naissance_absent") == "Département de naissance absent"
    assert code_words("nom_usage_identique") == "Nom d'usage identique"
    assert code_words("separateur_remplace") == "Séparateur remplacé"
