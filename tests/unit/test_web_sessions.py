"""A session stores the agent and the last sent forms, and forgets old ones."""

import json
from base64 import b64encode
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from starlette.middleware.sessions import Session
from starlette.requests import Request

from producers.web.security import WebSessions
from producers.web.suivi import pending
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from tests.parts.notes import note_file


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


COOKIE_BYTES = 4096
"""RFC 6265, section 6.1: the minimum size that browsers accept; they drop a larger cookie silently."""

OTHERS = {"csrf": "x" * 43, "agent": "a" * 100, "sid": "x" * 22, "who": "prenom.nom@mairie.example", "since": 1}
COMMUNE = "13900"


@pytest.fixture
def request_() -> Request:
    return cast("Request", SimpleNamespace(session=dict[str, Any](OTHERS)))


def depot(files: int) -> CloudEvent:
    exports = list(range(1_000_000, 1_000_000 + files))
    data = note_file("deposited", *exports, commune=COMMUNE, requested_by="m", deposited_on=date(2026, 11, 25))
    return CloudEvent.wrap(data, source="/s")


@pytest.mark.parametrize("files", [1, 12, 100])
def test_what_waits_for_a_worker_fits_in_a_cookie(request_: Request, files: int) -> None:
    for _ in range(20):
        event = CloudEvent.wrap(ListeExportRequested(commune=COMMUNE, requested_by="m"), source="/s")
        pending.remember(request_, event, f"{'é' * 60} {uuid4()}", commune=COMMUNE, page=pending.REQUESTS)
        last = depot(files)
        about = last.data["exports"]
        pending.remember(request_, last, "déposé le 25/11/2026", commune=COMMUNE, page=pending.DEPOT, about=about)
    signature = 60
    assert len(b64encode(json.dumps(request_.session).encode())) + signature < COOKIE_BYTES
    kept = json.dumps(request_.session)
    assert event.id in kept
    assert last.id in kept


def test_the_same_event_is_kept_once(request_: Request) -> None:
    event = depot(1)
    for _ in range(2):
        pending.remember(request_, event, "a", commune=COMMUNE, page=pending.DEPOT, about=[1])
    assert json.dumps(request_.session).count(event.id) == 1
