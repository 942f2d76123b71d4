"""The child process that reads an untrusted file: its limits, and what ends it."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import IO

import pytest

from common.apart import Budget, ChildFailedError, TooMuchWorkError, run_apart
from tests.parts.town import ROOT
from tests.parts.wait import PATIENCE_SECONDS, wait_until

ROOM = Budget(cpu_seconds=60, memory_bytes=600 << 20, wait_seconds=300, most_bytes=1 << 20)


def count_up(file: IO[bytes], until: int) -> Iterator[object]:
    yield from ([number, file.read(1).decode()] for number in range(until))


def compute(_file: IO[bytes]) -> Iterator[object]:
    yield sum(itertools.count())


def hoard(_file: IO[bytes]) -> Iterator[object]:
    yield len(bytearray(1 << 30))


def sleep(_file: IO[bytes]) -> Iterator[object]:
    yield os.getpid()
    sys.stdout.flush()
    time.sleep(100)


def doze(_file: IO[bytes], *_about: object) -> Iterator[object]:
    time.sleep(100)
    yield ""


def flood(_file: IO[bytes]) -> Iterator[object]:
    yield os.getpid()
    yield from ("x" * 1000 for _ in range(4000))


def swell(_file: IO[bytes]) -> Iterator[object]:
    yield "x" * (8 << 20)


def stumble(_file: IO[bytes]) -> Iterator[object]:
    yield 1
    raise KeyError("DUPONT")


def die(_file: IO[bytes]) -> Iterator[object]:
    yield 1
    os.kill(os.getpid(), signal.SIGKILL)


def write(_file: IO[bytes], path: str) -> Iterator[object]:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with suppress(OSError):
        Path(path).write_text("x", encoding="utf-8")
    yield Path(path).stat().st_size


def name_secrets(_file: IO[bytes]) -> Iterator[object]:
    yield sorted(os.environ)


def lead(_file: IO[bytes]) -> Iterator[object]:
    yield os.getsid(0) == os.getpid()


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Iterator[IO[bytes]]:
    (tmp_path / "file").write_bytes(b"abc")
    with (tmp_path / "file").open("rb") as file:
        yield file


def test_values_come_back_in_order(file: IO[bytes]) -> None:
    assert list(run_apart(count_up, [file], ROOM, 3)) == [[0, "a"], [1, "b"], [2, "c"]]


@pytest.mark.parametrize(
    ("parser", "budget", "reason"),
    [
        (compute, ROOM._replace(cpu_seconds=1), "prend trop de temps"),
        (sleep, ROOM._replace(wait_seconds=2), "n'avance plus"),
        (hoard, ROOM, "demande trop de mémoire"),
        (flood, ROOM, "donne trop de données"),
        (swell, ROOM._replace(most_bytes=1 << 30), "donne trop de données"),
    ],
)
def test_a_parser_ends_at_its_limit(
    file: IO[bytes], parser: Callable[..., Iterator[object]], budget: Budget, reason: str
) -> None:
    with pytest.raises(TooMuchWorkError, match=reason):
        list(run_apart(parser, [file], budget))


@pytest.mark.parametrize(("parser", "said"), [(stumble, "'KeyError'"), (die, "-9")])
def test_a_parser_that_fails_never_passes_for_one_that_ended(
    file: IO[bytes], parser: Callable[..., Iterator[object]], said: str
) -> None:
    with pytest.raises(ChildFailedError, match=f"^{re.escape(said)}$"):
        list(run_apart(parser, [file], ROOM))


def test_a_parser_writes_no_file_and_knows_no_secret(
    file: IO[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECTURE_WEB_SECRET", "x" * 32)
    assert list(run_apart(write, [file], ROOM, str(tmp_path / "written"))) == [0]
    [known] = run_apart(name_secrets, [file], ROOM)
    assert "PREFECTURE_WEB_SECRET" not in known


def test_the_ctrl_c_of_a_terminal_reaches_the_caller_only(file: IO[bytes]) -> None:
    """The worker finishes its file, as after SIGTERM."""
    assert list(run_apart(lead, [file], ROOM)) == [True]


@pytest.mark.parametrize(("parser", "by"), [(sleep, "close"), (sleep, "check"), (flood, "check")])
def test_a_parser_is_killed_once_its_file_is_given_up(
    file: IO[bytes], parser: Callable[..., Iterator[object]], by: str
) -> None:
    started, begun = list[int](), time.monotonic()

    def give_up() -> None:
        if started:
            raise InterruptedError

    with closing(run_apart(parser, [file], ROOM, check=give_up)) as values:
        started.append(pid := next(values))
        if by == "check":
            with pytest.raises(InterruptedError):
                list(values)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert time.monotonic() < begun + PATIENCE_SECONDS, "killed, and not waited for"


def test_a_parser_dies_with_the_process_that_started_it() -> None:
    reader = (
        "from common.apart import run_apart\nfrom tests.unit.test_apart import ROOM, sleep\n"
        "for pid in run_apart(sleep, [open('/dev/null', 'rb')], ROOM): print(pid, flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", reader], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.kill()

    def is_gone() -> bool:
        try:
            return (
                Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
                == "Z"
            )
        except FileNotFoundError:
            return True

    wait_until(is_gone, message="the child ends")
