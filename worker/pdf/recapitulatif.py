"""The récapitulatif: one table, one row of numbers for each bureau, and the commune's totals."""

from collections.abc import Sequence

from common.french import format_number
from worker.domain.tableau import Section
from worker.pdf.book import Book
from worker.pdf.columns import columns_of_bilan, numbers_of_bilan
from worker.pdf.ending import Ending
from worker.pdf.pages import Pages
from worker.pdf.styles import Styles
from worker.pdf.table import Table


def draw_recapitulatif(book: Book, pages: Pages, styles: Styles, sections: Sequence[Section], ending: Ending) -> None:
    """Draw the bureaux, then the commune, in the order they come."""
    table = Table(book, pages, styles, columns_of_bilan())
    pages.run(table.heading_height, table.draw_heading)
    table.draw_heading()
    for section in sections:
        values = [section.titre, *map(format_number, numbers_of_bilan(section.bilan))]
        if section.code:
            table.add(values)
        else:
            table.add_strong(values, after=ending.height)
    pages.run(0, None)
    ending.draw(pages)
