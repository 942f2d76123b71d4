"""The first page of a commune: one list of tasks, each with one true state and one button."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from producers.web.templating import NAVIGATION
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Liste
from tests.integration.depots_desk import today
from tests.web.files_desk import FilesScreen

CM = Liste.COMPLEMENTAIRE_MUNICIPALE
_BUTTON = re.compile(r'<a class="button[^"]*" href="([^"]+)">')


def _to_do(screen: FilesScreen) -> str:
    """The section of the open tasks."""
    return screen.read("taches").partition(" Pas encore ")[0].partition("Ce que le module ne sait pas")[0]


def test_the_first_page_is_the_list_of_what_is_to_be_done(files: FilesScreen) -> None:
    assert files.client.get("/", follow_redirects=False).headers["location"] == files.path("taches")
    files.set_clock(datetime.now(UTC) + timedelta(days=34))
    page = files.read("taches")
    assert re.search(r"Déposer l'export du REU à faire Il date de \d+ jours", page)
    assert "Cette page ne sait pas" not in page, "doubts and motifs are counted"
    assert "1. " not in page, "numbers are drawn by the style sheet"


@pytest.mark.slow
def test_the_road_from_a_list_to_correct_to_an_accepted_one(screen: FilesScreen) -> None:
    for word in ("Principale", "européenne", "municipale"):
        assert re.search(f"Liste [^.]*{word.lower()}[^.]* : aucun fichier n'est fait", _to_do(screen))
    screen.make(CM)
    screen.desk.run("UPDATE export SET bloquantes = 9")
    assert "Corriger la liste complémentaire municipale à faire 9 anomalies bloquantes" in _to_do(screen)
    again = screen.make(CM)["export_id"]
    screen.desk.run("UPDATE export SET bloquantes = 0, a_completer = 0 WHERE id = :id", id=again)
    assert "Prête : liste complémentaire municipale." in _to_do(screen)
    screen.desk.deposit(again)
    page = screen.read("taches")
    assert "Déposer sur e-listelec" not in page
    assert "Noter la réponse de la plateforme pas encore" in page
    screen.desk.answer(again, verdict="rejete")
    assert "Corriger la liste complémentaire municipale à faire La plateforme l'a rejetée" in _to_do(screen)
    screen.desk.answer(again)
    page = screen.read("taches")
    assert "Corriger la liste complémentaire municipale" not in page
    assert "Noter la réponse de la plateforme fait La dernière : accepté." in page


@pytest.mark.slow
def test_a_tableau_is_posted_then_certified(screen: FilesScreen) -> None:
    number = screen.make_tableau(TypeTableau.CINQ_JOURS_REU)
    screen.desk.run("UPDATE export SET bloquantes = 0, a_completer = 0, provisoire_until = NULL")
    assert "Publier le tableau" in screen.read("taches")
    screen.desk.publish(number, published_until=today())
    assert "Certifier la publication pas encore" in screen.read("taches")
    screen.set_clock(datetime.now(UTC) + timedelta(days=2))
    assert "Certifier la publication à faire" in _to_do(screen)
    assert "Retirer le tableau à faire" in _to_do(screen)
    screen.desk.run("UPDATE publication SET withdrawn_on = published_until")
    assert "Retirer le tableau fait" in screen.read("taches")


def test_the_map_leads_to_every_page_and_every_page_to_the_map(files: FilesScreen) -> None:
    files.desk.run("UPDATE agent SET may_protect = :yes", yes=True)
    here = f'href="{files.path("plan")}"'
    page = files.get("plan").text.partition("<main")[2]
    below = ("motifs", "doutes", "bureaux", "proteges", "prevenir")
    for name in (*(name for name, _ in NAVIGATION), *below):
        assert f'href="{files.path(name)}"' in page, name
        assert here in files.get(name).text.partition("<footer")[2], name


def test_every_button_leads_to_a_page(files: FilesScreen) -> None:
    number = files.make()["export_id"]
    files.make_tableau(TypeTableau.VINGT_JOURS)
    page = files.get("taches").text
    addresses = _BUTTON.findall(page)
    assert len(addresses) >= 5
    for address in addresses:
        assert files.client.get(address.replace("&amp;", "&")).status_code == 200, address
    assert files.path("anomalies", export=number) in addresses
