"""The changes of a list since its last deposit, and whether the register's mouvements explain them."""

import json

import pytest

from schemas.tableaux import TypeTableau
from schemas.vocabulary import Liste
from tests.integration.depots_desk import today
from tests.web.files_desk import FilesScreen

CM = Liste.COMPLEMENTAIRE_MUNICIPALE


@pytest.mark.slow
def test_before_the_first_deposit_there_is_nothing_to_compare_with(files: FilesScreen) -> None:
    made = files.make()
    assert "Rien à comparer" in files.read("differences", export=made["export_id"])


@pytest.mark.slow
def test_arrivals_and_departures_that_the_mouvements_explain(screen: FilesScreen) -> None:
    screen.desk.run("DELETE FROM mouvement")
    screen.desk.run("DELETE FROM electeur WHERE date_naissance LIKE '2008-%'")  # electors who come of age these days
    deposited = screen.desk.make(days_ago=2)
    screen.desk.deposit(deposited["export_id"])
    screen.desk.add_person()
    screen.desk.add_mouvement("inscription", today())
    page = screen.read("differences", export=screen.make()["export_id"])
    assert f"Comparé à {deposited['label']}" in page
    assert "1 arrivée 0 départ 0 modification" in page
    assert "Les nombres s'accordent" in page


@pytest.mark.slow
def test_arrivals_that_no_mouvement_explains_are_a_warning_that_says_what_to_check(screen: FilesScreen) -> None:
    screen.desk.run("DELETE FROM mouvement")
    screen.desk.deposit(screen.desk.make(days_ago=2)["export_id"])
    for number in range(3):
        screen.desk.add_person(nom=f"INVENTEE{number}")
    screen.desk.add_mouvement("inscription", today(), nom="INVENTEE0")
    page = screen.read("differences", export=screen.make()["export_id"])
    assert "Les nombres ne s'accordent pas." in page
    assert "3 électeurs sont arrivés dans le fichier, pour 1 inscription au registre" in page
    assert "des mouvements manquent" in page
    assert "les radiations :" not in page
    assert "INVENTEE" not in page


@pytest.mark.slow
def test_young_people_who_came_of_age_are_told_apart(files: FilesScreen) -> None:
    made = files.make()["export_id"]
    _set_differences(files, made, arrivees=5, majeurs=2, inscriptions=3, radiations=0, is_coherent=True)
    page = files.read("differences", export=made)
    assert "2 électeurs ont eu 18 ans entre les deux fichiers" in page
    assert "(sans les nouveaux majeurs) et inscriptions33" in page
    assert "Les nombres s'accordent" in page


def test_a_comparison_that_cannot_be_made_says_why(files: FilesScreen) -> None:
    first = files.make()["export_id"]
    files.desk.run("UPDATE export SET purged_at = finished_at WHERE id = :id", id=first)
    files.desk.deposit(first)
    page = files.read("differences", export=files.make()["export_id"])
    assert "pas possible : le fichier déposé a été purgé avant que son empreinte soit prise" in page


def test_tableaux_and_what_was_not_made_have_no_such_page(files: FilesScreen) -> None:
    assert files.get("differences", export=files.make_tableau(TypeTableau.VINGT_JOURS)).status_code == 404
    assert files.get("differences", export=files.desk.ask(CM)).status_code == 404
    assert files.get("differences", export=99).status_code == 404


def _set_differences(files: FilesScreen, export: int, **changes: object) -> None:
    found = {"export_id": 1, "label": "Liste P", "deposited_on": "2026-11-20", "departs": 0, "modifications": 0}
    files.desk.run("UPDATE export SET differences = :it WHERE id = :id", it=json.dumps(found | changes), id=export)
