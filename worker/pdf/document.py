"""ReportLab's document and canvas, for a PDF/A-1b and PDF/UA-1 file that is written while it is drawn.

ReportLab keeps every page until the end, then joins them. Here a page and its objects are written when the page is
complete: only the offsets of objects stay in memory. The module also writes what identifies a PDF/A-1b (ISO 19005-1)
and a PDF/UA-1 (ISO 14289-1) besides fonts and tags: defined colours, metadata as XMP, a language, a title.

The structure of a document, for screen readers: titles, paragraphs and tables, in the order of reading. ReportLab has
no tags. The content of a page is marked, each mark with its number on the page; the elements of the tree are written
with the page of their content, because those of a long table are a hundred thousand, and each is an object that the
tree of parents names. ISO 32000-1, 14.7; PDF/UA-1 (ISO 14289-1), 7.1 and 7.5.
"""

import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, product
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from reportlab.pdfbase import pdfdoc
from reportlab.pdfgen.canvas import Canvas

from common.files import Sink
from common.texte import clean
from worker.pdf.font import load_face

PAGE_WIDTH, PAGE_HEIGHT = 841.89, 595.28
"""A4, landscape."""

_PROFILE = Path(__file__).parent / "fonts" / "sRGB.icc"
_CREATOR = "Préfecture"
_LANGUAGE = "fr-FR"

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/" \
xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification schema</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name>
<pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of ISO 14289 to which the file conforms</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas>
</rdf:Description>
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" \
xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" \
xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/">
<pdfaid:part>1</pdfaid:part>
<pdfaid:conformance>B</pdfaid:conformance>
<pdfuaid:part>1</pdfuaid:part>
<dc:format>application/pdf</dc:format>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>
<dc:language><rdf:Bag><rdf:li>{language}</rdf:li></rdf:Bag></dc:language>
<xmp:CreatorTool>{creator}</xmp:CreatorTool>
<pdf:Producer>{creator}</pdf:Producer>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""
"""The identification of PDF/UA-1 with its schema, which PDF/A-1 (6.7.8) requires in a separate description."""


class Document(pdfdoc.PDFDocument):
    """A PDF 1.4 file whose pages are written as soon as they are complete."""

    Catalog: Any
    Pages: Any

    def __init__(self, sink: Sink, size: tuple[float, float]) -> None:
        super().__init__(compression=1, invariant=1, pdfVersion=(1, 4), lang=_LANGUAGE)
        self._sink = sink
        self._length = 0
        self._places = array("Q", [0])
        self._resources = self.reserve()
        shared = {"MediaBox": f"[0 0 {size[0]} {size[1]}]", "Resources": f"{self._resources} 0 R"}
        self.Pages.__Defaults__ = {**self.Pages.__Defaults__, **shared}
        self._tree: int = self.idToObjectNumberAndVersion[_reference(self, self.Pages).name][0]
        self._forms: list[str] = []
        self._write(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")

    def begin_structure(self, root: int, write: Callable[[int], int]) -> None:
        """Set the root of the structure tree; `write` writes the structure of a page and returns its parent key."""
        self.Catalog.StructTreeRoot = f"{root} 0 R"
        self.Catalog.MarkInfo = pdfdoc.PDFDictionary({"Marked": pdfdoc.PDFtrue})
        self._write_structure = write

    def reserve(self, count: int = 1) -> int:
        """Reserve the numbers of objects that are added later, and return the first number."""
        first = self.objectcounter + 1
        self.objectcounter += count
        return first

    def add(self, body: bytes, number: int) -> None:
        """Write an object with a reserved number."""
        self.add_all([b"%d 0 obj\n%b\nendobj\n" % (number, body)], number)

    def add_all(self, objects: Sequence[bytes], first: int) -> None:
        """Write whole objects with consecutive numbers."""
        end = first + len(objects)
        if (missing := end - len(self._places)) > 0:
            self._places.frombytes(bytes(missing * self._places.itemsize))
        self._places[first:end] = array(
            "Q", [*accumulate(map(len, objects), initial=self._length)][:-1]
        )
        self._write(b"".join(objects))

    def addPage(self, page: pdfdoc.PDFPage) -> None:  # noqa: N802 — ReportLab's
        """Write a page and release its memory."""
        name = self.thisPageName()
        super().addPage(page)
        number = self.idToObjectNumberAndVersion[name][0]
        # 8 % larger than with the usual level, in half the time
        data, content = (
            zlib.compress(page.stream.encode("latin-1"), zlib.Z_BEST_SPEED),
            self.reserve(),
        )
        self.updateSignature(data)
        self.add(
            b"<</Filter/FlateDecode/Length %d>>\nstream\n%b\nendstream" % (len(data), data), content
        )
        references = self._tree, content, self._write_structure(number)
        self.add(
            b"<</Type/Page/Parent %d 0 R/Contents %d 0 R/StructParents %d>>" % references, number
        )
        objects: dict[str, Any] = self.idToObject
        objects[name] = None
        self.Pages.pages[-1] = pdfdoc.PDFObjectReference(name)

    def addForm(self, name: str, form: pdfdoc.PDFFormXObject) -> None:  # noqa: N802 — ReportLab's
        """Keep a form that many pages show."""
        super().addForm(name, form)
        self._forms.append(name)

    def format(self) -> bytes:
        """Write the objects that the pages share and the table of offsets, and return the trailer."""
        resources = pdfdoc.PDFResourceDictionary(XObject=self.xobjDict(self._forms))
        resources.basicFonts()
        self.add(resources.format(self), self._resources)
        catalog, info = _reference(self, self.Catalog), _reference(self, self.info)
        number = 0
        while (
            number := number + 1
        ) <= self.objectcounter:  # an object may refer to new ones when it is written
            if len(self._places) <= number or not self._places[number]:
                name = self.numberToId[number]
                data = pdfdoc.PDFIndirectObject(name, self.idToObject[name]).format(self)
                if data.endswith(b"endstream\nendobj\n"):
                    data = (
                        data.removesuffix(b"endstream\nendobj\n") + b"\nendstream\nendobj\n"
                    )  # PDF/A-1, 6.1.7
                self.add_all([data], number)
        start, size = self._length, len(self._places)
        self._write(b"xref\n0 %d\n0000000000 65535 f \n" % size)
        for index in range(1, size, 10_000):
            places = self._places[index : index + 10_000]
            self._write(b"%010d 00000 n \n" * len(places) % (*places,))
        return pdfdoc.PDFTrailer(
            startxref=start, Size=size, Root=catalog, Info=info, ID=self.ID()
        ).format(self)

    def _write(self, data: bytes) -> None:
        self._length += len(data)
        self._sink.write(data)


def _reference(document: Document, thing: Any) -> Any:  # noqa: ANN401 — an object of ReportLab, and the reference to it
    return document.Reference(thing)  # type: ignore[no-untyped-call]


class _Info(pdfdoc.PDFInfo):
    """The older form of the metadata, with the same values (PDF/A-1, 6.7.3); without a date, so no clock is read."""

    def format(self, document: pdfdoc.PDFDocument) -> bytes:
        values = {
            "Title": self.title,
            "Author": self.author,
            "Creator": _CREATOR,
            "Producer": _CREATOR,
        }
        strings = {name: pdfdoc.PDFString(value) for name, value in values.items()}
        return bytes(pdfdoc.PDFDictionary(strings).format(document))


def open_canvas(
    sink: Sink, title: str, author: str, size: tuple[float, float] = (PAGE_WIDTH, PAGE_HEIGHT)
) -> tuple[Canvas, Document]:
    """Create a document whose canvas writes to the file page by page."""
    file: Any = sink
    font: Any = load_face("regular").fontName
    canvas: Any = Canvas(file, pagesize=size, initialFontName=font, pageCompression=1)
    canvas._doc = document = Document(sink, size)  # noqa: SLF001 — the canvas creates its own document otherwise
    document.info = _Info()
    canvas.setTitle(clean(title))
    canvas.setAuthor(clean(author))
    canvas.setViewerPreference("DisplayDocTitle", "true")
    catalog = document.Catalog
    # Uncompressed, so that any program can read it (PDF/A-1, 6.7.2).
    names = {"title": escape(clean(title)), "author": escape(clean(author))}
    catalog.Metadata = pdfdoc.XMP(
        creator=lambda _: _XMP.format(**names, language=_LANGUAGE, creator=_CREATOR).encode()
    )
    catalog.__Defaults__ = {
        **catalog.__Defaults__,
        "OutputIntents": pdfdoc.PDFArray([_output_intent(document)]),
    }
    return canvas, document


def _output_intent(document: Document) -> pdfdoc.PDFDictionary:
    """Define the colour space of the greys and the reds (PDF/A-1, 6.2.2)."""
    profile = pdfdoc.PDFStream(
        pdfdoc.PDFDictionary({"N": 3}), _PROFILE.read_bytes(), [pdfdoc.PDFZCompress]
    )
    condition = pdfdoc.PDFString("sRGB IEC61966-2.1")
    return pdfdoc.PDFDictionary(
        {
            "Type": pdfdoc.PDFName("OutputIntent"),
            "S": pdfdoc.PDFName("GTS_PDFA1"),
            "OutputConditionIdentifier": condition,
            "Info": condition,
            "DestOutputProfile": _reference(document, profile),
        }
    )


_SCOPE = "TH/A<</O/Table/Scope/{}>>"
TITLE, ROW_TITLE, VALUE = _SCOPE.format("Column"), _SCOPE.format("Row"), "TD"
"""The role of a table cell: the title of its column, the title of its row, or a value."""


def as_header(operators: str) -> str:
    """Mark these operators as the header that each page repeats: visible, but not read aloud."""
    return f"/Artifact<</Type/Pagination/Attached[/Top]/Subtype/Header>>BDC\n{operators}\nEMC"


class _Marked(NamedTuple):
    """Consecutive elements, each with a mark on the page: for each parent, one of each role."""

    first: int
    parents: Sequence[int]
    roles: Sequence[str]

    def to_objects(self, mark: int, page: int) -> list[bytes]:
        """Return the objects, with the marks from `mark` on."""
        return [
            f"{number} 0 obj\n<</S/{role}/P {parent} 0 R/Pg {page} 0 R/K {mcid}>>\nendobj\n".encode()
            for mcid, (number, (parent, role)) in enumerate(
                enumerate(product(self.parents, self.roles), self.first), mark
            )
        ]


class Tags:
    """Tags the content for screen readers: marks on the pages, and the structure tree that refers to them."""

    def __init__(self, canvas: Canvas, document: Document) -> None:
        self.mark = 0
        """The number of the next mark on the page."""
        self._canvas, self._document = canvas, document
        self._pending: list[_Marked] = []
        self._kids = array("L")
        self._pages = array("L")
        self._table, self._rows = 0, array("L")
        """The number of the current table, and those of its rows."""
        self._is_form = False
        self._root, self._top = document.reserve(), document.reserve()
        document.begin_structure(self._root, self._write_page)

    @contextmanager
    def form(self, name: str, height: float) -> Iterator[None]:
        """Record the content of the block as a form that many pages show, from its origin up to this height.

        The content of a form must not be tagged, because pages show it as a whole.
        """
        self._canvas.beginForm(name, 0, -2, PAGE_WIDTH, height)
        self._is_form = True
        yield
        self._is_form = False
        self._canvas.endForm()

    @contextmanager
    def element(self, role: str) -> Iterator[None]:
        """Tag the content of the block as a title (`H1`, `H2`…) or a paragraph (`P`), a child of the document."""
        with self.cell(role, 0):
            yield
        if not self._is_form:
            number = self._document.reserve()
            self._kids.append(number)
            self._pending.append(_Marked(number, [self._top], [role]))
            self.mark += 1

    @contextmanager
    def cell(self, role: str, index: int) -> Iterator[None]:
        """Tag the content of the block as this cell of the row that is added next."""
        with self._marked(f"/{role}<</MCID {self.mark + index}>>BDC"):
            yield

    @contextmanager
    def artifact(self) -> Iterator[None]:
        """Mark the content of the block as not read aloud: a line, the place of a seal."""
        with self._marked("/Artifact BMC"):
            yield

    def begin_table(self) -> None:
        """Add a table to the document; it may continue from page to page."""
        self._table, self._rows = self._document.reserve(), array("L")
        self._kids.append(self._table)

    def add_rows(self, cells: Sequence[str], count: int = 1) -> None:
        """Add rows to the table; each cell has its mark, in order."""
        across, row = len(cells), self._document.reserve(count)
        first, rows = self._document.reserve(count * across), range(row, row + count)
        self._rows.extend(rows)
        kids = (
            range(begin, begin + across) for begin in range(first, first + count * across, across)
        )
        objects = [
            _parent("TR", it, self._table, cells_of)
            for it, cells_of in zip(rows, kids, strict=True)
        ]
        self._document.add_all(objects, row)
        self._pending.append(_Marked(first, rows, cells))
        self.mark += count * across

    def end_table(self) -> None:
        """Write the element of the table, which is complete."""
        self._document.add_all([_parent("Table", self._table, self._top, self._rows)], self._table)

    def finish(self) -> None:
        """Write the root of the tree, after the last page."""
        self._document.add_all([_parent("Document", self._top, self._root, self._kids)], self._top)
        pages = " ".join(f"{key} {number} 0 R" for key, number in enumerate(self._pages))
        parents = f"/ParentTree<</Nums[{pages}]>>/ParentTreeNextKey {len(self._pages)}"
        self._document.add(
            f"<</Type/StructTreeRoot/K[{self._top} 0 R]{parents}>>".encode(), self._root
        )

    @contextmanager
    def _marked(self, begin: str) -> Iterator[None]:
        if self._is_form:
            yield
            return
        self._canvas.addLiteral(begin)
        yield
        self._canvas.addLiteral("EMC")

    def _write_page(self, page: int) -> int:
        document, references = self._document, list[bytes]()
        for marked in self._pending:
            objects = marked.to_objects(len(references), page)
            document.add_all(objects, marked.first)
            references += [
                b"%d 0 R" % number for number in range(marked.first, marked.first + len(objects))
            ]
        number = document.reserve()
        document.add(b"[%b]" % b" ".join(references), number)
        self._pages.append(number)
        self._pending.clear()
        self.mark = 0
        return len(self._pages) - 1


def _parent(role: str, number: int, parent: int, kids: Iterable[int]) -> bytes:
    references = b" ".join(map(b"%d 0 R".__mod__, kids))
    return b"%d 0 obj\n<</S/%b/P %d 0 R/K[%b]>>\nendobj\n" % (
        number,
        role.encode(),
        parent,
        references,
    )
