"""One pass over a REU export: electors out, rejected lines aside, counts on the way."""

from collections import Counter
from collections.abc import Callable, Container, Iterator
from typing import BinaryIO

from worker.errors import ImportRefusedError
from worker.registre.bureaux import Bureau
from worker.registre.reu import FIELDS, LineError, LineParser, Rejection, Row
from worker.registre.reu_file import ReuFile, unreadable
from worker.registre.versions import Liste

_KEY = slice(FIELDS.index("code_commune"), FIELDS.index("liste") + 1)


class Reading:
    """What was read of the file so far."""

    def __init__(self, reu: ReuFile, communes: Container[str], reject: Callable[[Rejection], None]) -> None:
        """Lines of communes that are not in `communes` are rejected; each rejected line goes to `reject`."""
        self.lines_read = 0
        self.lines_kept = 0
        self.values_cleaned = 0
        self._reu = reu
        self._reject = reject
        self._parser = LineParser(reu.columns, communes)
        self._counts: Counter[Row] = Counter()
        self._stream: BinaryIO | None = None

    @property
    def share(self) -> float:
        """How much of the file was read, 0 to 1."""
        if self._stream is None:
            return 0
        return 1 if self._stream.closed else self._stream.tell() / self._reu.size

    @property
    def listes(self) -> dict[Liste, int]:
        """The electors of each list."""
        return {Liste(str(commune), str(liste)): count for (commune, liste), count in self._counts.items()}

    @property
    def bureaux(self) -> list[Bureau]:
        """The bureaux of the communes that have an elector."""
        communes = {liste.code_commune for liste in self.listes}
        return [bureau for bureau in self._parser.bureaux.values() if bureau.code_commune in communes]

    def rows(self) -> Iterator[Row]:
        """The electors, in the order of the file.

        Raises:
            ImportRefusedError: the file cannot be read to its end, or changes while it is read.
        """
        cleaned = FIELDS.index("nettoyages")
        try:
            with self._reu.path.open("rb") as self._stream:
                for row in self._parse(self._stream):
                    self.lines_kept += 1
                    self._counts[row[_KEY]] += 1
                    self.values_cleaned += int(row[cleaned] or 0)
                    yield row
            has_changed = self._reu.has_changed()
        except OSError as error:
            raise unreadable(self._reu.path, error) from None
        if has_changed:
            raise ImportRefusedError(f"{self._reu.path.name} a changé pendant sa lecture ; recommencez l'import")

    def _parse(self, stream: BinaryIO) -> Iterator[Row]:
        for line, fields in self._reu.iter_records(stream):
            self.lines_read += 1
            try:
                yield self._parser.parse(fields)
            except LineError as error:
                self._reject(Rejection(line, error.column, error.reason))
