"""The report of rejected lines: a CSV that the clerk opens in a spreadsheet, beside the file that was imported."""

import csv
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from worker.errors import ImportRefusedError
from worker.registre.reu import Rejection

HEADER = ("Ligne", "Colonne", "Motif")
_FIRST_LINE = ";".join(HEADER).encode("utf-8-sig")


def default_report(path: Path) -> Path:
    """Where the report of an import of this file goes, unless told otherwise."""
    return path.with_name(f"{path.stem}-rejets.csv")


class RejectReport:
    """Writes each rejected line as it comes, and counts them by reason. Without one, no file is left."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reasons: Counter[str] = Counter()
        self._writer: Any = None
        self._files = ExitStack()

    def __enter__(self) -> Self:
        try:
            if self.path.exists():
                self._remove_earlier()
        except OSError as error:
            raise self._refusal(error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._files.close()
        except OSError as fault:
            raise self._refusal(fault) from None

    @property
    def written(self) -> Path | None:
        """The report, when there is one."""
        return self.path if self.reasons else None

    def add(self, rejection: Rejection) -> None:
        """Write one line.

        Raises:
            ImportRefusedError: the report cannot be written.
        """
        self.reasons[rejection.reason] += 1
        try:
            if self._writer is None:
                file = self._files.enter_context(self.path.open("w", encoding="utf-8-sig", newline=""))
                self._writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
                self._writer.writerow(HEADER)
            self._writer.writerow(rejection)
        except OSError as error:
            raise self._refusal(error) from None

    def _remove_earlier(self) -> None:
        """Remove the report of an earlier attempt, and nothing else: the path may have been mistyped."""
        with self.path.open("rb") as file:
            is_ours = file.readline(len(_FIRST_LINE)) == _FIRST_LINE
        if not is_ours:
            raise ImportRefusedError(f"{self.path} existe et n'est pas un rapport de rejets ; donnez un autre --report")
        self.path.unlink()

    def _refusal(self, error: OSError) -> ImportRefusedError:
        return ImportRefusedError(
            f"le rapport des rejets {self.path} ne peut pas être écrit ({error.strerror}) ; "
            "choisissez un autre endroit avec --report"
        )
