"""The measure of one run of a job, a process for each job, and runs of several jobs in turn."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Self, TypeVar

from common.logs import configure_logs

T = TypeVar("T")
R = TypeVar("R")


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

    def __exit__(self, *_: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu

    def measure(self, *, size: int = 0, lines: int = 0) -> Measure:
        """Return the times of the block, and the peak of the process so far."""
        return Measure(self.wall, self.cpu, _peak_of_this_process(), size, lines)


def _peak_of_this_process() -> float:
    """Return the peak in MB: `ru_maxrss` would include the peak of the parent at the fork."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024 / 1e6


def run(job: Callable[[T], R], task: T) -> R:
    """Run a job in a new process. The modules that it imports count in its peak."""
    with ProcessPoolExecutor(
        1, get_context("spawn"), configure_logs, ("console", "warning")
    ) as process:
        return process.submit(job, task).result()


def wall(measures: Sequence[Measure]) -> list[float]:
    """Return the seconds of each."""
    return [measure.wall for measure in measures]


def cpu(measures: Sequence[Measure]) -> list[float]:
    """Return the seconds of processor of each."""
    return [measure.cpu for measure in measures]


def peak(measures: Sequence[Measure]) -> list[float]:
    """Return the MB of each."""
    return [measure.peak for measure in measures]


def in_turn(tasks: Sequence[Callable[[], Measure]], times: int) -> list[list[Measure]]:
    """Run A B A B …; return the samples of each task. Before each run, pending writes are flushed to the disk."""
    samples: list[list[Measure]] = [[] for _ in tasks]
    for _ in range(times):
        for task, measures in zip(tasks, samples, strict=True):
            os.sync()
            measures.append(task())
    return samples
