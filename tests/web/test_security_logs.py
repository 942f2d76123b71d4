"""The screen's logs: one line a request, and no personal data, whatever fails."""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.testclient import TestClient

from common.logs import configure_logs
from producers.errors import BrokerAwayError, EventTooLargeError, UnconfirmedError
from producers.web.app import create_app
from schemas.envelope import CloudEvent
from tests.web.security_desk import CLERK, LIBREVILLE, behind_proxy, execute, make_settings, open_client

HOME = f"/communes/{LIBREVILLE}/listes"
ELECTOR = "Zéphyrine INVENTÉE-MARTINVAST"


class Logs(io.StringIO):
    """The screen's output."""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Logs:
    """The screen's own configuration of logs, for the duration of a test."""
    monkeypatch.setattr(sys, "stderr", stream := Logs())
    configure_logs("json", "info")
    return stream


@pytest.fixture
def app(screen_database: str, tmp_path: Path) -> Starlette:
    def publish(event: CloudEvent) -> None:
        raise BrokerAwayError("broker.example:5672", "connexion refusée")

    return create_app(make_settings(screen_database, tmp_path, **behind_proxy()), publish)


@pytest.fixture
def client(app: Starlette) -> Iterator[TestClient]:
    with open_client(app.state.services.settings, agent=CLERK, app=app) as client:
        yield client


def test_a_request_is_one_line_without_its_question_mark(client: TestClient, logs: Logs) -> None:
    client.get(HOME, params={"nom": ELECTOR})
    (line,) = [it for it in logs.lines() if it["event"] == "request"]
    facts = {"method": "GET", "page": "listes", "commune": LIBREVILLE, "agent": CLERK, "status": 200, "level": "info"}
    assert facts.items() <= line.items()
    assert {"seconds", "timestamp", "logger"} <= line.keys()
    assert ELECTOR not in json.dumps(line, ensure_ascii=False)


@pytest.mark.parametrize(
    ("shown", "status", "code"),
    [
        ({"X-Remote-User": ELECTOR.encode()}, 403, "not_an_agent"),
        ({"X-Remote-User": ""}, 401, "not_identified"),
        ({"X-Prefecture-Secret": "x" * 40}, 403, "proxy_secret"),
    ],
)
def test_why_nobody_is_let_in_is_said_without_the_name_that_was_shown(
    client: TestClient, logs: Logs, shown: dict[str, str], status: int, code: str
) -> None:
    answer = client.get(HOME, headers=shown)
    assert answer.status_code == status
    assert "ouverte depuis trop longtemps" not in answer.text
    (line,) = [it for it in logs.lines() if it["event"] == "request"]
    assert (line["status"], line["refused"]) == (status, code)
    assert "INVENT" not in json.dumps(line, ensure_ascii=False)


def test_what_is_typed_in_an_address_is_not_repeated(client: TestClient, logs: Logs) -> None:
    for path in (f"/{ELECTOR}", f"/communes/{ELECTOR}/listes", f"/communes/{LIBREVILLE}/exports/{ELECTOR}"):
        assert client.get(path).status_code == 404
    assert "MARTINVAST" not in logs.getvalue()


def test_health_and_style_fill_no_log(client: TestClient, logs: Logs) -> None:
    for path in ("/sante", "/sante/vie", "/static/screen.css"):
        client.get(path)
    assert logs.lines() == []


def test_a_failing_page_says_where_and_nothing_of_an_elector(app: Starlette, client: TestClient, logs: Logs) -> None:
    def fail(request: Request) -> Response:
        electeur = ELECTOR
        raise ValueError(f"{electeur}: {request.url}")

    app.add_route("/essai", fail)
    answer = client.get("/essai", params={"nom": ELECTOR})
    assert answer.status_code == 500
    assert "Erreur interne" in answer.text
    lines = logs.lines()
    (failed,) = [line for line in lines if line["event"] == "page_failed"]
    assert failed["exception"]["type"] == "ValueError"
    assert any(place.startswith("test_security_logs.py:") for place in failed["exception"]["at"])
    assert "MARTINVAST" not in json.dumps(lines, ensure_ascii=False) + answer.text


def test_a_page_that_fails_in_its_middle_is_cut_and_logged(app: Starlette, client: TestClient, logs: Logs) -> None:
    async def pieces() -> Any:  # noqa: ANN401 — an asynchronous generator
        yield b"a"
        raise RuntimeError(ELECTOR)

    def fail(_request: Request) -> Response:
        return StreamingResponse(pieces())

    app.add_route("/essai", fail)
    assert client.get("/essai").content == b"a"
    lines = logs.lines()
    assert [line["event"] for line in lines] == ["page_failed", "request"]
    assert "MARTINVAST" not in json.dumps(lines, ensure_ascii=False)


def test_a_database_that_is_away_is_no_secret_of_the_clerks(
    client: TestClient, screen_database: str, logs: Logs
) -> None:
    execute(screen_database, "DROP VIEW habilitations")
    answer = client.get(HOME)
    assert answer.status_code == 503
    assert "Le module ne répond pas" in answer.text
    assert "sqlite" not in answer.text
    assert "PREFECTURE_" not in answer.text
    assert "base_injoignable" in {line.get("code") for line in logs.lines()}
    ready = client.get("/sante")
    assert (ready.status_code, ready.json()["base"]) == (503, False)
    assert client.get("/sante/vie").status_code == 200


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (UnconfirmedError("broker.example:5672"), 503, "La demande est peut-être partie"),
        (BrokerAwayError("broker.example:5672", "x"), 503, "Recommencez dans quelques minutes"),
        (EventTooLargeError("demande trop grande"), 400, "demande trop grande"),
    ],
)
def test_what_the_broker_does_not_do_is_said_for_a_clerk(
    app: Starlette, client: TestClient, error: Exception, status: int, words: str
) -> None:
    def fail(_request: Request) -> Response:
        raise error

    app.add_route("/essai", fail)
    answer = client.get("/essai")
    assert answer.status_code == status
    assert words in answer.text
    assert "broker.example" not in answer.text


def test_health_without_a_broker_or_without_files(screen_database: str, tmp_path: Path) -> None:
    settings = make_settings(screen_database, tmp_path, **behind_proxy())
    app = create_app(settings, lambda _event: None, reaches_broker=lambda: False)
    with open_client(settings, app=app) as client:
        away = client.get("/sante", headers={"Host": "172.18.0.4:8000"})
        assert (away.status_code, away.json()["broker"]) == (200, False)
        (tmp_path / "exports").rename(tmp_path / "gone")
        assert client.get("/sante").status_code == 503
