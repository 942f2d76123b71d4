"""Downloads: the recorded bytes or none, and a declaration of each, however long the broker is away."""

import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from producers.publisher import Publisher
from producers.web.app import create_app
from producers.web.settings import WebSettings
from schemas.declarations import DeclarationNoted
from schemas.vocabulary import Piece
from tests.integration.requests_queue import RequestsQueue
from tests.parts.notes import note_file
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import AGENT, MOUVEMENTS_TEMPLATE
from tests.parts.wait import wait_until
from tests.web.files_desk import FilesScreen, open_screen, spaced_words


def path_of(screen: FilesScreen, number: int, column: str = "file_name") -> Path:
    return screen.desk.root / "13900" / str(screen.desk.row(number)[column])


def declared(screen: FilesScreen) -> list[DeclarationNoted]:
    """The published declarations of downloads, once the spool is empty."""
    wait_until(lambda: not screen.app.state.services.spool.waiting(), message="an empty spool")
    ended = DeclarationNoted.EVENT_TYPE
    return [DeclarationNoted.model_validate(event.data) for event in screen.broker.events if event.type == ended]


@pytest.mark.slow
@pytest.mark.parametrize(("format_", "media_type"), [("csv", "text/csv; charset=utf-8"), ("xml", "application/xml")])
def test_the_bytes_and_the_name_are_those_of_the_record(screen: FilesScreen, format_: str, media_type: str) -> None:
    (number,) = screen.ask_and_make("P", format_=format_)
    row = screen.desk.row(number)
    answer = screen.at(f"/exports/{number}/fichier")
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == row["sha256"]
    assert answer.headers["content-disposition"] == f'attachment; filename="{row["file_name"]}"'
    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-length"] == str(row["size"])
    assert answer.headers["etag"] == f'"{row["sha256"]}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.slow
def test_the_download_is_told_once_the_bytes_have_left(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    screen.at(f"/exports/{number}/fichier")
    assert declared(screen) == [note_file("downloaded", number)]
    screen.work()
    row = screen.desk.row(number)
    assert row["downloaded_by"] == AGENT
    assert "téléchargé le" in screen.read_at("/listes")


@pytest.mark.slow
def test_the_report_is_a_piece_of_its_own(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    answer = screen.at(f"/exports/{number}/pieces/rapport")
    assert answer.content == path_of(screen, number, "report_name").read_bytes()
    assert "-csv-anomalies.csv" in answer.headers["content-disposition"]
    assert declared(screen) == [note_file("downloaded", number, piece=Piece.RAPPORT)]


def test_asking_for_the_headers_is_no_download(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    answer = screen.client.head(f"/communes/13900/exports/{number}/fichier")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(screen.desk.row(number)["size"])
    assert declared(screen) == []


def test_a_file_that_waits_is_not_there_yet(screen: FilesScreen) -> None:
    (number,) = screen.ask("P")
    answer = screen.at(f"/exports/{number}/fichier")
    assert answer.status_code == 409
    assert "Il est en attente : revenez dans un instant." in spaced_words(answer).replace("\u202f", " ")
    assert screen.at(f"/exports/{number}/pieces/rapport").status_code == 409


def test_a_purged_file_is_gone_even_while_its_bytes_are_there(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    screen.desk.run("UPDATE export SET purged_at = finished_at")
    answer = screen.at(f"/exports/{number}/fichier")
    assert answer.status_code == 410
    assert "Ce fichier a été effacé" in spaced_words(answer)
    assert declared(screen) == []


def _alter(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"X\n")


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [_alter, _link])
def test_what_is_not_the_file_of_the_record_is_not_handed_out(
    screen: FilesScreen, spoil: Callable[[Path], None]
) -> None:
    (number,) = screen.ask_and_make("P")
    spoil(path_of(screen, number))
    answer = screen.at(f"/exports/{number}/fichier")
    assert answer.status_code == 500
    assert "Ce fichier a été altéré" in spaced_words(answer)
    assert "attachment" not in answer.headers.get("content-disposition", "")
    assert declared(screen) == []


@pytest.mark.slow
def test_a_file_that_is_missing_is_said_to_be(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    path_of(screen, number).unlink()
    answer = screen.at(f"/exports/{number}/fichier")
    assert answer.status_code == 410
    assert "Ce fichier est introuvable" in spaced_words(answer)
    assert str(screen.desk.root) not in answer.text


@pytest.mark.slow
def test_while_the_broker_is_away_files_are_given_and_declarations_wait(screen: FilesScreen) -> None:
    (number,) = screen.ask_and_make("P")
    screen.broker.is_away = True
    assert screen.at(f"/exports/{number}/fichier").status_code == 200
    spool = screen.app.state.services.spool
    wait_until(lambda: len(spool.waiting()) == 2, message="what was begun, and its end")
    assert {waiting.stat().st_mode & 0o777 for waiting in spool.waiting()} == {0o600}
    screen.broker.is_away = False
    assert len(declared(screen)) == 1


@pytest.mark.slow
@pytest.mark.database(MOUVEMENTS_TEMPLATE)
def test_a_broker_that_stops_and_starts_learns_of_the_download(
    sqlite_url: str, tmp_path: Path, rabbit_node: RabbitNode, amqp_url: str
) -> None:
    with open_screen(sqlite_url, tmp_path) as maker:
        (number,) = maker.ask_and_make("P")
    with RequestsQueue(amqp_url):
        pass
    settings = WebSettings(
        state_url=SecretStr(sqlite_url), exports_dir=tmp_path / "exports", home=tmp_path, source="/s"
    )
    with Publisher(amqp_url, attempts=1, patience=1) as publisher:
        app = create_app(settings, publisher.publish)
        with TestClient(app, base_url="http://127.0.0.1:8000") as client:
            rabbit_node.stop()
            started = threading.Thread(target=rabbit_node.start)
            try:
                assert client.get(f"/communes/13900/exports/{number}/fichier").status_code == 200
                kept = [_event_id(path) for path in app.state.services.spool.waiting()]
                started.start()
            finally:
                started.join()
            wait_until(lambda: not app.state.services.spool.waiting(), message="the declaration published")
    with RequestsQueue(amqp_url) as queue:
        begun, ended = queue.take_event(), queue.take_event()
        assert [begun.id, ended.id] == kept
        assert DeclarationNoted.model_validate(ended.data) == note_file("downloaded", number)
        assert queue.poll() is None


def _event_id(path: Path) -> str:
    return str(json.loads(path.read_bytes())["id"])
