"""What a session keeps, and what it forgets."""

from pathlib import Path

from starlette.middleware.sessions import Session
from starlette.requests import Request

from producers.web.security.session import WebSessions


def _request(**session: object) -> Request:
    return Request({"type": "http", "headers": [], "session": Session(session)})


def test_nothing_of_before_the_login_stays_after_it(tmp_path: Path) -> None:
    request = _request(csrf="a token that somebody else may know", retour="/x", sid="chosen")
    WebSessions(tmp_path / "ended").begin(request, "mairie@example", "token")
    assert request.session.keys() == {"sid", "who", "since", "seen", "identity", "ended"}
    assert request.session["sid"] != "chosen"


def test_the_identity_token_stays_here_and_is_given_once(tmp_path: Path) -> None:
    sessions, request = WebSessions(tmp_path / "ended"), _request()
    sessions.begin(request, "mairie@example", "token")
    kept = dict(request.session)
    assert "token" not in kept.values()
    assert sessions.who(request) == "mairie@example"
    assert sessions.end(request) == "token"
    assert sessions.who(request) == ""
    assert sessions.who(_request(**kept)) == "", "a copy of the cookie"
    assert WebSessions(tmp_path / "ended").end(_request(**kept)) == "", "after a restart"
