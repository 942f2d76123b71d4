"""Spooled declarations: kept whole, sent in order, never lost, never blocking."""

import errno
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.errors import BrokerAwayError
from producers.web.exports.spool import Spool
from schemas.envelope import CloudEvent
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


def event(number: int = 1) -> CloudEvent:
    return CloudEvent.wrap(note_file("downloaded", number, requested_by="m"), source="/s")


AWAY = BrokerAwayError("rabbit:5672", "connexion refusée")


def test_events_leave_in_their_order(spool: Spool, broker: Broker) -> None:
    events = [event(number) for number in range(1, 6)]
    for one in events:
        spool.send(one)
    assert broker.taken == []
    spool.start()
    wait_until(lambda: not spool.waiting(), message="an empty spool")
    assert broker.taken == [one.id for one in events]


@pytest.mark.parametrize("trouble", [AWAY, OSError("the database of the embedded mode is locked")])
def test_what_is_not_taken_waits_and_leaves_later(spool: Spool, broker: Broker, trouble: Exception) -> None:
    broker.trouble = trouble
    spool.start()
    spool.send(one := event())
    assert [json.loads(path.read_bytes())["id"] for path in spool.waiting()] == [one.id]
    broker.trouble = None
    wait_until(lambda: not spool.waiting(), message="an empty spool")
    assert broker.taken == [one.id]


def test_what_is_held_is_known_by_its_id_until_it_leaves(spool: Spool) -> None:
    kept, sent, other = (event(number).model_copy(update={"id": name}) for number, name in enumerate("*é/", 1))
    assert spool.keep(kept, "13900")
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


def test_files_are_for_this_account_only_and_none_is_half_written(spool: Spool, tmp_path: Path) -> None:
    spool.send(one := event())
    (path,) = (tmp_path / "spool").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert CloudEvent.from_bytes(path.read_bytes()) == one


def test_what_is_no_event_is_put_aside_and_the_others_leave(spool: Spool, broker: Broker, tmp_path: Path) -> None:
    spool.send(one := event())
    (tmp_path / "spool" / "00000000000000000001-1.json").write_text("{")
    assert spool.drain()
    assert broker.taken == [one.id]
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["00000000000000000001-1.json.illisible"]


def test_a_place_where_nothing_can_be_written_sends_at_once(tmp_path: Path, broker: Broker) -> None:
    (tmp_path / "file").write_text("")
    spool = Spool(tmp_path / "file" / "spool", broker.publish)
    spool.send(one := event())
    assert broker.taken == [one.id]
    broker.trouble = AWAY
    spool.send(event())


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


def test_a_disk_in_trouble_does_not_end_it(spool: Spool, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
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
    for path, days in ((old, 91), (young, 89)):
        path.write_bytes(b"?")
        os.utime(path, (time.time() - days * 86_400,) * 2)
    spool.start()
    assert [path.name for path in folder.iterdir()] == [young.name]
