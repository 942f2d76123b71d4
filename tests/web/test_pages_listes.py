"""The first tab, on both databases: one request for any number of clicks, never lost, always explained."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from common.calendrier import jour_a_paris, last_birth, now
from producers.publisher import Publisher
from schemas.requests import ListeExportRequested
from schemas.vocabulary import Format, Liste
from tests.integration.requests_queue import RequestsQueue
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import AGENT
from tests.parts.wait import wait_until
from tests.web.files_desk import FilesScreen, once_of, spaced_words

ALL = {"listes": ["P", "CE", "CM"], "format": "csv"}


def test_the_three_lists_are_named_in_full_and_checked(screen: FilesScreen) -> None:
    page = screen.at("/listes")
    for liste in Liste:
        assert liste.label in page.text
        assert re.search(rf'name="listes" id="liste-{liste}" value="{liste}" checked', page.text)
    assert re.search(r'value="csv" checked', page.text)
    assert not re.search(r'value="xml" checked', page.text)


def test_a_list_to_be_made_again_is_checked_alone(screen: FilesScreen) -> None:
    again = re.findall(r'id="liste-(\w+)" value="\w+" checked', screen.at("/listes?listes=CE").text)
    nobodys = re.findall(r'id="liste-(\w+)" value="\w+" checked', screen.at("/listes?listes=x").text)
    assert (again, nobodys) == (["CE"], list(Liste))


@pytest.mark.slow
def test_the_register_is_said_with_its_import(screen: FilesScreen) -> None:
    said = screen.read_at("/listes")
    imported = r"importé le \d\d/\d\d/\d{4} à \d\d:\d\d par"
    assert re.search(rf"Liste principale \(générale\) \d+ électeurs.* d'après l'export du 25/11/2026, {imported}", said)
    screen.desk.run("UPDATE import SET is_dated = false")
    assert re.search(
        rf"\d+ électeurs.* d'après un export dont personne n'a dit le jour, {imported}", screen.read_at("/listes")
    )


def test_who_is_no_elector_yet_is_said_beside_the_count(screen: FilesScreen) -> None:
    """By the rules of the list file: registered in advance, with a readable date, and 16 at least."""
    clear = "UPDATE electeur SET facts = 0, date_naissance = '1962-03-14' WHERE liste = 'P'"
    screen.desk.run(clear)
    assert "mineur" not in screen.read_at("/listes")
    today = jour_a_paris(now())
    to_come, oldest_day = f"{today.year + 1}-01-01", f"{today.year - 18}-00-00"
    child = last_birth(today - timedelta(days=1), 15)
    for place, born in enumerate((f"{today.year - 17}-01-01", oldest_day, to_come, child, "2020", last_birth(today))):
        screen.desk.run(
            "UPDATE electeur SET facts = 2, date_naissance = :born WHERE id = (SELECT e.id FROM electeur e "
            "NATURAL JOIN liste WHERE e.liste = 'P' ORDER BY e.id LIMIT 1 OFFSET :place)",
            born=born,
            place=place,
        )
    said = screen.read_at("/listes")
    assert re.search(r"\d+ électeurs ?, dont 1 mineur qui ne figure pas encore dans son fichier", said)


def test_a_commune_without_register_learns_what_to_do(screen: FilesScreen) -> None:
    screen.desk.run("DELETE FROM liste WHERE code_commune = '13900'")
    said = screen.read_at("/listes")
    assert "Aucun registre n'est importé pour LIBREVILLE." in said
    assert "Déposez l'export du répertoire électoral unique" in said
    assert "Génération du fichier" in said


@pytest.mark.slow
def test_the_button_asks_in_the_agents_name_and_shows_the_request(screen: FilesScreen) -> None:
    answer = screen.send("/listes", ALL | {"format": "xml"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/communes/13900/listes#demandes")
    (event,) = screen.broker.events
    assert event.source == "/screen"
    assert ListeExportRequested.model_validate(event.data) == ListeExportRequested(
        commune="13900", formats=[Format.XML], requested_by=AGENT
    )
    assert "Listes P, CE, CM [xml] envoyée" in screen.read_at("/listes")
    screen.work()
    said = screen.read_at("/listes")
    assert "envoyée" not in said
    assert "Liste électorale, 3 fichiers en attente" in said
    assert "Un service la prendra" in said


def test_pressed_twice_it_is_asked_once(screen: FilesScreen) -> None:
    once = once_of(screen.at("/listes"))
    for _ in range(2):
        assert screen.send("/listes", ALL | {"formulaire": once}).status_code == 303
    first, second = screen.broker.events
    assert first.id == second.id
    assert screen.read_at("/listes").count("envoyée") == 1
    screen.work()
    assert len(screen.numbers()) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "field", "fault"),
    [
        ({"format": "xml"}, "listes", "Cochez au moins une liste."),
        ({"listes": ["XX"], "format": "xml"}, "listes", "Cochez au moins une liste."),
        ({"listes": ["P"], "format": "pdf"}, "format", "Choisissez CSV ou XML."),
        ({"listes": ["P"]}, "format", "Choisissez CSV ou XML."),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    screen: FilesScreen, form: dict[str, str | list[str]], field: str, fault: str
) -> None:
    page = screen.send("/listes", form)
    assert page.status_code == 422
    assert f'<p class="error-text" id="{field}-faute">{fault}</p>' in page.text
    assert f'<fieldset class="choices" id="{field}" tabindex="-1" aria-describedby="{field}-faute">' in page.text
    assert f'<a href="#{field}">' in page.text
    assert 'role="alert"' in page.text
    assert screen.broker.events == []


def test_without_a_broker_nothing_is_lost(screen: FilesScreen) -> None:
    screen.broker.is_away = True
    page = screen.send("/listes", {"listes": ["CE"], "format": "xml"})
    assert page.status_code == 503
    said = spaced_words(page)
    assert "Votre demande n'est pas partie." in said
    assert "elle ne comptera qu'une fois" in said
    assert re.search(r'id="liste-CE" value="CE" checked', page.text)
    assert not re.search(r'id="liste-P" value="P" checked', page.text)
    assert "envoyée" not in screen.read_at("/listes")
    screen.broker.is_away = False
    form = {"listes": ["CE"], "format": "xml", "formulaire": once_of(page)}
    assert screen.send("/listes", form).status_code == 303
    assert len(screen.broker.events) == 1


@pytest.mark.slow
def test_a_broker_at_the_limit_of_its_disk_keeps_no_clerk_from_asking(
    screen: FilesScreen, rabbit_node: RabbitNode, amqp_url: str
) -> None:
    with RequestsQueue(amqp_url) as queue, Publisher(amqp_url, attempts=1, patience=1) as screen.broker.real:
        rabbit_node.rabbitmqctl("set_disk_free_limit", "1000000000000000")
        try:
            assert screen.send("/listes", {"listes": ["CE"], "format": "xml"}).status_code == 303
            assert "votre demande est gardée, elle partira d'elle-même" in screen.read_at("/listes")
            assert queue.poll() is None
        finally:
            rabbit_node.rabbitmqctl("set_disk_free_limit", "50MB")
        assert ListeExportRequested.model_validate(queue.take_event().data).listes == ["CE"]
        wait_until(lambda: "est gardée" not in screen.read_at("/listes"), message="that it has left")
        assert "envoyée" in screen.read_at("/listes")


@pytest.mark.slow
def test_a_full_queue_keeps_no_clerk_from_asking(screen: FilesScreen, amqp_url: str) -> None:
    with RequestsQueue(amqp_url, max_length=1) as queue, Publisher(amqp_url) as screen.broker.real:
        assert screen.send("/listes", {"listes": ["P"], "format": "csv"}).status_code == 303
        assert screen.send("/listes", {"listes": ["CE"], "format": "xml"}).status_code == 303
        assert screen.read_at("/listes").count("votre demande est gardée, elle partira d'elle-même") == 1
        assert ListeExportRequested.model_validate(queue.take_event().data).listes == ["P"]
        assert ListeExportRequested.model_validate(queue.take_event().data).listes == ["CE"]
        wait_until(lambda: "est gardée" not in screen.read_at("/listes"), message="that it has left")


def test_a_request_that_nobody_reads_is_explained(screen: FilesScreen) -> None:
    screen.send("/listes", ALL)
    screen.set_clock(datetime.now(UTC) + timedelta(minutes=2))
    assert "Aucun service ne l'a encore lue" in screen.read_at("/listes")
    screen.set_clock(datetime.now(UTC) + timedelta(hours=13))
    assert "envoyée" not in screen.read_at("/listes")


def test_a_refusal_gives_its_reason_until_it_is_asked_well(screen: FilesScreen) -> None:
    screen.desk.run("DELETE FROM liste WHERE code_commune = '13900'")
    screen.send("/listes", ALL)
    screen.work()
    said = screen.read_at("/listes")
    assert "Fichiers de la liste électorale refusée" in said
    assert re.search(r"[Aa]ucun registre importé pour 13900", said.partition("Vos demandes")[2])
    assert "envoyée" not in said
