"""The reference data of communes, and the script that makes them."""

import pytest

from worker.registre import reference
from worker.registre.reference import departement_of, iter_communes, iter_departements, name_departement


@pytest.fixture(scope="module")
def communes() -> dict[str, reference.CommuneOfficielle]:
    return {commune.code: commune for commune in iter_communes()}


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
    communes: dict[str, reference.CommuneOfficielle], code: str, nom: str, departement: str
) -> None:
    assert communes[code] == (code, nom, departement)


def test_all_of_france_is_there(communes: dict[str, reference.CommuneOfficielle]) -> None:
    departements = [departement.code for departement in iter_departements()]
    assert len(communes) == 35_014
    assert {commune.departement for commune in communes.values()} == set(departements)
    assert departements == sorted(departements)
    assert list(communes) == sorted(communes)
    assert all(departement_of(commune.code) == commune.departement for commune in communes.values())


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
