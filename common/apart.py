"""Runs the parser of untrusted data in a child process that has limits, and none of the caller's environment.

The child inherits the open files, writes no file, and returns its values as lines of JSON. `python -m common.apart` is
the child. Closing the iterator kills it; so does the end of the caller's thread.
"""

import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

_ROOT = Path(__file__).parents[1]
_PIECE = 1 << 18
_MOST_LINE = 4 << 20
"""Bytes of one value, as JSON."""
_FAILED = b"!"
"""Begins the last line of a child that fails: the name of the exception and its message follow."""
_PR_SET_PDEATHSIG = 1


class Budget(NamedTuple):
    """The limits of a child: processor time, address space, the time that its caller waits for it, bytes returned."""

    cpu_seconds: int
    memory_bytes: int
    wait_seconds: float
    most_bytes: int


class TooMuchWorkError(Exception):
    """The child reached a limit; the message is a French verb without its subject."""


class ChildFailedError(Exception):
    """The child ended before its end, at no limit of its own; the message is the name of the exception or the code."""


def run_apart(
    parser: Callable[..., Iterable[object]],
    files: Sequence[IO[bytes]],
    budget: Budget,
    *about: object,
    refusals: Sequence[type[Exception]] = (),
    check: Callable[[], object] = int,
) -> Generator[Any, None, None]:
    """Yield the values of `parser(*files, *about)`, a function of a module; files and values cross as JSON.

    `refusals`: exceptions of the parser that are raised again here with their message. `check` is called for each
    piece of them, and each second while the caller waits; an exception that it raises kills the child.

    Raises:
        TooMuchWorkError: the child reached a limit.
        ChildFailedError: the parser raised another exception, or the child was killed.
    """
    for file in files:
        file.flush()
    descriptors = [file.fileno() for file in files]
    limits = f"{budget.cpu_seconds} {budget.memory_bytes}"
    names = " ".join([parser.__module__, parser.__name__, *(it.__name__ for it in refusals)])
    child = subprocess.Popen(  # noqa: S603 — this module
        [
            sys.executable,
            "-m",
            "common.apart",
            limits,
            names,
            json.dumps(about),
            *map(str, descriptors),
        ],
        cwd=_ROOT,
        env={"LC_ALL": "C.UTF-8"},
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches the caller only
    )
    with child:
        try:
            for line in _read_lines(cast("IO[bytes]", child.stdout), budget, check):
                if line.startswith(_FAILED):
                    raise _failure(json.loads(line[1:]), refusals)
                yield json.loads(line)
            code = child.wait(budget.wait_seconds)
        finally:
            child.kill()
    if code == -signal.SIGXCPU:
        raise TooMuchWorkError("prend trop de temps")
    if code:
        raise ChildFailedError(str(code))


def _read_lines(pipe: IO[bytes], budget: Budget, check: Callable[[], object]) -> Iterator[bytes]:
    seconds, left, rest = budget.wait_seconds, budget.most_bytes, b""
    poll = select.poll()
    poll.register(pipe)
    while True:
        begun = time.monotonic()
        is_there = bool(poll.poll(1000))
        piece = os.read(pipe.fileno(), _PIECE) if is_there else b""
        seconds -= time.monotonic() - begun
        if is_there and not piece:
            return
        if seconds < 0:
            raise TooMuchWorkError("n'avance plus")
        check()
        left -= len(piece)
        *lines, rest = (rest + piece).split(b"\n")
        if left < 0 or len(rest) > _MOST_LINE:
            raise TooMuchWorkError("donne trop de données")
        yield from lines


def _failure(said: Sequence[str], refusals: Sequence[type[Exception]]) -> Exception:
    name, message = said
    if name == "MemoryError":
        return TooMuchWorkError("demande trop de mémoire")
    return next(
        (it(message) for it in refusals if it.__name__ == name), ChildFailedError(ascii(name[:80]))
    )


def _be_the_child(limits: str, names: str, about: str, *descriptors: str) -> None:
    cpu_seconds, memory_bytes = map(int, limits.split())
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    module, parser, *refusals = names.split()
    files = [open(int(descriptor), "rb") for descriptor in descriptors]  # noqa: PTH123, SIM115 — until the end
    write = sys.stdout.buffer.write
    encode = json.JSONEncoder(separators=(",", ":")).encode
    try:
        for value in getattr(import_module(module), parser)(*files, *json.loads(about)):
            write(encode(value).encode() + b"\n")
    except Exception as error:  # noqa: BLE001 — the message of an unknown one may quote the file
        name = type(error).__name__
        write(_FAILED + encode([name, str(error) if name in refusals else ""]).encode() + b"\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _be_the_child(*sys.argv[1:])
