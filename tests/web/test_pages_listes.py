"""The first tab, on both databases, and « Vos demandes »: every state is explained, every action works once."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from common.calendrier import jour_a_paris, last_birth, now
from producers.publisher import Publisher
from schemas.requests import CancelRequested, ListeExportRequested, RequestReference, RetryRequested
from schemas.vocabulary import Format, Liste
from tests.integration.requests_queue import RequestsQueue
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import AGENT
from tests.parts.wait import wait_until
from tests.unit.asked_files import plain
from tests.web.files_desk import FilesScreen, once_of, spaced_words

ALL = {"listes": ["P", "CE", "CM"], "format": "csv"}


def test_the_three_lists_are_named_in_full_and_checked(screen: FilesScreen) -> None:
    page = screen.get("/listes")
    for liste in Liste:
        assert liste.label in page.text
        assert re.search(rf'name="listes" id="liste-{liste}" value="{liste}" checked', page.text)
    assert re.search(r'value="csv" checked', page.text)
    assert not re.search(r'value="xml" checked', page.text)


def test_a_list_to_be_made_again_is_checked_alone(screen: FilesScreen) -> None:
    again = re.findall(
        r'id="liste-(\w+)" value="\w+" checked', screen.get("/listes?listes=CE").text
    )
    nobodys = re.findall(
        r'id="liste-(\w+)" value="\w+" checked', screen.get("/listes?listes=x").text
    )
    assert (again, nobodys) == (["CE"], list(Liste))


@pytest.mark.slow
def test_the_register_is_said_with_its_import(screen: FilesScreen) -> None:
    said = screen.read_at("/listes")
    assert re.search(r"Liste principale \(générale\) \d+ électeurs.*, export du 25/11/2026", said)
    screen.desk.run("UPDATE import SET is_dated = false")
    assert re.search(
        r"\d+ électeurs.*, d'après un export dont personne n'a dit le jour",
        screen.read_at("/listes"),
    )


def test_who_is_no_elector_yet_is_said_beside_the_count(screen: FilesScreen) -> None:
    """By the rules of the list file: registered in advance, with a readable date, and 16 at least."""
    clear = "UPDATE electeur SET facts = 0, date_naissance = '1962-03-14' WHERE liste = 'P'"
    screen.desk.run(clear)
    assert "mineur" not in screen.read_at("/listes")
    today = jour_a_paris(now())
    to_come, oldest_day = f"{today.year + 1}-01-01", f"{today.year - 18}-00-00"
    child = last_birth(today - timedelta(days=1), 15)
    for place, born in enumerate(
        (f"{today.year - 17}-01-01", oldest_day, to_come, child, "2020", last_birth(today))
    ):
        screen.desk.run(
            "UPDATE electeur SET facts = 2, date_naissance = :born WHERE id = (SELECT e.id FROM electeur e "
            "NATURAL JOIN liste WHERE e.liste = 'P' ORDER BY e.id LIMIT 1 OFFSET :place)",
            born=born,
            place=place,
        )
    said = screen.read_at("/listes")
    assert re.search(r"\d+ électeurs ?, dont 1 mineur qui n'y figure pas encore", said)


def test_a_commune_without_register_learns_what_to_do(screen: FilesScreen) -> None:
    screen.desk.run("DELETE FROM liste WHERE code_commune = '13900'")
    said = screen.read_at("/listes")
    assert "Aucun registre n'est importé pour LIBREVILLE." in said
    assert "Déposez l'export du répertoire électoral unique" in said
    assert "Génération du fichier" in said


@pytest.mark.slow
def test_the_button_asks_in_the_agents_name_and_shows_the_request(screen: FilesScreen) -> None:
    answer = screen.post("/listes", ALL | {"format": "xml"})
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/communes/13900/listes#demandes",
    )
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
    once = once_of(screen.get("/listes"))
    for _ in range(2):
        assert screen.post("/listes", ALL | {"formulaire": once}).status_code == 303
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
    page = screen.post("/listes", form)
    assert page.status_code == 422
    assert f'<p class="error-text" id="{field}-faute">{fault}</p>' in page.text
    assert (
        f'<fieldset class="choices" id="{field}" tabindex="-1" aria-describedby="{field}-faute">'
        in page.text
    )
    assert f'<a href="#{field}">' in page.text
    assert 'role="alert"' in page.text
    assert screen.broker.events == []


def test_a_list_that_the_clerk_has_already_is_offered_and_not_made_again_unasked(
    screen: FilesScreen,
) -> None:
    (number,) = screen.ask_and_make("CM")
    form = {"listes": ["CM"], "format": "csv"}
    page = screen.post("/listes", form)
    assert page.status_code == 422
    assert "Vous l'avez déjà : liste complémentaire municipale, demandée le" in spaced_words(page)
    assert f'<li><a href="{screen.path("export", export=number)}">' in page.text
    assert 'name="encore" value="oui">Refaire quand même</button>' in page.text
    assert re.search(r'id="liste-CM" value="CM" checked', page.text)
    assert screen.broker.events == []
    assert screen.post("/listes", form | {"encore": "oui"}).status_code == 303
    for other in ({"listes": ["CE"], "format": "csv"}, {"listes": ["CM"], "format": "xml"}):
        assert screen.post("/listes", other).status_code == 303, "another file"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE import SET finished_at = '2099-01-01 00:00:00+00:00'",
        "UPDATE export SET bloquantes = 1",
        "UPDATE export SET fault = 'missing'",
        "UPDATE export SET profile = NULL",
    ],
)
def test_a_list_of_another_register_or_that_is_not_usable_is_made_again_at_once(
    files: FilesScreen, change: str
) -> None:
    files.ask_and_make("CM")
    form = {"listes": ["CM"], "format": "csv"}
    assert files.post("/listes", form).status_code == 422
    files.desk.run(change)
    assert files.post("/listes", form).status_code == 303


def test_without_a_broker_nothing_is_lost(screen: FilesScreen) -> None:
    screen.broker.is_away = True
    page = screen.post("/listes", {"listes": ["CE"], "format": "xml"})
    assert page.status_code == 503
    said = spaced_words(page)
    assert "Votre demande n'est pas partie." in said
    assert "elle ne comptera qu'une fois" in said
    assert re.search(r'id="liste-CE" value="CE" checked', page.text)
    assert not re.search(r'id="liste-P" value="P" checked', page.text)
    assert "envoyée" not in screen.read_at("/listes")
    screen.broker.is_away = False
    form = {"listes": ["CE"], "format": "xml", "formulaire": once_of(page)}
    assert screen.post("/listes", form).status_code == 303
    assert len(screen.broker.events) == 1


@pytest.mark.slow
def test_a_broker_at_the_limit_of_its_disk_keeps_no_clerk_from_asking(
    screen: FilesScreen, rabbit_node: RabbitNode, amqp_url: str
) -> None:
    with (
        RequestsQueue(amqp_url) as queue,
        Publisher(amqp_url, attempts=1, patience=1) as screen.broker.real,
    ):
        rabbit_node.rabbitmqctl("set_disk_free_limit", "1000000000000000")
        try:
            assert screen.post("/listes", {"listes": ["CE"], "format": "xml"}).status_code == 303
            assert "votre demande est gardée, elle partira d'elle-même" in screen.read_at("/listes")
            assert queue.poll() is None
        finally:
            rabbit_node.rabbitmqctl("set_disk_free_limit", "50MB")
        assert ListeExportRequested.model_validate(queue.take_event().data).listes == ["CE"]
        wait_until(
            lambda: "est gardée" not in screen.read_at("/listes"), message="that it has left"
        )
        assert "envoyée" in screen.read_at("/listes")


@pytest.mark.slow
def test_a_full_queue_keeps_no_clerk_from_asking(screen: FilesScreen, amqp_url: str) -> None:
    with RequestsQueue(amqp_url, max_length=1) as queue, Publisher(amqp_url) as screen.broker.real:
        assert screen.post("/listes", {"listes": ["P"], "format": "csv"}).status_code == 303
        assert screen.post("/listes", {"listes": ["CE"], "format": "xml"}).status_code == 303
        assert (
            screen.read_at("/listes").count("votre demande est gardée, elle partira d'elle-même")
            == 1
        )
        assert ListeExportRequested.model_validate(queue.take_event().data).listes == ["P"]
        assert ListeExportRequested.model_validate(queue.take_event().data).listes == ["CE"]
        wait_until(
            lambda: "est gardée" not in screen.read_at("/listes"), message="that it has left"
        )


def test_a_request_that_nobody_reads_is_explained(screen: FilesScreen) -> None:
    screen.post("/listes", ALL)
    screen.set_clock(datetime.now(UTC) + timedelta(minutes=2))
    assert "Aucun service ne l'a encore lue" in screen.read_at("/listes")
    screen.set_clock(datetime.now(UTC) + timedelta(hours=13))
    assert "envoyée" not in screen.read_at("/listes")


def test_a_refusal_gives_its_reason_until_it_is_asked_well(screen: FilesScreen) -> None:
    screen.desk.run("DELETE FROM liste WHERE code_commune = '13900'")
    screen.post("/listes", ALL)
    screen.work()
    said = screen.read_at("/listes")
    assert "Fichiers de la liste électorale refusée" in said
    assert re.search(r"[Aa]ucun registre importé pour 13900", said.partition("Vos demandes")[2])
    assert "envoyée" not in said


FAIL = (
    "UPDATE export SET status = 'failed', error_code = 'x', error_message = 'Le disque est plein : prévenez.', "
    "finished_at = started_at WHERE id = :id"
)


def fail(screen: FilesScreen, *numbers: int) -> None:
    """Set these files failed."""
    for number in numbers:
        screen.desk.process(number)
        screen.desk.run(FAIL, id=number)


def current(screen: FilesScreen) -> str:
    """The text of « Vos demandes »."""
    return screen.read_at("/listes").partition("Vos demandes")[2].partition("Derniers exports")[0]


def test_a_page_is_updated_more_often_while_something_is_under_way(screen: FilesScreen) -> None:
    def interval() -> str:
        return screen.get("/suivi").text.partition('hx-trigger="every ')[2].partition('"')[0]

    assert interval() == "15s"
    screen.post("/listes", {"listes": ["CE"], "format": "csv"})
    assert interval() == "3s", "no worker has read it yet"
    screen.work()
    assert interval() == "3s", "a file is queued"
    screen.desk.process(screen.numbers()[-1])
    assert interval() == "15s"


@pytest.mark.slow
def test_a_failure_that_she_has_read_is_hidden(screen: FilesScreen) -> None:
    made, failed = screen.ask("P", "CM")
    fail(screen, failed)
    screen.desk.process(made)
    assert "1 autre fichier de la demande est prêt" in current(screen)
    (request,) = screen.requests()
    answer = screen.post(f"/demandes/{request}/masquer", {})
    assert answer.headers["location"] == "/communes/13900/listes#demandes"
    assert "Rien n'est en cours." in current(screen)
    assert "en échec" not in screen.get("/suivi").text
    assert "en échec" in screen.read_at(f"/demandes/{request}"), "its own page keeps it"
    assert screen.broker.events == []


@pytest.mark.slow
def test_waiting_files_are_cancelled_once(screen: FilesScreen) -> None:
    screen.ask("P", "CE")
    (request,) = screen.requests()
    assert 'hx-trigger="every 2s"' in screen.get(f"/demandes/{request}").text, (
        "its own page follows it"
    )
    screen.press(f"/demandes/{request}/annuler", on="/listes", times=2)
    first, second = screen.broker.events
    assert first.id == second.id
    data = CancelRequested.model_validate(first.data)
    assert data.requested_by == AGENT
    assert data.request.source == "/screen"
    assert "Annulation : 2 fichiers envoyée" in current(screen)
    screen.work()
    assert "Liste électorale, 2 fichiers annulée" in current(screen)
    assert "Recommencer" in current(screen)
    assert "Annuler" not in current(screen)
    screen.set_clock(datetime.now(UTC) + timedelta(minutes=16))
    assert "Rien n'est en cours." in current(screen)


@pytest.mark.slow
def test_a_failure_gives_its_reason_until_it_is_asked_again(screen: FilesScreen) -> None:
    made, failed = screen.ask("P", "CM")
    fail(screen, failed)
    screen.desk.process(made)
    said = current(screen)
    assert "Liste électorale, 2 fichiers en échec" in said
    assert "Le disque est plein : prévenez." in said
    assert "pour 1 fichier." in said
    (request,) = screen.requests()
    screen.press(f"/demandes/{request}/recommencer", on="/listes", times=2)
    (event, other) = screen.broker.events
    assert event.id == other.id
    asked = RetryRequested.model_validate(event.data)
    assert (asked.exports, asked.requested_by) == ([failed], AGENT)
    screen.work()
    assert len(screen.numbers()) == 3
    assert "en échec" not in current(screen)
    assert "Liste électorale, 1 fichier en attente" in current(screen)


@pytest.mark.slow
def test_a_request_that_was_made_without_anomaly_is_ready(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    screen.desk.run(
        "UPDATE export SET bloquantes = 0, a_completer = 0, anomalies = '[]' WHERE id = :id",
        id=number,
    )
    assert "Liste électorale, 1 fichier prête" in screen.read_at(
        f"/demandes/{screen.requests()[0]}"
    )
    said = r"Prêt : Liste P du [\d/]+ [\d:]+ \[csv\]\."
    assert not re.search(said, plain(screen.get("/suivi").text)), (
        "a page that was just opened announces nothing"
    )
    polled = screen.client.get("/communes/13900/suivi", headers={"hx-request": "true"})
    assert re.search(said, plain(polled.text))


@pytest.mark.parametrize(
    "number", ["999", "0", "x", str(2**53 - 1), str(2**53), str(2**70), "9" * 5000]
)
def test_a_request_that_is_none_is_not_found(screen: FilesScreen, number: str) -> None:
    assert screen.client.get(f"/demandes/{number}", follow_redirects=False).status_code == 404
    assert screen.get(f"/demandes/{number}").status_code == 404


def test_a_file_of_another_request_is_not_asked_again(screen: FilesScreen) -> None:
    (other,) = screen.ask_and_make("P")
    screen.ask_and_make("CE")
    answer = screen.post(f"/demandes/{screen.requests()[-1]}/recommencer", {"export": str(other)})
    assert answer.status_code == 404
    assert screen.broker.events == []


@pytest.mark.slow
def test_one_file_is_made_again_from_its_own_page(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    (request,) = screen.requests()
    screen.press(f"/demandes/{request}/recommencer", on=f"/exports/{number}")
    (event,) = screen.broker.events
    asked = RetryRequested.model_validate(event.data)
    assert asked.exports == [number]
    assert isinstance(asked.request, RequestReference)
    assert re.search(r"Nouvel essai : Liste P du .* \[csv\] envoyée", current(screen))
    screen.work()
    assert len(screen.numbers()) == 2
