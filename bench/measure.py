"""What one run of a job took, and runs of several jobs in turn."""

import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

MEGA = 1e6


@dataclass(frozen=True)
class Measure:
    """Seconds of wall and of CPU (user and system, all threads), bytes written, lines, highest resident size in MB."""

    wall: float
    cpu: float = 0.0
    peak: float = 0.0
    size: int = 0
    lines: int = 0


class Stopwatch:
    """Times the block it is entered for, and nothing before it."""

    def __enter__(self) -> Self:
        """Start."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self.wall, self.cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu

    def measure(self, *, size: int = 0, lines: int = 0) -> Measure:
        """What the block took, and the peak of the process so far."""
        return Measure(self.wall, self.cpu, peak_of_this_process(), size, lines)


def peak_of_this_process() -> float:
    """In MB. On Linux `ru_maxrss` is not ours alone: a child begins with the peak of its parent, VmHWM does not."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / MEGA
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest * (1 if sys.platform == "darwin" else 1024) / MEGA


def in_turn(tasks: Sequence[Callable[[], Measure]], times: int) -> list[list[Measure]]:
    """Run A B A B …; the samples of each task. What earlier runs left to write is on the disk before each run."""
    samples: list[list[Measure]] = [[] for _ in tasks]
    for _ in range(times):
        for task, measures in zip(tasks, samples, strict=True):
            os.sync()
            measures.append(task())
    return samples
