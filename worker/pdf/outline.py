"""The bookmarks, which a reader shows beside the pages."""

from dataclasses import dataclass

from worker.pdf.document import Document, text_string


@dataclass(frozen=True)
class Bookmark:
    """A place to go to."""

    title: str
    page: int
    """From 0."""
    top: float


def add_outline(document: Document, bookmarks: list[Bookmark], pages: list[int]) -> int:
    """Write the bookmarks, in one level; `pages`: the number of each page's object."""
    root = document.reserve()
    numbers = [document.reserve() for _ in bookmarks]
    for index, (number, bookmark) in enumerate(zip(numbers, bookmarks, strict=True)):
        neighbours = b"/Prev %d 0 R" % numbers[index - 1] if index else b""
        if index + 1 < len(numbers):
            neighbours += b"/Next %d 0 R" % numbers[index + 1]
        document.add(
            b"<</Title%b/Parent %d 0 R%b/Dest[%d 0 R/XYZ null %.1f null]>>"
            % (text_string(bookmark.title), root, neighbours, pages[bookmark.page], bookmark.top),
            number,
        )
    return document.add(
        b"<</Type/Outlines/First %d 0 R/Last %d 0 R/Count %d>>" % (numbers[0], numbers[-1], len(numbers)), root
    )
