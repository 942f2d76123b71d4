"""The objects of a PDF 1.4 file, each written as soon as it is complete: only their places are kept."""

import zlib
from hashlib import sha256

from worker.domain.texte import clean
from worker.pdf.sink import Sink

_FAST = 1
"""8 % larger than zlib's usual level, in half the time."""


class Document:
    """A file being written. Objects are known by their number."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._digest = sha256()
        self._length = 0
        self._places: list[int] = []
        self._write(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")

    def reserve(self) -> int:
        """The number of an object to be added later."""
        self._places.append(0)
        return len(self._places)

    def add(self, body: bytes, number: int | None = None) -> int:
        """Write an object."""
        number = number or self.reserve()
        self._places[number - 1] = self._length
        self._write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
        return number

    def add_stream(self, entries: bytes, data: bytes, number: int | None = None, *, is_plain: bool = False) -> int:
        """Write a stream; `entries`: what its dictionary says besides length and filter."""
        if not is_plain:
            data = zlib.compress(data, _FAST)
            entries += b"/Filter/FlateDecode"
        return self.add(b"<<%b/Length %d>>\nstream\n%b\nendstream" % (entries, len(data), data), number)

    def finish(self, catalog: int, info: int) -> None:
        """Write where everything is. The file's identifier is that of its content."""
        identifier = self._digest.hexdigest()[:32].encode()
        start, size = self._length, len(self._places) + 1
        table = [b"xref\n0 %d\n0000000000 65535 f \n" % size]
        table += [b"%010d 00000 n \n" % place for place in self._places]
        table.append(
            b"trailer\n<</Size %d/Root %d 0 R/Info %d 0 R/ID[<%b><%b>]>>\nstartxref\n%d\n%%%%EOF\n"
            % (size, catalog, info, identifier, identifier, start)
        )
        self._write(b"".join(table))

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self._length += len(data)
        self._sink.write(data)


def text_string(text: str) -> bytes:
    """A string outside of the pages: a title, a bookmark."""
    return b"<FEFF%b>" % clean(text).encode("utf-16-be").hex().upper().encode()


def references(numbers: list[int]) -> bytes:
    """An array of objects."""
    return b"[%b]" % b" ".join(b"%d 0 R" % number for number in numbers)
