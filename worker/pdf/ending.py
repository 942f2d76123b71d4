"""What ends a section or the document: notes, then signatures."""

from worker.domain.tableau import Signatures
from worker.pdf.drawing import GREY
from worker.pdf.frame import LEFT, WIDTH
from worker.pdf.pages import Pages
from worker.pdf.signatures import draw_signatures, height_of_signatures
from worker.pdf.styles import Styles

_BEFORE_NOTES = 12.0


class Ending:
    """Kept on one page with what it ends, so that nobody signs a page where there is nothing else."""

    def __init__(self, styles: Styles, notes: tuple[str, ...], signatures: Signatures | None) -> None:
        self._styles = styles
        self._notes = [styles.small.wrap(note, WIDTH) for note in notes]
        self._signatures = signatures
        self.height = sum(map(len, self._notes)) * styles.small.leading + (_BEFORE_NOTES if notes else 0)
        """In points."""
        if signatures is not None:
            self.height += height_of_signatures(styles, signatures)

    def draw(self, pages: Pages) -> None:
        """Draw it below what it ends."""
        if self._notes:
            pages.y -= _BEFORE_NOTES
        for lines in self._notes:
            pages.need(len(lines) * self._styles.small.leading)
            pages.y = pages.drawing.lines(LEFT, pages.y, self._styles.small, lines, GREY)
        if self._signatures is not None:
            draw_signatures(pages, self._styles, self._signatures)
