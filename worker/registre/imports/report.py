"""The reports of an import: CSV files that the clerk opens in a spreadsheet, beside the file that was imported."""

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from common.french import count_of, format_number
from common.spreadsheet import ENCODING, SEPARATOR, SheetWriter
from worker.errors import ImportRefusedError
from worker.registre.imports.lines import Rejection
from worker.registre.imports.summary import describe_reasons


class ReportKind(NamedTuple):
    """What tells reports of one kind from other files, and what is said when one cannot be written."""

    header: tuple[str, ...]
    name: str
    """« le rapport … »."""
    is_another_file: str
    """« … existe et … ; … »: why the file that is there is not replaced."""
    advice: str


REJECTS = ReportKind(
    ("Ligne", "Colonne", "Motif"),
    "le rapport des rejets",
    "n'est pas un rapport de rejets ; donnez un autre --report",
    "choisissez un autre endroit avec --report",
)


def default_report(path: Path) -> Path:
    """Where the report of an import of this file goes, unless told otherwise."""
    return path.with_name(f"{path.stem}-rejets.csv")


class ReportFile:
    """Writes lines as they come. Without one, no file is left; one of an earlier attempt is replaced."""

    def __init__(self, path: Path, kind: ReportKind) -> None:
        self.path = path
        self._kind = kind
        self._writer: SheetWriter | None = None
        self._files = ExitStack()

    def __enter__(self) -> Self:
        try:
            if self.path.exists():
                self._remove_former()
        except OSError as error:
            raise self._not_written(error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._files.close()
        except OSError as fault:
            raise self._not_written(fault) from None

    @property
    def written(self) -> Path | None:
        """The report, when there is one."""
        return self.path if self._writer else None

    def write(self, line: Iterable[object]) -> None:
        """Write one line, in which no value can become a formula of the spreadsheet.

        Raises:
            ImportRefusedError: the report cannot be written.
        """
        try:
            if self._writer is None:
                file = self._files.enter_context(self.path.open("w", encoding=ENCODING, newline=""))
                self._writer = SheetWriter(file)
                self._writer.write(self._kind.header)
            self._writer.write(line)
        except OSError as error:
            raise self._not_written(error) from None

    def _remove_former(self) -> None:
        """Remove the report of an earlier attempt, and nothing else: the path may have been mistyped."""
        first_line = SEPARATOR.join(self._kind.header).encode(ENCODING)
        with self.path.open("rb") as file:
            is_ours = file.readline(len(first_line)) == first_line
        if not is_ours:
            raise ImportRefusedError(f"{self.path} existe et {self._kind.is_another_file}")
        self.path.unlink()

    def _not_written(self, error: OSError) -> ImportRefusedError:
        return ImportRefusedError(
            f"{self._kind.name} {self.path} ne peut pas être écrit ({error.strerror}) ; {self._kind.advice}"
        )


class RejectReport(ReportFile):
    """Writes each rejected line, and counts them by reason."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, REJECTS)
        self.reasons: Counter[str] = Counter()

    def add(self, rejection: Rejection) -> None:
        """Write one line.

        Raises:
            ImportRefusedError: the report cannot be written.
        """
        self.reasons[rejection.reason] += 1
        self.write(rejection)

    def refusal(self, lines_read: int, advice: str) -> ImportRefusedError:
        """The refusal of a file whose rejected lines are not accepted; `advice`: what the clerk can do."""
        return ImportRefusedError(
            f"{count_of(self.reasons.total(), 'ligne rejetée')} sur {format_number(lines_read)} : "
            f"{describe_reasons(self.reasons)}. Le détail est dans {self.path}. {advice}"
        )


CORRECT_OR_ACCEPT = "Corrigez le fichier, ou acceptez de perdre ces lignes avec --accept-rejects."
"""The usual advice."""
