"""Limits: rates, sizes, times."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from limits import parse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from producers.web import security
from producers.web.security import limits
from tests.web.oidc_browser import with_provider
from tests.web.security_desk import (
    CLERK_EMAIL,
    GRANDVILLE,
    LIBREVILLE,
    NEIGHBOUR,
    make_settings,
    open_client,
    token_of,
)

HOME = f"/communes/{LIBREVILLE}/listes"
FILE = f"/communes/{LIBREVILLE}/exports/1/fichier"
Tighten = Callable[[limits.Act, str, str], None]


@pytest.fixture
def tighten(monkeypatch: pytest.MonkeyPatch) -> Tighten:
    """Replace a rate for the duration of a test."""

    def replace(act: limits.Act, of_agent: str, of_address: str) -> None:
        monkeypatch.setattr(limits, "RATES", dict(limits.RATES) | {act: (parse(of_agent), parse(of_address))})

    return replace


def test_an_agent_who_asks_too_often_waits(web_client: TestClient, tighten: Tighten) -> None:
    tighten("post", "3/minute", "100/minute")
    token = token_of(web_client)
    answers = [web_client.post(HOME, data={"jeton": token}) for _ in range(5)]
    assert [answer.status_code == 429 for answer in answers] == [False] * 3 + [True] * 2
    assert "Attendez une minute" in answers[-1].text
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert web_client.get(HOME).status_code == 200, "reading goes on"
    other = {"X-Remote-User": NEIGHBOUR}
    assert web_client.post(f"/communes/{GRANDVILLE}/listes", headers=other).status_code == 403, "so do others"


def test_an_address_is_counted_whatever_the_agents(web_client: TestClient, tighten: Tighten) -> None:
    tighten("post", "100/minute", "2/minute")
    here, there = {"X-Forwarded-For": "203.0.113.1"}, {"X-Forwarded-For": "1.1.1.1, 203.0.113.2"}
    answers = [web_client.post(HOME, headers=it).status_code for it in (here, here, here, there)]
    assert answers == [403, 403, 429, 403]


def test_downloads_have_a_rate_of_their_own(web_client: TestClient, tighten: Tighten) -> None:
    tighten("download", "2/minute", "100/minute")
    assert [web_client.get(FILE).status_code for _ in range(3)] == [200, 200, 429]


def test_logins_have_one_by_address(screen_database: str, tmp_path: Path, tighten: Tighten) -> None:
    tighten("login", "100/minute", "2/minute")
    given = with_provider("http://127.0.0.1:1")
    with open_client(make_settings(screen_database, tmp_path, **given)) as client:
        assert [client.get("/connexion/retour?error=x").status_code for _ in range(3)] == [503, 503, 429]


@pytest.mark.parametrize(("after", "status"), [(security.IDLE_SECONDS - 5, 200), (security.IDLE_SECONDS + 5, 303)])
def test_a_session_that_nobody_uses_ends(
    screen_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, status: int
) -> None:
    app_settings = make_settings(screen_database, tmp_path, **with_provider("http://127.0.0.1:1"))
    with open_client(app_settings) as client:
        _begin(client)
        _move_clock(monkeypatch, after)
        assert client.get(HOME).status_code == status


def test_a_session_ends_with_the_working_day_even_if_it_is_used(
    screen_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app_settings = make_settings(screen_database, tmp_path, **with_provider("http://127.0.0.1:1"))
    with open_client(app_settings) as client:
        _begin(client)
        half_hours = range(1790, security.SESSION_SECONDS + 3600, 1790)
        answers = []
        for after in half_hours:
            _move_clock(monkeypatch, after)
            answers.append(client.get(HOME).status_code)
    assert answers.count(200) == security.SESSION_SECONDS // 1790
    assert answers[-1] == 303


def test_a_page_that_asks_by_itself_keeps_no_session_alive(
    screen_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app_settings = make_settings(screen_database, tmp_path, **with_provider("http://127.0.0.1:1"))
    with open_client(app_settings) as client:
        _begin(client)
        answers = []
        for after in range(590, security.IDLE_SECONDS + 600, 590):
            _move_clock(monkeypatch, after)
            answers.append(client.get(HOME, headers={"HX-Request": "true"}))
    assert [answer.status_code for answer in answers] == [200] * 6 + [401]
    assert answers[-1].headers["hx-refresh"] == "true"


def test_what_a_stranger_sends_is_not_read(screen_database: str, tmp_path: Path) -> None:
    """A stranger is not redirected after a form either: the browser would not follow (form-action)."""
    with open_client(make_settings(screen_database, tmp_path, **with_provider("http://127.0.0.1:1"))) as client:
        answer = client.post(HOME, data={"x": "y"})
    assert answer.status_code == 401
    assert 'href="/connexion"' in answer.text


def _begin(client: TestClient) -> None:
    """Log in, without a provider."""
    app: Starlette = client.app  # type: ignore[assignment]
    app.add_route("/essai", _log_in(app.state.services.identity.sessions))
    assert client.get("/essai").status_code == 200


def _log_in(sessions: security.WebSessions) -> Callable[[Request], Response]:
    def log_in(request: Request) -> Response:
        sessions.begin(request, CLERK_EMAIL, "token")
        return Response()

    return log_in


_now = time.time


def _move_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Move the clock of the screen's sessions and of the signature of its cookie."""
    monkeypatch.setattr(time, "time", lambda: _now() + seconds)
