"""What a session keeps of what was just sent: once each, and never more than a cookie holds."""

import json
from base64 import b64encode
from datetime import date
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from starlette.requests import Request

from producers.web.depot import declarations
from producers.web.suivi import pending
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from tests.parts.notes import note_file

COOKIE_BYTES = 4096
"""RFC 6265, section 6.1: what browsers take at least; they drop a larger one without a word."""

OTHERS = {"csrf": "x" * 43, "agent": "a" * 100, "sid": "x" * 22, "who": "prenom.nom@mairie.example", "since": 1}
COMMUNE = "13900"


@pytest.fixture
def request_() -> Request:
    return cast("Request", SimpleNamespace(session=dict[str, Any](OTHERS)))


def depot(files: int) -> CloudEvent:
    """A deposit of so many files."""
    exports = list(range(1_000_000, 1_000_000 + files))
    data = note_file("deposited", *exports, commune=COMMUNE, requested_by="m", deposited_on=date(2026, 11, 25))
    return CloudEvent.wrap(data, source="/s")


@pytest.mark.parametrize("files", [1, 12, 100])
def test_what_waits_for_a_worker_fits_in_a_cookie(request_: Request, files: int) -> None:
    for _ in range(20):
        event = CloudEvent.wrap(ListeExportRequested(commune=COMMUNE, requested_by="m"), source="/s")
        pending.remember_request(request_, event, f"{'é' * 60} {uuid4()}", COMMUNE)
        declarations.remember_declaration(
            request_, last := depot(files), COMMUNE, last.data["exports"], "déposé le 25/11/2026"
        )
    signature = 60
    assert len(b64encode(json.dumps(request_.session).encode())) + signature < COOKIE_BYTES
    kept = json.dumps(request_.session)
    assert event.id in kept
    assert last.id in kept


def test_the_same_event_is_kept_once(request_: Request) -> None:
    event = depot(1)
    for _ in range(2):
        pending.remember_request(request_, event, "a", COMMUNE)
        declarations.remember_declaration(request_, event, COMMUNE, [1], "b")
    assert json.dumps(request_.session).count(event.id) == 2
