"""A workbook (.xlsx) to import, read row by row by openpyxl; defusedxml, which it finds by itself, refuses XML bombs.

Memory holds one row, the texts that the workbook keeps apart from its rows, and an empty element for each row read:
MOST_BYTES bounds them (122 MB for 300,000 electors).
"""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from common.file_kind import UnreadableArchiveError, open_archive
from common.french import count_of
from worker.errors import ImportRefusedError
from worker.registre.imports.records import Broken, Columns, Record, Wanted, match_titles

if TYPE_CHECKING:
    from openpyxl import Workbook

MOST_BYTES = 256 << 20
"""Of all that a workbook holds, once out of its ZIP: some 300,000 electors. More are to be given as CSV."""

_MOST_ROWS = 1 << 20
"""Those of a sheet (ECMA-376, and every spreadsheet)."""
_MOST_COLUMNS = 256
"""Looked at in the row of titles."""
_ROWS_ABOVE = 30
_ERRORS = frozenset({"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"})


@dataclass
class Sheet:
    """The sheet of a workbook that holds what is imported, known by its titles."""

    name: str
    titles: Sequence[str]
    wanted: Wanted
    _lost_zeros: Counter[str] = field(default_factory=Counter)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a clerk should know about the file, in French; once it is read, which codes have lost their zeros."""
        said = f"classeur lu par sa feuille « {self.name} » ; l'export CSV d'origine est plus sûr qu'un classeur"
        if not self._lost_zeros:
            return (said,)
        cells = ", ".join(f"{title} ({count})" for title, count in self._lost_zeros.items())
        many = count_of(self._lost_zeros.total(), "code a", "codes ont")
        return said, f"{many} perdu des zéros, le tableur les tient pour des nombres : {cells}"

    def iter_records(self, stream: BinaryIO, columns: Columns) -> Iterator[Record]:
        """The rows below the titles, each with its number in the sheet."""
        places = columns.positions
        digits = {places[name]: most for name, most in self.wanted.digits.items() if name in places}
        width, repeated = columns.width, list(self.titles)
        with _open_workbook(stream, self.wanted) as workbook:
            for number, cells in enumerate(_iter_rows(_sheets_of(workbook)[self.name], width + 1), 1):
                if number > _MOST_ROWS:
                    raise self.wanted.refuse("la feuille a plus de lignes qu'un tableur n'en écrit")
                fields = [_text_of(cell) for cell in cells]
                if number == 1 or not any(fields):
                    continue
                for place, most in digits.items():
                    if isinstance(cells[place], int | float) and len(fields[place]) < most:
                        self._lost_zeros[self.titles[place]] += 1
                yield number, _check(fields, width, repeated)


def _check(fields: list[str], width: int, titles: list[str]) -> list[str] | Broken:
    if not _ERRORS.isdisjoint(fields):
        return Broken.CELL
    if not fields[width]:
        del fields[width]
    return Broken.TITLES if fields == titles else fields


def open_sheet(stream: BinaryIO, wanted: Wanted) -> tuple[Sheet, Columns]:
    """Find the one visible sheet whose first row has the titles.

    Raises:
        ImportRefusedError: none has them, or several have; the workbook is damaged, or too large.
    """
    found: list[tuple[Sheet, Columns]] = []
    refusals: list[ImportRefusedError] = []
    with _open_workbook(stream, wanted) as workbook:
        for sheet in _sheets_of(workbook).values():
            if sheet.sheet_state != "visible":
                continue
            try:
                titles, columns = match_titles(_first_rows(sheet), wanted)
            except ImportRefusedError as refusal:
                refusals.append(refusal)
            else:
                found.append((Sheet(sheet.title, titles, wanted), columns))
    if len(found) > 1:
        names = ", ".join(f"« {sheet.name} »" for sheet, _ in found)
        raise ImportRefusedError(f"plusieurs feuilles de ce classeur ont ces titres ({names}) ; n'en gardez qu'une")
    if not found:
        raise refusals[0] if refusals else wanted.refuse("ce classeur n'a aucune feuille lisible")
    return found[0]


class _Rows(Protocol):
    """What openpyxl gives for a sheet that is only read."""

    title: str
    sheet_state: str

    def reset_dimensions(self) -> None: ...

    def iter_rows(self, *, max_col: int, max_row: int | None, values_only: bool) -> Iterator[Sequence[object]]: ...


def _sheets_of(workbook: "Workbook") -> dict[str, _Rows]:
    return {sheet.title: sheet for sheet in cast("list[_Rows]", workbook.worksheets)}


def _first_rows(sheet: _Rows) -> Iterator[Sequence[str]]:
    for cells in _iter_rows(sheet, _MOST_COLUMNS, _ROWS_ABOVE):
        fields = [_text_of(cell) for cell in cells]
        while fields and not fields[-1]:
            fields.pop()
        yield fields


def _iter_rows(sheet: _Rows, width: int, most: int | None = None) -> Iterator[Sequence[object]]:
    sheet.reset_dimensions()  # what the sheet says of its size may be wrong, and rows beyond it would not be read
    return sheet.iter_rows(max_col=width, max_row=most, values_only=True)


def _text_of(cell: object) -> str:
    """The value as an export writes it: whole numbers without decimals, dates `JJ/MM/AAAA`."""
    match cell:
        case None:
            return ""
        case str():
            return cell
        case date():
            return f"{cell:%d/%m/%Y}"
        case float() if cell.is_integer():
            return str(int(cell))
    return str(cell)


@contextmanager
def _open_workbook(stream: BinaryIO, wanted: Wanted) -> Iterator["Workbook"]:
    """The workbook, for as long as its rows are read; no formula is computed, no macro and no link looked at."""
    from openpyxl import load_workbook

    try:
        with open_archive(stream, MOST_BYTES):
            pass
    except UnreadableArchiveError:
        raise wanted.refuse("ce classeur est abîmé, protégé ou trop grand (plus de 256 Mo hors de son ZIP)") from None
    stream.seek(0)
    workbook = None
    try:
        with warnings.catch_warnings(action="ignore"):  # of styles and extensions, which do not matter here
            workbook = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
            yield workbook
    except (ImportRefusedError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 — whatever a damaged workbook makes of openpyxl
        raise wanted.refuse(f"ce classeur est abîmé ({type(error).__name__})") from None
    finally:
        if workbook is not None:
            workbook.close()
