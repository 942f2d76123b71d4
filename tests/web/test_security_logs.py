"""Limits: rates, sizes, times; the logs: one line a request, and no personal data, whatever fails."""

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from limits import parse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.testclient import TestClient

from common.logs import configure_logs
from producers.errors import InvalidRequestError, PublishError, UnconfirmedError
from producers.state import State
from producers.web import security
from producers.web.app import create_app
from producers.web.security import limits
from schemas.envelope import CloudEvent
from tests.web.oidc_browser import with_provider
from tests.web.security_desk import (
    CLERK,
    CLERK_EMAIL,
    GRANDVILLE,
    LIBREVILLE,
    NEIGHBOUR,
    Sent,
    behind_proxy,
    execute,
    make_settings,
    open_client,
    token_of,
)

HOME = f"/communes/{LIBREVILLE}/listes"
FILE = f"/communes/{LIBREVILLE}/exports/1/fichier"
Tighten = Callable[[limits.Counted, str], None]


@pytest.fixture
def tighten(monkeypatch: pytest.MonkeyPatch) -> Tighten:
    """Replace a rate for the duration of a test."""

    def replace(counted: limits.Counted, rate: str) -> None:
        monkeypatch.setattr(limits, "RATES", dict(limits.RATES) | {counted: parse(rate)})

    return replace


def test_an_agent_who_asks_too_often_waits(web_client: TestClient, tighten: Tighten) -> None:
    """Pages, forms and downloads are counted together; others go on."""
    tighten("agent", "4/minute")
    token = token_of(web_client)
    answers = [web_client.post(HOME, data={"jeton": token}) for _ in range(2)]
    answers += [web_client.get(path) for path in (FILE, HOME, FILE)]
    assert [answer.status_code == 429 for answer in answers] == [False] * 3 + [True] * 2
    assert f"Attendez {answers[-1].headers['retry-after']}" in answers[-1].text
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    other = {"X-Remote-User": NEIGHBOUR}
    assert web_client.post(f"/communes/{GRANDVILLE}/listes", headers=other).status_code == 403


def test_an_address_is_counted_whatever_the_agents(
    web_client: TestClient, tighten: Tighten
) -> None:
    tighten("address", "2/minute")
    here, there = {"X-Forwarded-For": "203.0.113.1"}, {"X-Forwarded-For": "1.1.1.1, 203.0.113.2"}
    answers = [web_client.post(HOME, headers=it).status_code for it in (here, here, here, there)]
    assert answers == [403, 403, 429, 403]


@pytest.mark.parametrize("path", ["/", "/demandes/1", f"/communes/{GRANDVILLE}/listes"])
def test_pages_beyond_the_rate_read_no_database(
    web_client: TestClient, tighten: Tighten, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    tighten("agent", "2/minute")
    find_agent, found = security.find_agent, list[str]()

    def find(state: State, **who: str) -> security.AuthorizedAgent:
        found.append(CLERK)
        return find_agent(state, **who)

    monkeypatch.setattr(security, "find_agent", find)
    assert [web_client.get(path).status_code for _ in range(4)][2:] == [429, 429]
    assert web_client.post(path).status_code in {405, 429}
    assert len(found) == 2


def test_logins_have_one_by_address(screen_database: str, tmp_path: Path, tighten: Tighten) -> None:
    tighten("stranger", "2/minute")
    given = with_provider("http://127.0.0.1:1")
    with open_client(make_settings(screen_database, tmp_path, **given)) as client:
        assert [client.get("/connexion/retour?error=x").status_code for _ in range(3)] == [
            503,
            503,
            429,
        ]
        assert client.post("/deconnexion").status_code == 429


@pytest.fixture
def logged_in(screen_database: str, tmp_path: Path) -> Iterator[TestClient]:
    """The clerk's client after a login, without a provider."""
    settings = make_settings(screen_database, tmp_path, **with_provider("http://127.0.0.1:1"))
    with open_client(settings) as client:
        app: Starlette = client.app  # type: ignore[assignment]

        def log_in(request: Request) -> Response:
            app.state.services.identity.sessions.begin(request, CLERK_EMAIL, "token")
            return Response()

        app.add_route("/essai", log_in)
        assert client.get("/essai").status_code == 200
        yield client


@pytest.mark.parametrize(
    ("after", "status"), [(security.IDLE_SECONDS - 5, 200), (security.IDLE_SECONDS + 5, 303)]
)
def test_a_session_that_nobody_uses_ends(
    logged_in: TestClient, monkeypatch: pytest.MonkeyPatch, after: int, status: int
) -> None:
    _move_clock(monkeypatch, after)
    assert logged_in.get(HOME).status_code == status


def test_a_session_ends_with_the_working_day_even_if_it_is_used(
    logged_in: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = []
    for after in range(1790, security.SESSION_SECONDS + 3600, 1790):
        _move_clock(monkeypatch, after)
        answers.append(logged_in.get(HOME).status_code)
    assert answers.count(200) == security.SESSION_SECONDS // 1790
    assert answers[-1] == 303


def test_a_page_that_asks_by_itself_keeps_no_session_alive(
    logged_in: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = []
    for after in range(590, security.IDLE_SECONDS + 600, 590):
        _move_clock(monkeypatch, after)
        answers.append(logged_in.get(HOME, headers={"HX-Request": "true"}))
    assert [answer.status_code for answer in answers] == [200] * 6 + [401]
    assert answers[-1].headers["hx-refresh"] == "true"


def test_what_a_stranger_sends_is_not_read(screen_database: str, tmp_path: Path) -> None:
    """A stranger is not redirected after a form either: the browser would not follow (form-action)."""
    with open_client(
        make_settings(screen_database, tmp_path, **with_provider("http://127.0.0.1:1"))
    ) as client:
        answer = client.post(HOME, data={"x": "y"})
    assert answer.status_code == 401
    assert 'href="/connexion"' in answer.text


_now = time.time


def _move_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Move the clock of the screen's sessions and of the signature of its cookie."""
    monkeypatch.setattr(time, "time", lambda: _now() + seconds)


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
    def publish(*events: CloudEvent, token: str = "") -> None:
        raise PublishError("RabbitMQ (broker.example:5672) est injoignable")

    return create_app(make_settings(screen_database, tmp_path, **behind_proxy()), publish)


@pytest.fixture
def client(app: Starlette) -> Iterator[TestClient]:
    with open_client(app.state.services.settings, agent=CLERK, app=app) as client:
        yield client


def test_a_request_is_one_line_without_its_question_mark(client: TestClient, logs: Logs) -> None:
    client.get(HOME, params={"nom": ELECTOR})
    (line,) = [it for it in logs.lines() if it["event"] == "request"]
    facts = {
        "method": "GET",
        "page": "listes",
        "commune": LIBREVILLE,
        "agent": CLERK,
        "status": 200,
        "level": "info",
    }
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
    for path in (
        f"/{ELECTOR}",
        f"/communes/{ELECTOR}/listes",
        f"/communes/{LIBREVILLE}/exports/{ELECTOR}",
    ):
        assert client.get(path).status_code == 404
    assert "MARTINVAST" not in logs.getvalue()


def test_health_and_style_fill_no_log(client: TestClient, logs: Logs) -> None:
    for path in ("/sante", "/sante/vie", "/static/screen.css"):
        client.get(path)
    assert logs.lines() == []


def test_a_failing_page_says_where_and_nothing_of_an_elector(
    app: Starlette, client: TestClient, logs: Logs
) -> None:
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


def test_a_page_that_fails_in_its_middle_is_cut_and_logged(
    app: Starlette, client: TestClient, logs: Logs
) -> None:
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
    assert "StateAwayError" in {line.get("error") for line in logs.lines()}
    ready = client.get("/sante")
    assert (ready.status_code, ready.json()["base"]) == (503, False)
    assert client.get("/sante/vie").status_code == 200


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (UnconfirmedError("broker.example:5672"), 503, "La demande est peut-être partie"),
        (PublishError("broker.example:5672"), 503, "Recommencez dans quelques minutes"),
        (InvalidRequestError("demande trop grande"), 400, "demande trop grande"),
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
    app = create_app(settings, Sent().publish, reaches_broker=lambda: False)
    with open_client(settings, app=app) as client:
        away = client.get("/sante", headers={"Host": "172.18.0.4:8000"})
        assert (away.status_code, away.json()["broker"]) == (200, False)
        (tmp_path / "exports").rename(tmp_path / "gone")
        assert client.get("/sante").status_code == 503
