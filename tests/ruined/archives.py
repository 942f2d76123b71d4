"""Archives and workbooks of the catalogue: made whole, then damaged in the right places."""

import io
import struct
import zipfile
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from random import Random

from openpyxl import Workbook

from tests.unit.reu_sample import TITLES, electeurs

_CENTRAL = b"PK\1\2"
_FLAGS, _SIZE = 8, 24
"""Offsets in an entry of the central directory (PKWARE APPNOTE 6.3.10, 4.3.12)."""
_NAMESPACE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
SHEET = f'<sheet xmlns:r="{_NAMESPACE}" name="x" sheetId="1" r:id="rId1"/>'
"""Names the first sheet of a workbook once more, in `<sheets>` of `xl/workbook.xml`."""


def pack(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return into.getvalue()


def noise(size: int) -> str:
    """A text of so many characters that no archive makes much smaller; without it, a bomb is known by its ratio."""
    return b64encode(Random(1).randbytes(size * 3 // 4)).decode()


def claim_size(archive: bytes, size: int) -> bytes:
    """The archive, whose first file claims to have this size."""
    place = archive.index(_CENTRAL) + _SIZE
    return archive[:place] + struct.pack("<I", size) + archive[place + 4 :]


def protect(archive: bytes) -> bytes:
    """The archive, whose first file claims to be protected by a password."""
    place = archive.index(_CENTRAL) + _FLAGS
    return archive[:place] + struct.pack("<H", 1) + archive[place + 2 :]


def rows_of(count: int, changes: Mapping[str, object] | None = None) -> list[Sequence[object]]:
    """The titles and the electors of an export; `changes` apply to all, with values of any type of a cell."""
    people = [{**it, **(changes or {})} for it in electeurs(count)]
    return [TITLES, *([it[title] or None for title in TITLES] for it in people)]


def workbook(
    rows: Iterable[Sequence[object]], *more: Iterable[Sequence[object]], hidden: Sequence[int] = ()
) -> bytes:
    """A workbook of one sheet, or of several; the sheets with these numbers are hidden."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for number, lines in enumerate((rows, *more)):
        sheet = book.create_sheet(f"Feuil{number + 1}")
        for line in lines:
            sheet.append(list(line))
        if number in hidden:
            sheet.sheet_state = "hidden"
    into = io.BytesIO()
    book.save(into)
    return into.getvalue()


def rewrite(archive: bytes, part: str, old: str, new: str) -> bytes:
    """The archive with a text replaced in one of its parts; the text must exist."""
    with zipfile.ZipFile(io.BytesIO(archive)) as whole:
        files = {name: whole.read(name) for name in whole.namelist()}
    assert old.encode() in files[part], files[part][:500]
    return pack(files | {part: files[part].replace(old.encode(), new.encode(), 1)})
