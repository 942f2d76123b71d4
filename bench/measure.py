"""The measure of one run of a job, and runs of several jobs in turn."""

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
    """Times its block only."""

    def __enter__(self) -> Self:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.wall, self.cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu

    def measure(self, *, size: int = 0, lines: int = 0) -> Measure:
        """Return the times of the block, and the peak of the process so far."""
        return Measure(self.wall, self.cpu, peak_of_this_process(), size, lines)


def peak_of_this_process() -> float:
    """Return the peak in MB. On Linux `ru_maxrss` includes the peak of the parent at the fork, VmHWM does not."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / MEGA
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest * (1 if sys.platform == "darwin" else 1024) / MEGA


def in_turn(tasks: Sequence[Callable[[], Measure]], times: int) -> list[list[Measure]]:
    """Run A B A B …; return the samples of each task. Before each run, pending writes are flushed to the disk."""
    samples: list[list[Measure]] = [[] for _ in tasks]
    for _ in range(times):
        for task, measures in zip(tasks, samples, strict=True):
            os.sync()
            measures.append(task())
    return samples
