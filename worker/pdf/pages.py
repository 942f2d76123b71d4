"""Where we are on the page, and when to turn it."""

from collections.abc import Callable

from worker.pdf.book import Book
from worker.pdf.drawing import Drawing
from worker.pdf.frame import BOTTOM
from worker.pdf.masthead import Masthead
from worker.pdf.outline import Bookmark

_SLACK = 0.01
"""Sums of heights are not exact."""


class Pages:
    """The current page; `y` goes down from the masthead to the bottom margin."""

    def __init__(self, book: Book, masthead: Masthead) -> None:
        self.bookmarks: list[Bookmark] = []
        self.running_height = 0.0
        """Of what is drawn again at the top of each page."""
        self._draw_running: Callable[[], None] | None = None
        self._book = book
        self._masthead = masthead
        self._open()

    @property
    def room(self) -> float:
        """What is left of the page."""
        return self.y - BOTTOM

    @property
    def is_fresh(self) -> bool:
        """Whether nothing is drawn yet below the masthead."""
        return self.y == self._masthead.body_top

    @property
    def full(self) -> float:
        """The room of a page where nothing is drawn yet."""
        return self._masthead.body_top - BOTTOM

    def run(self, height: float, draw: Callable[[], None] | None) -> None:
        """From now on, each new page begins with this, of this height: the titles of what goes on there."""
        self.running_height, self._draw_running = height, draw

    def turn(self) -> None:
        """Finish the page, and go on with the next one."""
        self.close()
        self._open()
        if self._draw_running is not None:
            self._draw_running()

    def need(self, height: float) -> None:
        """Turn the page unless there is room for this, or as much room as there can be."""
        if self.room + _SLACK < min(height, self.full - self.running_height):
            self.turn()

    def bookmark(self, title: str) -> None:
        """Let a reader come here."""
        self.bookmarks.append(Bookmark(title, self._book.page_count, self.y))

    def close(self) -> None:
        """Write the page."""
        self._book.add_page(self.drawing)

    def _open(self) -> None:
        self.drawing = Drawing()
        self.y = self._masthead.body_top
        self._masthead.draw(self.drawing, self._book.page_count + 1)
