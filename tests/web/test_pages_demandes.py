"""« Vos demandes » and the page of one request: every state explained, what can be done about it done once."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.requests import CancelRequested, RequestReference, RetryRequested
from tests.parts.town import AGENT, MOUVEMENTS_TEMPLATE
from tests.web.asked_desk import AskedScreen, open_asked, words

pytestmark = [pytest.mark.integration, pytest.mark.database(MOUVEMENTS_TEMPLATE)]

FAIL = (
    "UPDATE export SET status = 'failed', error_code = 'x', error_message = 'Le disque est plein : prévenez.', "
    "finished_at = started_at WHERE id = :id"
)


@pytest.fixture
def screen(database_url: str, tmp_path: Path) -> Iterator[AskedScreen]:
    with open_asked(database_url, tmp_path) as opened:
        yield opened


def fail(screen: AskedScreen, *numbers: int) -> None:
    """Let these files have failed."""
    for number in numbers:
        screen.desk.ring(number)
        screen.desk.run(FAIL, id=number)


def current(screen: AskedScreen) -> str:
    """What « Vos demandes » says."""
    return screen.read("/listes").partition("Vos demandes")[2].partition("Derniers exports")[0]


def test_nothing_asked_is_said_calmly(screen: AskedScreen) -> None:
    assert "Rien n'est en cours." in current(screen)


@pytest.mark.slow
def test_what_is_done_is_among_the_last_files_and_nowhere_else(screen: AskedScreen) -> None:
    screen.make("CM")
    for page in (screen.read("/listes"), screen.get("/suivi").text):
        under_way, _, made = page.partition("Vos demandes")[2].partition("Derniers exports")
        assert "Liste électorale, 1 fichier" not in under_way
        assert "Liste complémentaire municipale — " in made


@pytest.mark.slow
def test_a_failure_that_she_has_read_is_hidden(screen: AskedScreen) -> None:
    made, failed = screen.ask("P", "CM")
    fail(screen, failed)
    screen.desk.ring(made)
    assert "1 autre fichier de la demande est prêt" in current(screen)
    (request,) = screen.requests()
    answer = screen.post(f"/demandes/{request}/masquer", {})
    assert answer.headers["location"] == "/communes/13900/listes#demandes"
    assert "Rien n'est en cours." in current(screen)
    assert "en échec" not in screen.get("/suivi").text
    assert "en échec" in screen.read(f"/demandes/{request}"), "its own page keeps it"
    assert screen.sent == []


def test_what_is_under_way_cannot_be_hidden(screen: AskedScreen) -> None:
    screen.ask("P")
    assert "Masquer" not in current(screen)
    screen.post(f"/demandes/{screen.requests()[0]}/masquer", {})
    assert "en attente" in current(screen)


def test_how_many_files_pass_before_is_said(screen: AskedScreen) -> None:
    screen.ask("P", "CE")
    assert "Elle est la prochaine" in current(screen)
    screen.ask("CM")
    assert "2 fichiers d'autres demandes passent avant elle." in current(screen)


def test_a_part_of_a_batch_knows_that_it_passes_after(screen: AskedScreen) -> None:
    screen.ask("P")
    screen.desk.run("UPDATE export SET is_bulk = true")
    assert "Elle fait partie d'un lot" in current(screen)


@pytest.mark.slow
def test_waiting_files_are_cancelled_once(screen: AskedScreen) -> None:
    screen.ask("P", "CE")
    (request,) = screen.requests()
    screen.press(f"/demandes/{request}/annuler", on="/listes", times=2)
    first, second = screen.sent
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
def test_what_is_made_can_no_longer_be_cancelled(screen: AskedScreen) -> None:
    screen.make("P")
    assert "Annuler" not in current(screen)


@pytest.mark.slow
def test_a_failure_gives_its_reason_until_it_is_asked_again(screen: AskedScreen) -> None:
    made, failed = screen.ask("P", "CM")
    fail(screen, failed)
    screen.desk.ring(made)
    said = current(screen)
    assert "Liste électorale, 2 fichiers en échec" in said
    assert "Le disque est plein : prévenez." in said
    assert "pour 1 fichier." in said
    (request,) = screen.requests()
    screen.press(f"/demandes/{request}/recommencer", on="/listes", times=2)
    (event, other) = screen.sent
    assert event.id == other.id
    asked = RetryRequested.model_validate(event.data)
    assert (asked.exports, asked.requested_by) == (None, AGENT)
    screen.work()
    assert len(screen.numbers()) == 3
    assert "en échec" not in current(screen)
    assert "Liste électorale, 1 fichier en attente" in current(screen)


@pytest.mark.slow
def test_a_failure_stays_a_week_in_sight(screen: AskedScreen) -> None:
    fail(screen, *screen.ask("P"))
    screen.set_clock(datetime.now(UTC) + timedelta(days=6))
    assert "en échec" in current(screen)
    screen.set_clock(datetime.now(UTC) + timedelta(days=8))
    assert "en échec" not in current(screen)


@pytest.mark.slow
def test_a_second_failure_can_be_asked_again_too(screen: AskedScreen) -> None:
    fail(screen, *screen.ask("P"))
    for _ in range(2):
        screen.press(f"/demandes/{screen.requests()[-1]}/recommencer", on="/listes")
        screen.work()
        fail(screen, screen.numbers()[-1])
    assert len(screen.numbers()) == 3
    assert current(screen).count("en échec") == 2  # one card: its title, its file


def test_a_request_that_was_made_says_what_is_to_be_corrected(screen: AskedScreen) -> None:
    screen.make("P")
    said = screen.read(f"/demandes/{screen.requests()[0]}")
    assert re.search(r"Liste électorale, 1 fichier à corriger", said)
    assert re.search(r"\d+ anomalies bloquantes – à corriger avant le dépôt", said)
    assert "prête" not in said


@pytest.mark.slow
def test_a_request_that_was_made_without_anomaly_is_ready(screen: AskedScreen) -> None:
    (number,) = screen.make("P")
    screen.desk.run("UPDATE export SET bloquantes = 0, a_completer = 0, anomalies = '[]' WHERE id = :id", id=number)
    assert "Liste électorale, 1 fichier prête" in screen.read(f"/demandes/{screen.requests()[0]}")
    assert re.search(r"Prêt : Liste P du [\d/]+ [\d:]+ \[csv\]\.", screen.read("/listes"))


@pytest.mark.slow
def test_the_page_of_a_request_shows_its_files(screen: AskedScreen) -> None:
    screen.make("P", "CE")
    (request,) = screen.requests()
    said = screen.read(f"/demandes/{request}")
    assert "Liste P du" in said
    assert "Liste CE du" in said
    assert "hx-trigger" not in screen.get(f"/demandes/{request}").text


@pytest.mark.slow
def test_the_page_of_a_request_follows_it(screen: AskedScreen) -> None:
    screen.ask("P")
    assert 'hx-trigger="every 2s"' in screen.get(f"/demandes/{screen.requests()[0]}").text


@pytest.mark.slow
def test_a_mail_leads_to_the_request_without_naming_the_commune(screen: AskedScreen) -> None:
    screen.ask("P")
    (request,) = screen.requests()
    answer = screen.client.get(f"/demandes/{request}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/communes/13900/demandes/{request}")


@pytest.mark.parametrize("number", ["999", "0", "x", str(2**53 - 1), str(2**53), str(2**70), "9" * 5000])
def test_a_request_that_is_none_is_not_found(screen: AskedScreen, number: str) -> None:
    assert screen.client.get(f"/demandes/{number}", follow_redirects=False).status_code == 404
    assert screen.get(f"/demandes/{number}").status_code == 404


@pytest.mark.slow
def test_a_request_of_another_commune_is_not_found(screen: AskedScreen) -> None:
    screen.ask("P")
    (request,) = screen.requests()
    screen.desk.run("UPDATE request SET code_commune = '13055'")
    for path in (f"/demandes/{request}", f"/communes/13900/demandes/{request}"):
        assert screen.client.get(path, follow_redirects=False).status_code == 404
    for name in ("annuler", "recommencer"):
        assert screen.post(f"/demandes/{request}/{name}", {}).status_code == 404
    assert screen.sent == []


def test_a_file_of_another_request_is_not_asked_again(screen: AskedScreen) -> None:
    (other,) = screen.make("P")
    screen.make("CE")
    answer = screen.post(f"/demandes/{screen.requests()[-1]}/recommencer", {"export": str(other)})
    assert answer.status_code == 404
    assert screen.sent == []


@pytest.mark.slow
def test_one_file_is_made_again_from_its_own_page(screen: AskedScreen) -> None:
    (number,) = screen.make("P")
    (request,) = screen.requests()
    screen.press(f"/demandes/{request}/recommencer", on=f"/exports/{number}")
    (event,) = screen.sent
    asked = RetryRequested.model_validate(event.data)
    assert asked.exports == [number]
    assert isinstance(asked.request, RequestReference)
    assert re.search(r"Nouvel essai : Liste P du .* \[csv\] envoyée", current(screen))
    screen.work()
    assert len(screen.numbers()) == 2


@pytest.mark.slow
def test_without_a_broker_the_request_is_shown_with_what_to_do(screen: AskedScreen) -> None:
    screen.ask("P")
    (request,) = screen.requests()
    screen.is_broker_away = True
    page = screen.post(f"/demandes/{request}/annuler", {})
    assert page.status_code == 503
    assert "Votre demande n'est pas partie." in words(page)
    assert "en attente" in words(page)
    assert "Annuler" in words(page)


def test_the_board_alone_is_a_part_of_the_page(screen: AskedScreen) -> None:
    screen.ask("P")
    part = screen.get("/suivi").text
    assert "<html" not in part
    assert "Vos demandes" in part
    assert part.strip() in screen.get("/listes").text
