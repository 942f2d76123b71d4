"""Chores take turns; a failed one is retried, and one that never ends is detected from outside."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.parts.wait import wait_until
from worker.errors import PrefectureError
from worker.health import Beat, Pulse, Role, require_healthy
from worker.housekeeping.housekeeping import Chore, Housekeeping

HOUR = 3600


def test_one_step_of_each_takes_its_turn() -> None:
    done: list[str] = []

    def steps(name: str, number: int) -> Iterator[None]:
        for _ in range(number):
            done.append(name)
            yield

    chores = [Chore("long", lambda: steps("long", 3), HOUR), Chore("short", lambda: steps("short", 1), HOUR)]
    while Housekeeping(chores).step(threading.Event()):
        pass
    assert done == ["long", "short", "long", "long"]


def test_nothing_begins_once_it_is_to_stop() -> None:
    stop, begun = threading.Event(), list[str]()

    def begin(name: str) -> Iterator[None]:
        begun.append(name)
        stop.set()
        yield

    Housekeeping([Chore(name, partial(begin, name), HOUR) for name in ("first", "second")]).step(stop)
    assert begun == ["first"]


def test_what_fails_is_said_and_tried_again_and_the_others_go_on() -> None:
    tries: list[str] = []

    def fail_once() -> list[None]:
        tries.append("failing")
        if len(tries) == 1:
            raise OSError("ne se journalise pas")
        return []

    stop = threading.Event()

    def other() -> list[None]:
        tries.append("other")
        return []

    with capture_logs() as logs:
        keeping = Housekeeping([Chore("failing", fail_once, 0), Chore("other", other, HOUR)])
        keeping.step(stop)
        keeping.step(stop)
    assert tries == ["failing", "other", "failing"]
    assert [(line["event"], line["what"]) for line in logs] == [("outage", "failing"), ("outage_over", "failing")]


def test_a_chore_that_never_ends_is_seen_by_whoever_asks_for_the_health(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Housekeeping, "longest_step_seconds", 0.05)
    begun, release, stop = threading.Event(), threading.Event(), threading.Event()

    def hang() -> list[None]:
        begun.set()
        release.wait(60)
        return []

    pulse = Pulse(tmp_path, Role.NOTIFIER)
    keeping = Housekeeping([Chore("hanging", hang, HOUR)])
    beat = keeping.supervise(pulse.beat)
    beat("")
    assert require_healthy(tmp_path, Role.NOTIFIER) == 1
    thread = threading.Thread(target=keeping.run, args=(stop,))
    thread.start()
    try:
        assert begun.wait(60)
        wait_until(lambda: _is_unhealthy(beat, tmp_path), message="noticed")
        (file,) = tmp_path.iterdir()
        last_sign = file.stat().st_mtime_ns
        for _ in range(3):
            beat("")
        assert file.stat().st_mtime_ns == last_sign  # a supervisor restarts a process without a heartbeat
    finally:
        release.set()
        stop.set()
        thread.join()
    beat("")
    assert require_healthy(tmp_path, Role.NOTIFIER) == 1
    pulse.stop()


def _is_unhealthy(beat: Beat, folder: Path) -> bool:
    beat("")
    try:
        require_healthy(folder, Role.NOTIFIER)
    except PrefectureError as error:
        return str(error) == Housekeeping.stuck
    return False
