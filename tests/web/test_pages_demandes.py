"""« Vos demandes » and the page of one request: every state is explained, every action works once."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from schemas.requests import CancelRequested, RequestReference, RetryRequested
from tests.parts.town import AGENT
from tests.web.files_desk import FilesScreen

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
        return screen.at("/suivi").text.partition('hx-trigger="every ')[2].partition('"')[0]

    assert interval() == "15s"
    screen.send("/listes", {"listes": ["CE"], "format": "csv"})
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
    answer = screen.send(f"/demandes/{request}/masquer", {})
    assert answer.headers["location"] == "/communes/13900/listes#demandes"
    assert "Rien n'est en cours." in current(screen)
    assert "en échec" not in screen.at("/suivi").text
    assert "en échec" in screen.read_at(f"/demandes/{request}"), "its own page keeps it"
    assert screen.broker.events == []


@pytest.mark.slow
def test_waiting_files_are_cancelled_once(screen: FilesScreen) -> None:
    screen.ask("P", "CE")
    (request,) = screen.requests()
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
    assert (asked.exports, asked.requested_by) == (None, AGENT)
    screen.work()
    assert len(screen.numbers()) == 3
    assert "en échec" not in current(screen)
    assert "Liste électorale, 1 fichier en attente" in current(screen)


def test_a_request_that_was_made_says_what_is_to_be_corrected(screen: FilesScreen) -> None:
    screen.ask_and_make("P")
    said = screen.read_at(f"/demandes/{screen.requests()[0]}")
    assert re.search(r"Liste électorale, 1 fichier à corriger", said)
    assert re.search(r"\d+ anomalies bloquantes – à corriger avant le dépôt", said)
    assert "prête" not in said


@pytest.mark.slow
def test_a_request_that_was_made_without_anomaly_is_ready(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    screen.desk.run("UPDATE export SET bloquantes = 0, a_completer = 0, anomalies = '[]' WHERE id = :id", id=number)
    assert "Liste électorale, 1 fichier prête" in screen.read_at(f"/demandes/{screen.requests()[0]}")
    assert re.search(r"Prêt : Liste P du [\d/]+ [\d:]+ \[csv\]\.", screen.read_at("/listes"))


@pytest.mark.slow
def test_the_page_of_a_request_follows_it(screen: FilesScreen) -> None:
    screen.ask("P")
    assert 'hx-trigger="every 2s"' in screen.at(f"/demandes/{screen.requests()[0]}").text


@pytest.mark.slow
def test_a_mail_leads_to_the_request_without_naming_the_commune(screen: FilesScreen) -> None:
    screen.ask("P")
    (request,) = screen.requests()
    answer = screen.client.get(f"/demandes/{request}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/communes/13900/demandes/{request}")


@pytest.mark.parametrize("number", ["999", "0", "x", str(2**53 - 1), str(2**53), str(2**70), "9" * 5000])
def test_a_request_that_is_none_is_not_found(screen: FilesScreen, number: str) -> None:
    assert screen.client.get(f"/demandes/{number}", follow_redirects=False).status_code == 404
    assert screen.at(f"/demandes/{number}").status_code == 404


def test_a_file_of_another_request_is_not_asked_again(screen: FilesScreen) -> None:
    (other,) = screen.ask_and_make("P")
    screen.ask_and_make("CE")
    answer = screen.send(f"/demandes/{screen.requests()[-1]}/recommencer", {"export": str(other)})
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
