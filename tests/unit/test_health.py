"""Heartbeats: processes that are alive, stuck, short of resources, or dead; chores that take turns."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from queue import Queue

import pytest
from structlog.testing import capture_logs

from tests.parts.town import ROOT
from tests.parts.wait import PATIENCE_SECONDS
from worker.errors import PrefectureError
from worker.health import SILENCE_SECONDS, STUCK, Pulse, Role, Watchdog, require_healthy
from worker.housekeeping.housekeeping import Chore, do_steps


@pytest.fixture
def pulse(tmp_path: Path) -> Iterator[Pulse]:
    pulse = Pulse(tmp_path, Role.WORKER)
    yield pulse
    pulse.stop()


def _file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_each_process_counts(tmp_path: Path, pulse: Pulse) -> None:
    other = Pulse(tmp_path, Role.WORKER)
    pulse.beat()
    other.beat()
    assert require_healthy(tmp_path, Role.WORKER) == 2
    other.stop()
    assert require_healthy(tmp_path, Role.WORKER) == 1


def test_no_process_is_not_healthy(tmp_path: Path, pulse: Pulse) -> None:
    pulse.beat()
    with pytest.raises(PrefectureError, match="aucun processus « notifier » ne tourne ici"):
        require_healthy(tmp_path, Role.NOTIFIER)
    with pytest.raises(PrefectureError, match="aucun processus"):
        require_healthy(tmp_path / "nowhere", Role.WORKER)


def test_what_a_process_lacks_is_said_and_does_not_mean_that_it_is_dead(
    tmp_path: Path, pulse: Pulse
) -> None:
    pulse.beat("RabbitMQ ne donne rien de : listes, tableaux")
    with pytest.raises(PrefectureError, match="RabbitMQ ne donne rien de : listes, tableaux"):
        require_healthy(tmp_path, Role.WORKER)
    assert require_healthy(tmp_path, Role.WORKER, alive=True) == 1
    pulse.beat("RabbitMQ ne donne rien de : listes")
    pulse.beat()
    assert require_healthy(tmp_path, Role.WORKER) == 1


@pytest.mark.parametrize("alive", [False, True])
def test_a_process_that_is_silent_for_too_long_is_stuck(
    tmp_path: Path, pulse: Pulse, *, alive: bool
) -> None:
    pulse.beat()
    limit = SILENCE_SECONDS[Role.WORKER]
    for age, is_stuck in ((limit - 5, False), (limit + 5, True)):
        os.utime(_file(tmp_path), times=(time.time() - age,) * 2)
        if is_stuck:
            with pytest.raises(PrefectureError, match="ne donne plus signe de vie depuis 35 s"):
                require_healthy(tmp_path, Role.WORKER, alive=alive)
        else:
            assert require_healthy(tmp_path, Role.WORKER, alive=alive) == 1


def test_what_a_killed_process_left_counts_for_nothing_and_is_removed(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from worker.health import Pulse, Role;"
        "Pulse(Path(sys.argv[1]), Role.WORKER).beat(); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=False)
    assert _file(tmp_path).exists()
    with pytest.raises(PrefectureError, match="aucun processus"):
        require_healthy(tmp_path, Role.WORKER)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_swept_away_comes_back(tmp_path: Path, pulse: Pulse) -> None:
    pulse.beat()
    _file(tmp_path).unlink()
    pulse.beat("un manque, pour que ce signe soit écrit tout de suite")
    assert require_healthy(tmp_path, Role.WORKER, alive=True) == 1


def test_a_folder_that_cannot_be_written_stops_nobody_and_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    pulse = Pulse(tmp_path / "file", Role.WORKER)
    with capture_logs() as lines:
        pulse.beat()
        pulse.beat("un manque")
    assert [line["event"] for line in lines] == ["health_not_written"]


def test_a_loop_that_gives_no_sign_any_more_ends_its_process(
    pulse: Pulse, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: Queue[int] = Queue()

    def leave(code: int) -> None:
        codes.put(code)
        threading.Event().wait()  # as after an exit

    monkeypatch.setattr(os, "_exit", leave)
    Watchdog(pulse, 3, lambda: False, period_seconds=0.01).start()
    assert codes.get(timeout=PATIENCE_SECONDS) == STUCK


class _NeverStarts(threading.Thread):
    """A thread that never runs, as when memory is short: `start()` waits for ever."""

    def _bootstrap(self) -> None:
        pass


def test_a_process_with_a_thread_that_never_starts_ends(tmp_path: Path) -> None:
    """A process was frozen for ten minutes by such a thread, and reported as healthy."""
    program = (
        "import sys; from pathlib import Path; from tests.unit.test_health import _NeverStarts;"
        "from worker.health import Pulse, Role, Watchdog; import threading;"
        "pulse = Pulse(Path(sys.argv[1]), Role.WORKER);"
        "Watchdog(pulse, 10**6, lambda: False, period_seconds=0.01).start();"
        "_NeverStarts().start()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == STUCK


def test_a_thread_that_was_created_before_a_fork_counts_as_started(tmp_path: Path) -> None:
    """Dramatiq creates the thread of its time limits, then forks its processes; each of them ended after 20 s."""
    program = tmp_path / "program.py"
    program.write_text("""\
import os, sys, threading
from worker.health import START_CHECKS, ThreadStarts
thread = threading.Thread(target=threading.Event().wait, daemon=True)
if pid := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
thread.start()
starts = ThreadStarts()
os._exit(any([starts.are_stuck() for _ in range(START_CHECKS)]))
""")
    assert (
        subprocess.run(
            [sys.executable, program], env={"PYTHONPATH": str(ROOT)}, check=False
        ).returncode
        == 0
    )


HOUR = 3600


def test_one_step_of_each_takes_its_turn() -> None:
    done: list[str] = []

    def steps(name: str, number: int) -> Iterator[None]:
        for _ in range(number):
            done.append(name)
            yield

    chores = [
        Chore("long", lambda: steps("long", 3), HOUR),
        Chore("short", lambda: steps("short", 1), HOUR),
    ]
    while do_steps(chores, threading.Event()):
        pass
    assert done == ["long", "short", "long", "long"]


def test_nothing_begins_once_it_is_to_stop() -> None:
    stop, begun = threading.Event(), list[str]()

    def begin(name: str) -> Iterator[None]:
        begun.append(name)
        stop.set()
        yield

    do_steps([Chore(name, partial(begin, name), HOUR) for name in ("first", "second")], stop)
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
        chores = [Chore("failing", fail_once, 0), Chore("other", other, HOUR)]
        do_steps(chores, stop)
        do_steps(chores, stop)
    assert tries == ["failing", "other", "failing"]
    assert [(line["event"], line["what"]) for line in logs] == [
        ("outage", "failing"),
        ("outage_over", "failing"),
    ]
