"""Spooled declarations: kept whole, sent in order, never lost; a session forgets old ones."""

import errno
import json
import os
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from starlette.middleware.sessions import Session
from starlette.requests import Request

from producers.errors import PublishError
from producers.web.exports.spool import Spool
from producers.web.security import NotIdentified, WebSessions
from producers.web.suivi import requests as pending
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from tests.parts.notes import note_file
from tests.parts.wait import wait_until


class Broker:
    """Accepts events while it is up; otherwise raises `trouble`."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.trouble: Exception | None = None

    def publish(self, event: CloudEvent) -> None:
        if self.trouble:
            raise self.trouble
        self.taken.append(event.id)


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def spool(tmp_path: Path, broker: Broker) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool", broker.publish, first_pause=0.01)
    yield made
    made.stop()


def event(number: int = 1, commune: str = "13900") -> CloudEvent:
    return CloudEvent.wrap(
        note_file("downloaded", number, commune=commune, requested_by="m"), source="/s"
    )


AWAY = PublishError("RabbitMQ (rabbit:5672) est injoignable")


def test_events_leave_in_their_order(spool: Spool, broker: Broker) -> None:
    events = [event(number) for number in range(1, 6)]
    for one in events:
        spool.send(one)
    assert broker.taken == []
    spool.start()
    wait_until(lambda: not spool.waiting(), message="an empty spool")
    assert broker.taken == [one.id for one in events]


@pytest.mark.parametrize("trouble", [AWAY, OSError("the database of the embedded mode is locked")])
def test_what_is_not_taken_waits_and_leaves_later(
    spool: Spool, broker: Broker, trouble: Exception
) -> None:
    broker.trouble = trouble
    spool.start()
    spool.send(one := event())
    assert [json.loads(path.read_bytes())["id"] for path in spool.waiting()] == [one.id]
    broker.trouble = None
    wait_until(lambda: not spool.waiting(), message="an empty spool")
    assert broker.taken == [one.id]


def test_what_is_held_is_known_by_its_id_until_it_leaves(spool: Spool) -> None:
    kept, sent, other = (
        event(number).model_copy(update={"id": name}) for number, name in enumerate("*é/", 1)
    )
    assert spool.keep(kept, in_order=True)
    spool.send(sent)
    assert [spool.holds(it.id) for it in (kept, sent, other)] == [True, True, False]
    assert spool.keeps("13900")
    assert spool.drain()
    assert [spool.holds(it.id) for it in (kept, sent, other)] == [False, False, False]
    assert not spool.keeps("13900")


def test_a_process_takes_up_what_another_left(tmp_path: Path, broker: Broker) -> None:
    Spool(tmp_path, broker.publish).send(one := event())
    again = Spool(tmp_path, broker.publish)
    again.start()
    wait_until(lambda: not again.waiting(), message="an empty spool")
    again.stop()
    assert broker.taken == [one.id]


def test_files_are_for_this_account_only_and_none_is_half_written(
    spool: Spool, tmp_path: Path
) -> None:
    spool.send(one := event())
    (path,) = (tmp_path / "spool").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert CloudEvent.from_bytes(path.read_bytes()) == one


def test_what_is_no_event_is_put_aside_and_the_others_leave(
    spool: Spool, broker: Broker, tmp_path: Path
) -> None:
    spool.send(one := event())
    (tmp_path / "spool" / "00000000000000000001-1.json").write_text("{")
    assert spool.drain()
    assert broker.taken == [one.id]
    assert [path.name for path in (tmp_path / "spool").iterdir()] == [
        "00000000000000000001-1.json.illisible"
    ]


def test_a_place_where_nothing_can_be_written_sends_at_once(tmp_path: Path, broker: Broker) -> None:
    (tmp_path / "file").write_text("")
    spool = Spool(tmp_path / "file" / "spool", broker.publish)
    spool.send(one := event())
    assert broker.taken == [one.id]
    broker.trouble = AWAY
    spool.send(event())


def test_a_commune_leaves_as_much_room_as_it_takes(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the broker is away, two communes whose agents never stop do not silence a third one."""
    monkeypatch.setattr("producers.web.exports.spool.MOST", 90)
    alone = [spool.keep(event(), in_order=bool(number % 2)) for number in range(90)]
    assert sum(alone) == 45
    assert sum(spool.keep(event(commune="13901")) for _ in range(90)) == 23
    assert sum(spool.keep(event(commune="13902")) for _ in range(10)) == 10
    assert not spool.keep(event())


def test_it_stops_at_once_while_the_broker_is_away(tmp_path: Path, broker: Broker) -> None:
    broker.trouble = AWAY
    spool = Spool(tmp_path, broker.publish, first_pause=3600)
    spool.start()
    spool.send(event())
    spool.stop()
    assert len(spool.waiting()) == 1


def test_a_file_that_cannot_be_read_now_is_not_lost(
    spool: Spool, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.send(one := event())
    with monkeypatch.context() as short:
        short.setattr(Path, "read_bytes", _fail)
        assert not spool.drain()
    assert spool.drain()
    assert broker.taken == [one.id]


def test_a_disk_in_trouble_does_not_end_it(
    spool: Spool, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.send(one := event())
    tried = threading.Event()

    def fail(*_args: object, **_options: object) -> None:
        tried.set()
        _fail()

    with monkeypatch.context() as short:
        short.setattr(Path, "unlink", fail)
        spool.start()
        assert tried.wait(10)
    wait_until(lambda: not spool.waiting(), message="an empty spool")
    assert set(broker.taken) == {one.id}


def _fail(*_args: object, **_options: object) -> None:
    raise OSError(errno.EMFILE, "too many open files")


def test_what_nobody_can_read_leaves_after_three_months(spool: Spool, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    old, young = folder / "1.json.illisible", folder / "2.json.illisible"
    for path, days in ((old, 90.1), (young, 89.9)):
        path.write_bytes(b"?")
        os.utime(path, (time.time() - days * 86_400,) * 2)
    spool.start()
    assert [path.name for path in folder.iterdir()] == [young.name]


def _request(**session: object) -> Request:
    return Request({"type": "http", "headers": [], "session": Session(session)})


def test_nothing_of_before_the_login_stays_after_it(tmp_path: Path) -> None:
    request = _request(csrf="token of another session", retour="/x", sid="chosen")
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
    for ended in (request, _request(**kept)):
        with pytest.raises(NotIdentified):
            sessions.who(ended)
    assert WebSessions(tmp_path / "ended").end(_request(**kept)) == "", "after a restart"


COOKIE_BYTES = 4096
"""RFC 6265, section 6.1: the minimum size that browsers accept; they drop a larger cookie silently."""

OTHERS = {
    "csrf": "x" * 43,
    "agent": "a" * 100,
    "sid": "x" * 22,
    "who": "prenom.nom@mairie.example",
    "since": 1,
}
COMMUNE = "13900"


@pytest.fixture
def request_() -> Request:
    return cast("Request", SimpleNamespace(session=dict[str, Any](OTHERS)))


def depot(files: int) -> CloudEvent:
    exports = list(range(1_000_000, 1_000_000 + files))
    data = note_file(
        "deposited", *exports, commune=COMMUNE, requested_by="m", deposited_on=date(2026, 11, 25)
    )
    return CloudEvent.wrap(data, source="/s")


@pytest.mark.parametrize("files", [1, 12, 100])
def test_what_waits_for_a_worker_fits_in_a_cookie(request_: Request, files: int) -> None:
    for _ in range(20):
        event = CloudEvent.wrap(
            ListeExportRequested(commune=COMMUNE, requested_by="m"), source="/s"
        )
        pending.remember(
            request_, event, f"{'é' * 60} {uuid4()}", commune=COMMUNE, page=pending.REQUESTS
        )
        last = depot(files)
        about = last.data["exports"]
        pending.remember(
            request_, last, "déposé le 25/11/2026", commune=COMMUNE, page=pending.DEPOT, about=about
        )
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
