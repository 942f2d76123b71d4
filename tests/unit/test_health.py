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

from tests.parts.health import ask_health
from tests.parts.town import ROOT
from tests.parts.wait import PATIENCE_SECONDS
from worker.health import SILENCE_SECONDS, STUCK, Pulse, Role, Watchdog
from worker.housekeeping.housekeeping import Chore, do_steps


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the liveness files."""
    return tmp_path / "health"


@pytest.fixture
def pulse(folder: Path) -> Iterator[Pulse]:
    pulse = Pulse(folder, Role.WORKER)
    yield pulse
    pulse.stop()


def _file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_each_process_counts(folder: Path, pulse: Pulse) -> None:
    other = Pulse(folder, Role.WORKER)
    pulse.beat()
    other.beat()
    assert ask_health(folder, "worker") == (0, "worker : 2 processus au travail")
    other.stop()
    assert ask_health(folder, "worker") == (0, "worker : 1 processus au travail")


def test_no_process_is_not_healthy(folder: Path, pulse: Pulse) -> None:
    pulse.beat()
    assert ask_health(folder, "notifier") == (1, "aucun processus « notifier » ne tourne ici")
    nowhere = folder / "nowhere" / "health"
    assert ask_health(nowhere, "worker") == (1, "aucun processus « worker » ne tourne ici")


def test_what_a_process_lacks_is_said_and_does_not_mean_that_it_is_dead(
    folder: Path, pulse: Pulse
) -> None:
    pulse.beat("RabbitMQ ne donne rien de : listes, tableaux")
    assert ask_health(folder, "worker") == (1, "RabbitMQ ne donne rien de : listes, tableaux")
    assert ask_health(folder, "worker", "--alive") == (0, "worker : 1 processus en vie")
    other = Pulse(folder, Role.WORKER)
    other.beat("la base est arrêtée")
    said = "la base est arrêtée ; RabbitMQ ne donne rien de : listes, tableaux"
    assert set(ask_health(folder, "worker")[1].split(" ; ")) == set(said.split(" ; "))
    other.stop()
    pulse.beat("RabbitMQ ne donne rien de : listes")
    pulse.beat()
    assert ask_health(folder, "worker")[0] == 0


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("alive", [[], ["--alive"]])
def test_a_process_that_is_silent_for_too_long_is_stuck(
    folder: Path, role: Role, alive: list[str]
) -> None:
    pulse = Pulse(folder, role)
    pulse.beat()
    limit = SILENCE_SECONDS[role]
    for age, is_stuck in ((limit - 5, False), (limit + 5, True)):
        os.utime(_file(folder), times=(time.time() - age,) * 2)
        code, said = ask_health(folder, role, *alive)
        assert code == is_stuck, said
        assert not is_stuck or f"« {role} » ne donne plus signe de vie depuis" in said
    pulse.stop()


def test_what_a_killed_process_left_counts_for_nothing_and_is_removed(folder: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from worker.health import Pulse, Role;"
        "Pulse(Path(sys.argv[1]), Role.WORKER).beat(); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", program, folder], check=False)
    assert _file(folder).exists()
    assert ask_health(folder, "worker")[0] == 1
    assert list(folder.iterdir()) == []


def test_a_file_that_was_swept_away_comes_back(folder: Path, pulse: Pulse) -> None:
    pulse.beat()
    _file(folder).unlink()
    pulse.beat("un manque, pour que ce signe soit écrit tout de suite")
    assert ask_health(folder, "worker", "--alive")[0] == 0


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
