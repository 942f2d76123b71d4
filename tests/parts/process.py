"""Child processes that never outlive the tests, however the tests end."""

import atexit
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import NamedTuple

from tests.parts.wait import wait_until

# Linux signals a child when the *thread* that started it ends: one thread starts all of them and lives as long as this
# process, so that a test may restart a server from a thread of its own.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="parts")

_running: set["Process"] = set()
_owner = os.getpid()


class Process:
    """A program in a session of its own, with all processes that it starts.

    `end` or `kill` ends it, or the exit of the interpreter, or the kernel when the tests are killed (it then gets the
    signal `farewell`).
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        folder: Path,
        log: Path,
        user: str | None = None,
        farewell: Signals = SIGTERM,
    ) -> None:
        setpriv = shutil.which("setpriv")
        guard = [setpriv, "--pdeathsig", farewell.name, "--"] if setpriv else []
        with log.open("ab") as output:
            self._popen = _starter.submit(
                subprocess.Popen,
                [*guard, *map(str, arguments)],
                env=env,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
                group=user and pwd.getpwnam(user).pw_gid,
                extra_groups=[] if user else None,
            ).result()
        _running.add(self)

    @property
    def pid(self) -> int:
        """The pid of the program itself."""
        return self._popen.pid

    @property
    def alive(self) -> bool:
        """Whether the program itself still runs."""
        return self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """The exit code of the program itself, minus the signal if it was killed by one; None while it runs."""
        return self._popen.poll()

    @property
    def family(self) -> list[int]:
        """The pids of the program and of all processes that it has started, the oldest first."""
        table = list(_table())
        family = [entry.pid for entry in table if entry.pid == self.pid]
        family += [
            entry.pid for entry in table if entry.group == self.pid and entry.pid != self.pid
        ]
        for member in family:
            family += [
                entry.pid for entry in table if entry.parent == member and entry.pid not in family
            ]
        return family

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the program, its processes and those of them that have ended, user and system."""
        ticks = 0
        for pid in self.family:
            with suppress(OSError):
                fields = (
                    Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
                )
                ticks += sum(
                    map(int, fields[11:15])
                )  # utime, stime, cutime, cstime: proc_pid_stat(5)
        return ticks / os.sysconf("SC_CLK_TCK")

    @property
    def memory(self) -> int:
        """Bytes of the program and its processes; shared pages are counted once (PSS)."""
        lines = [
            line
            for pid in self.family
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        ]
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024

    def end(self, signal: Signals, *, timeout: float = 60) -> None:
        """Ask the program to exit, wait for it, and kill the processes that are left after `timeout` seconds."""
        if self.alive:
            self._popen.send_signal(signal)
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the program and its processes; returns once they have ended."""
        family = self.family
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, SIGKILL)
        self._popen.wait()
        wait_until(
            lambda: not any(it.pid in family for it in _table()),
            message=f"the end of {self._popen.args!r}",
        )
        _running.discard(self)


class _Entry(NamedTuple):
    pid: int
    parent: int
    group: int


def _table() -> Iterator[_Entry]:
    """Every live process of the machine, without zombies."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent, group = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if state not in "ZX":
                yield _Entry(int(stat.parent.name), int(parent), int(group))


@atexit.register
def _kill_all() -> None:
    if os.getpid() == _owner:  # not in a fork that leaves
        for process in list(_running):
            process.kill()
