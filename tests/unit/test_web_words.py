"""The screen's texts: French typography, Paris days, the pre-check's codes as words."""

import ast
import inspect
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment
from markupsafe import Markup

from common import incomplete
from common.french import format_moment, typo, weekday_date
from producers.web.security import AgentCommune
from producers.web.templating import add_words, code_words, day_of, duration, jour_of, kept_until, people_label
from tests.parts.rules import KINDS
from tests.unit.asked_files import ready_list
from tests.unit.producers_samples import plain
from worker.domain import majorite
from worker.domain.tableau import controles, couverture
from worker.handlers.making import make_tableau
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
    environment = Environment(loader=DictLoader({"t": "{{ z | jour_of }}, {{ z | moment }}"}), autoescape=True)
    add_words(environment)
    commune = AgentCommune("98735", "Papeete")
    assert environment.get_template("t").render(z=late, commune=commune) == "24/11/2026, 24/11/2026 à 13:30"
    with pytest.raises(KeyError):
        environment.get_template("t").render(z=late)
    assert plain(weekday_date(date(2026, 11, 1))) == "dimanche 1er novembre 2026"
    assert plain(day_of("2027-04-11")) == "dimanche 11 avril 2027"
    assert kept_until(late, 30) == datetime(2026, 12, 24, 23, 30, tzinfo=UTC)


def _strings(source: str) -> Iterator[str]:
    """The strings of a module, except its docstrings."""
    tree = ast.parse(source)
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            yield node.value


def test_nothing_that_a_page_may_say_holds_a_shell_command() -> None:
    found = {}
    for folder in (
        "producers/web",
        *(f"worker/{it}" for it in ("handlers", "domain", "exports", "registre", "writers")),
    ):
        for path in (ROOT / folder).rglob("*.*"):
            if path.suffix in {".py", ".html"}:
                text = path.read_text("utf-8")
                said = text if path.suffix == ".html" else "\n".join(_strings(text))
                found[path.name] = re.findall(r"python3? -m|docker compose|\$ ", unescape(said))
    assert {name for name, commands in found.items() if commands} == set()


def test_a_clerk_reads_what_to_do_and_no_command() -> None:
    """For every message of the tableau rules; « (page « Doutes ») » is not a command."""
    environment = Environment(loader=DictLoader({"t": "{{ said | typo }}"}), autoescape=False)  # noqa: S701 — no page
    add_words(environment)
    modules = (incomplete, controles, couverture, majorite, importer)
    said = [it for module in modules for it in _strings(inspect.getsource(module)) if " (" in it]
    assert any("imports --taken-on" in it for it in said)
    shown = [environment.get_template("t").render(said=it) for it in said]
    assert [it for it in shown if re.search(r"import-|--[a-z]|\(motifs\)", it)] == []
    assert typo("(page « Doutes »)") in "".join(shown)


def test_a_file_is_called_so_that_neither_its_day_nor_its_hour_breaks() -> None:
    asked = datetime(2026, 11, 25, 3, 55, tzinfo=UTC)
    file = ready_list(1, requested_at=asked)
    assert people_label(file, asked) == "Liste principale — 25\u00a0novembre, 4\u00a0h\u00a055"
    assert "25\u00a0novembre\u00a02026, 4\u00a0h\u00a055" in people_label(file, asked + timedelta(days=90))
    away = ready_list(1, requested_at=asked, code_commune="98735")
    assert people_label(away, asked) == "Liste principale — 24\u00a0novembre, 17\u00a0h\u00a055"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "moins d'une seconde"), (0.2, "moins d'une seconde"), (8, "8 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_durations_are_said_as_one_says_them(seconds: float, text: str) -> None:
    assert plain(duration(timedelta(seconds=seconds))) == text


_CODE = re.compile(r"[a-z]+(_[a-z]+)+")


def test_every_kind_of_anomaly_is_called_in_french() -> None:
    modules = (incomplete, controles, couverture, majorite, make_tableau)
    tableau = {it for module in modules for it in _strings(inspect.getsource(module)) if _CODE.fullmatch(it)}
    assert {"couverture_fin", "doutes_ouverts", "second_tour_inconnu", "deja_inscrit", "bilan_impossible"} <= tableau
    shown = {code_words(code) for code in tableau | {kind.code for kind in KINDS}}
    labels = """
Addition sans inscription, Addition sans scrutin, Bureau absent, Bureau inconnu, Canton absent, Canton incohérent,
Caractères abîmés, Caractères nettoyés, Catégorie incohérente, Circonscription absente, Circonscription incohérente,
Code postal absent, Code postal abîmé, Code postal inconnu, Code postal sans zéro, Commune de naissance absente,
Commune de naissance sans zéro, Date de naissance absente, Date du mouvement absente, Date et motif absents,
Date de tableau inhabituelle, Date illisible,
Date impossible, Date partielle, Date trop ancienne, Dates incertaines, Doutes à trancher, Début de la période inconnu,
Déjà inscrit, Département de naissance absent, Département inconnu, Département obsolète, Département sans zéro,
Export ancien, Exports non comparés, Fin de la période inconnue, Homonyme, Catégorie absente,
Homonymes départagés par supposition, Liste absente, Liste absorbée,
Majorité changée par une correction, Mineurs non exportés, Modification hors liste, Motif absent,
Mouvements en attente, Mouvements et exports en désaccord, Mouvements peut-être incomplets, Naissance incohérente,
Nationalité absente, Nationalité française,
Nationalité hors de l'Union, Nom absent, Nom d'usage identique, Nom d'usage répété,
Nombre d'électeurs impossible, Numéro en double, Numéro général absent, Numéro provisoire,
Majorité entre deux tableaux, Numéro et adresse d'un autre jour,
Pays de naissance absent, Pays de naissance abîmé, Prénoms absents, Radiation hors liste, Registre modifié hors import,
Commune de naissance abîmée, Date trop récente, Nom abîmé, Nom d'usage abîmé, Numéro de voie en date, Prénoms abîmés,
Valeur de tableur, Ville abîmée, Voie abîmée,
Second tour non précisé,
Sexe absent, Séparateur remplacé, Valeur trop longue, Ville absente, Voie absente, Zéros perdus, Électeur en double
"""
    assert shown == set(re.split(r",\s+", labels.strip())), "read, and found to be French"
