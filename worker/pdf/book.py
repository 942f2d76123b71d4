"""A document made of pages: each is written when its content is complete, and what they share at the end."""

from worker.pdf.archive import add_info, add_metadata, add_output_intent
from worker.pdf.document import Document, references, text_string
from worker.pdf.drawing import Drawing
from worker.pdf.embedding import embed_fonts
from worker.pdf.outline import Bookmark, add_outline
from worker.pdf.sink import Sink
from worker.pdf.styles import Styles

PAGE_WIDTH, PAGE_HEIGHT = 841.89, 595.28
"""A4, landscape."""
PAGE_COUNT = "Total"
"""The form that says how many pages there are: shown by each page, written last."""


class Book:
    """The pages of one document."""

    def __init__(self, sink: Sink) -> None:
        self._document = Document(sink)
        self._fonts, self._resources, self._tree = (self._document.reserve() for _ in range(3))
        self._forms = {PAGE_COUNT: self._document.reserve()}
        self._pages: list[int] = []

    @property
    def page_count(self) -> int:
        """Pages that are complete."""
        return len(self._pages)

    def add_page(self, drawing: Drawing) -> None:
        """Write a page."""
        content = self._document.add_stream(b"", drawing.to_bytes())
        self._pages.append(self._document.add(b"<</Type/Page/Parent %d 0 R/Contents %d 0 R>>" % (self._tree, content)))

    def add_form(self, name: str, drawing: Drawing, height: float) -> None:
        """Write what many pages show: it goes from its origin up to this height."""
        self._forms[name] = self._document.add_stream(
            b"/Type/XObject/Subtype/Form/BBox[0 -2 %.2f %.2f]/Resources<</Font %d 0 R>>"
            % (PAGE_WIDTH, height, self._fonts),
            drawing.to_bytes(),
            self._forms.get(name),
        )

    def finish(self, styles: Styles, title: str, author: str, bookmarks: list[Bookmark]) -> None:
        """Write what the pages share, and where everything is."""
        total = Drawing()
        total.text(0, styles.small.leading, styles.small, str(self.page_count))
        self.add_form(PAGE_COUNT, total, styles.small.leading)
        document = self._document
        document.add(embed_fonts(document, styles.fonts), self._fonts)
        forms = "".join(f"/{name} {number} 0 R" for name, number in self._forms.items())
        document.add(f"<</Font {self._fonts} 0 R/XObject<<{forms}>>>>".encode(), self._resources)
        document.add(
            b"<</Type/Pages/Kids%b/Count %d/Resources %d 0 R/MediaBox[0 0 %.2f %.2f]>>"
            % (references(self._pages), self.page_count, self._resources, PAGE_WIDTH, PAGE_HEIGHT),
            self._tree,
        )
        document.finish(self._add_catalog(title, author, bookmarks), add_info(document, title, author))

    def _add_catalog(self, title: str, author: str, bookmarks: list[Bookmark]) -> int:
        document = self._document
        entries = b"/Pages %d 0 R/Metadata %d 0 R/OutputIntents%b/Lang%b" % (
            self._tree,
            add_metadata(document, title, author),
            references([add_output_intent(document)]),
            text_string("fr-FR"),
        )
        if bookmarks:
            entries += b"/Outlines %d 0 R/PageMode/UseOutlines" % add_outline(document, bookmarks, self._pages)
        return document.add(b"<</Type/Catalog/ViewerPreferences<</DisplayDocTitle true>>%b>>" % entries)
