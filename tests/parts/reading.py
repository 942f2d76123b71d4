"""What it costs to read a file: run by the child process that has the limits of an import."""

import time
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, cast

import openpyxl  # noqa: F401 — its memory is not the file's

from common.file_kind import UnreadableArchiveError
from producers.web.verifier.diagnosis import examine_all
from worker.errors import ImportRefusedError
from worker.registre.imports.file import find_titles, split_file
from worker.registre.imports.lines import clean_fields
from worker.registre.imports.sources import Record


def measure(file: IO[bytes], width: int) -> Iterator[object]:
    """Read the file as an import and as /verifier do; yield the seconds of the processor and the MiB."""
    seconds, size = time.process_time(), _peak()
    with suppress(ImportRefusedError, UnreadableArchiveError):
        found: list[Any] = list(find_titles(_again(file)))
        for _, about, _ in found:
            for _, fields in cast("Iterator[Record]", split_file(_again(file), about, width)):
                with suppress(ValueError):
                    clean_fields(list(fields))
    list(examine_all(file, "fichier.csv"))
    yield time.process_time() - seconds, _peak() - size


def _again(file: IO[bytes]) -> BufferedReader:
    """Open the file once more: a reader closes it."""
    return Path(f"/proc/self/fd/{file.fileno()}").open("rb")


def _peak() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
