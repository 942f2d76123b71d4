"""The structure of a document, for who hears it: titles, paragraphs, tables, in the order they are read.

ReportLab knows no tags. What is drawn is marked on the page, each mark with its number there; the elements of the tree
are written with the page that they are drawn on, since those of a long table are a hundred thousand, and each is an
object that the tree of parents names. ISO 32000-1, 14.7; PDF/UA-1 (ISO 14289-1), 7.1 and 7.5.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from reportlab.pdfgen.canvas import Canvas

from worker.pdf.document import Document, find_starts

_HEADER = "/Artifact<</Type/Pagination/Attached[/Top]/Subtype/Header>>BDC"
_SCOPE = "TH/A<</O/Table/Scope/{}>>"
TITLE, ROW_TITLE, VALUE = _SCOPE.format("Column"), _SCOPE.format("Row"), "TD"
"""What a cell of a table is: the title of its column, that of its row, or a value."""


def as_header(operators: str) -> str:
    """These operators as what each page says again: seen, but not read."""
    return f"{_HEADER}\n{operators}\nEMC"


class TableTag:
    """A table of the tree; it may go on from page to page."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.rows = array("L")


class _Rows(NamedTuple):
    """Rows of one table on one page, one after the other: an object for each, and for each of its cells."""

    table: TableTag
    cells: tuple[str, ...]
    height: int
    first: int

    def write(self, document: Document, mark: int, page: int) -> bytes:
        """Write their objects; the references to the cells, whose marks follow one another from this one."""
        template = _template(self.cells, self.height, mark)
        objects = range(self.first, self.first + self.height * (len(self.cells) + 1))
        numbers = [*map(b"%d".__mod__, (page, self.table.number, *objects))]
        block = template.format % template.numbers(numbers)
        document.add_block(block, self.first, template.find_starts(block, numbers))
        return b" 0 R ".join(template.cells(numbers)) + b" 0 R"


_Pick = Callable[[Sequence[bytes]], tuple[bytes, ...]]


class _Template(NamedTuple):
    """Rows as a format: pages of a long table have as many often. Numbers: the page, the table, then the objects."""

    format: bytes
    numbers: _Pick
    """Those that the format wants, in their order."""
    cells: _Pick
    starts: dict[tuple[int, ...], Sequence[int]]

    def find_starts(self, block: bytes, numbers: Sequence[bytes]) -> Sequence[int]:
        """Where its objects are: at the same places whenever numbers have as many digits."""
        page, table, first, last = map(len, (*numbers[:3], numbers[-1]))
        if first != last:
            return find_starts(block)
        return self.starts.get((page, table, first)) or self.starts.setdefault((page, table, first), find_starts(block))


@lru_cache(maxsize=64)
def _template(cells: tuple[str, ...], height: int, mark: int) -> _Template:
    page, table, first = range(3)
    objects: list[str] = []
    numbers: list[int] = []
    of_cells: list[int] = []
    for row in range(first, first + height * (len(cells) + 1), len(cells) + 1):
        kids = range(row + 1, row + 1 + len(cells))
        objects.append("%b 0 obj\n<</S/TR/P %b 0 R/K[" + " ".join(["%b 0 R"] * len(cells)) + "]>>\nendobj\n")
        numbers += (row, table, *kids)
        for number, cell in zip(kids, cells, strict=True):
            objects.append(f"%b 0 obj\n<</S/{cell}/P %b 0 R/Pg %b 0 R/K {mark + len(of_cells)}>>\nendobj\n")
            numbers += (number, row, page)
            of_cells.append(number)
    return _Template("".join(objects).encode(), itemgetter(*numbers), itemgetter(*of_cells), {})


class _Leaf(NamedTuple):
    """What one mark is: a title, a paragraph."""

    number: int
    role: str


class Marks:
    """Says what each thing drawn is, to nobody: in a form, which pages show as a whole, nothing is tagged."""

    @contextmanager
    def element(self, _role: str) -> Iterator[None]:
        """What is drawn meanwhile is a title (`H1`, `H2`…) or a paragraph (`P`)."""
        yield

    @contextmanager
    def cell(self, _role: str, _index: int) -> Iterator[None]:
        """What is drawn meanwhile is this cell of the row that is added next."""
        yield

    @contextmanager
    def artifact(self) -> Iterator[None]:
        """What is drawn meanwhile is not read: a line, a seal's place."""
        yield


class Tags(Marks):
    """Says it to who hears the document: marks on the pages, and the tree that names them."""

    def __init__(self, canvas: Canvas, document: Document) -> None:
        self.mark = 0
        """The number of the next mark on the page."""
        self._canvas, self._document = canvas, document
        self._pending: list[_Leaf | _Rows] = []
        self._kids = array("L")
        self._pages = array("L")
        self._root, self._top = document.reserve(), document.reserve()
        document.begin_structure(self._root, self._write_page)

    @contextmanager
    def element(self, role: str) -> Iterator[None]:
        """Mark it, as a child of the document."""
        with self.cell(role, 0):
            yield
        number = self._document.reserve()
        self._kids.append(number)
        self._pending.append(_Leaf(number, role))
        self.mark += 1

    @contextmanager
    def cell(self, role: str, index: int) -> Iterator[None]:
        """Mark it."""
        with self._marked(f"/{role}<</MCID {self.mark + index}>>BDC"):
            yield

    @contextmanager
    def artifact(self) -> Iterator[None]:
        """Mark it as such."""
        with self._marked("/Artifact BMC"):
            yield

    def begin_table(self) -> TableTag:
        """A table comes next."""
        number = self._document.reserve()
        self._kids.append(number)
        return TableTag(number)

    def add_rows(self, table: TableTag, cells: Sequence[str], count: int = 1) -> None:
        """Rows whose cells have each its mark, in their order."""
        across = len(cells)
        first = self._document.reserve(count * (across + 1))
        table.rows.extend(range(first, first + count * (across + 1), across + 1))
        self._pending.append(_Rows(table, tuple(cells), count, first))
        self.mark += count * across

    def end_table(self, table: TableTag) -> None:
        """The table has no more rows."""
        self._add_parent("Table", table.number, self._top, table.rows)

    def finish(self) -> None:
        """Write the tree's root, once the last page is written."""
        self._add_parent("Document", self._top, self._root, self._kids)
        pages = " ".join(f"{key} {number} 0 R" for key, number in enumerate(self._pages))
        parents = f"/ParentTree<</Nums[{pages}]>>/ParentTreeNextKey {len(self._pages)}"
        self._document.add(f"<</Type/StructTreeRoot/K[{self._top} 0 R]{parents}>>".encode(), self._root)

    @contextmanager
    def _marked(self, begin: str) -> Iterator[None]:
        self._canvas.addLiteral(begin)
        yield
        self._canvas.addLiteral("EMC")

    def _write_page(self, page: int) -> int:
        """Write the elements of a page; its key in the tree of parents."""
        document, mark, references = self._document, 0, []
        for each in self._pending:
            if isinstance(each, _Rows):
                references.append(each.write(document, mark, page))
                mark += each.height * len(each.cells)
            else:
                body = f"<</S/{each.role}/P {self._top} 0 R/Pg {page} 0 R/K {mark}>>"
                document.add(body.encode(), each.number)
                references.append(b"%d 0 R" % each.number)
                mark += 1
        number = document.reserve()
        document.add(b"[%b]" % b" ".join(references), number)
        self._pages.append(number)
        self._pending.clear()
        self.mark = 0
        return len(self._pages) - 1

    def _add_parent(self, role: str, number: int, parent: int, kids: Iterable[int]) -> None:
        references = b" ".join(map(b"%d 0 R".__mod__, kids))
        self._document.add(b"<</S/%b/P %d 0 R/K[%b]>>" % (role.encode(), parent, references), number)
