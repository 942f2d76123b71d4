"""What it costs to read a file, as a child process and as its caller do: run by a process that has their limits."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

import openpyxl  # noqa: F401 — its memory is not the file's

from common.file_kind import UnreadableArchiveError
from producers.web.verifier.diagnosis import examine_all
from schemas.profiles.source import read_reu
from worker.errors import ImportRefusedError
from worker.registre.imports.file import find_titles, split_file
from worker.registre.imports.lines import clean_fields
from worker.registre.imports.sources import Record
from worker.registre.reu.guess import describe_matching
from worker.registre.reu.lines import open_reu


def measure(file: IO[bytes], width: int) -> Iterator[object]:
    """Read the file as an import and as /verifier do, and match it; yield the seconds of the processor and the MiB."""
    seconds, size = time.process_time(), _peak()
    with suppress(ImportRefusedError, UnreadableArchiveError):
        found: list[Any] = list(find_titles(_path(file).open("rb")))
        for _, about, _ in found:
            for _, fields in cast(
                "Iterator[Record]", split_file(_path(file).open("rb"), about, width)
            ):
                with suppress(ValueError):
                    clean_fields(list(fields))
    with suppress(ImportRefusedError):
        describe_matching(open_reu(_path(file), read_reu(), {}), read_reu(), {})
    list(examine_all(file, "fichier.csv"))
    yield time.process_time() - seconds, _peak() - size


def _path(file: IO[bytes]) -> Path:
    """Return a path to open the file once more: a reader closes it."""
    return Path(f"/proc/self/fd/{file.fileno()}")


def _peak() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
