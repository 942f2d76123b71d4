"""The law as data: docs/loi.md describes each cited article; the reference data of communes."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from common.law import LAW_OF_MEETING, LAW_OF_PROTECTION, REPERTOIRE_UNIQUE_DEPUIS, law_of
from common.regimes import read_regimes
from schemas.tableaux import LAST_REPEALED_DAY, TypeTableau
from worker.registre.reference import (
    departement_of,
    iter_communes,
    name_departement,
    read_departements,
)

ROOT = Path(__file__).parents[2]
POLL = date(2027, 4, 11)
_NUMBER = re.compile(r"\b(?:LO|L|R)\. ?\d+(?:-\d+)?")
_ROW = re.compile(r"^\| ((?:L|R)\. [\d-]+) \| (avant|depuis) 2019 \| ([^|]*) \|", re.MULTILINE)


def _described() -> dict[tuple[str, bool], str]:
    rows = _ROW.findall((ROOT / "docs" / "loi.md").read_text("utf-8"))
    return {(number, when == "avant"): tableaux for number, when, tableaux in rows}


def test_the_law_knows_every_tableau_of_the_contract() -> None:
    assert {it.code for it in read_regimes().papers} == set(TypeTableau)
    assert {type_ for type_ in TypeTableau if type_.is_repealed} == {
        type_ for type_ in TypeTableau if "(avant 2019)" in law_of(type_, POLL)
    }
    assert LAST_REPEALED_DAY + timedelta(days=1) == REPERTOIRE_UNIQUE_DEPUIS


def test_the_five_days_rest_on_the_registrations_of_article_l_30_too() -> None:
    assert (
        law_of(TypeTableau.CINQ_JOURS_REU, POLL)
        == "Code électoral, art. L. 20 (II), L. 30, L. 31 et R. 14"
    )
    assert law_of(TypeTableau.ADDITIONS, POLL) == (
        "Code électoral (avant 2019), art. L. 11-2 (alinéa 2), L. 17 (alinéa 4) et R. 10 (alinéa 3)"
    )
    assert (
        law_of(TypeTableau.SECOND_RECTIFICATIF, None) == "Code électoral (avant 2019), art. R. 16"
    )
    assert (LAW_OF_PROTECTION, LAW_OF_MEETING) == (
        "Code électoral, art. L. 37",
        "Code électoral, art. L. 19, III",
    )


def test_every_article_of_a_tableau_is_described() -> None:
    described = _described()
    missing = [
        (type_, article)
        for type_ in TypeTableau
        for article in _NUMBER.findall(law_of(type_, POLL))
        if type_ not in described.get((article, type_.is_repealed), "")
    ]
    assert missing == []


@pytest.fixture(scope="module")
def communes() -> dict[str, list[str]]:
    return {commune[0]: commune for commune in iter_communes()}


@pytest.mark.parametrize(
    ("code", "nom", "departement"),
    [
        ("01001", "L'Abergement-Clémenciat", "01"),
        ("2A004", "Ajaccio", "2A"),
        ("2B033", "Bastia", "2B"),
        ("75056", "Paris", "75"),
        ("75114", "Paris 14e Arrondissement", "75"),
        ("13201", "Marseille 1er Arrondissement", "13"),
        ("69389", "Lyon 9e Arrondissement", "69"),
        ("97411", "Saint-Denis", "974"),
        ("97502", "Saint-Pierre", "975"),
        ("98818", "Nouméa", "988"),
    ],
)
def test_a_commune_has_its_official_name_and_its_departement(
    communes: dict[str, list[str]], code: str, nom: str, departement: str
) -> None:
    assert communes[code] == [code, nom, departement]


def test_all_of_france_is_there(communes: dict[str, list[str]]) -> None:
    departements = [*read_departements()]
    assert len(communes) == 35_014
    assert {departement for _, _, departement in communes.values()} == set(departements)
    assert departements == sorted(departements)
    assert list(communes) == sorted(communes)
    assert all(departement_of(code) == departement for code, _, departement in communes.values())


@pytest.mark.parametrize(
    ("code", "head"),
    [
        ("13", "Département : Bouches-du-Rhône"),
        ("2A", "Département : Corse-du-Sud"),
        ("974", "Département : La Réunion"),
        ("987", "Polynésie française"),
        ("99", ""),
    ],
)
def test_the_head_of_a_paper_names_the_departement(code: str, head: str) -> None:
    assert name_departement(code) == head
