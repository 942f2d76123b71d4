"""From a Tableau to the bytes of its file."""

from worker.domain.tableau import Tableau
from worker.pdf.book import Book
from worker.pdf.columns import columns_of_ligne
from worker.pdf.ending import Ending
from worker.pdf.masthead import Masthead
from worker.pdf.pages import Pages
from worker.pdf.recapitulatif import draw_recapitulatif
from worker.pdf.section import SectionDrawer
from worker.pdf.sink import Sink
from worker.pdf.styles import Styles
from worker.pdf.table import Table


def render_tableau(tableau: Tableau, sink: Sink) -> int:
    """Write the PDF/A-1b file of a tableau, page after page: what is drawn is not kept, each line is read once.

    Returns:
        The number of pages.
    """
    book, styles = Book(sink), Styles.create()
    pages = Pages(book, Masthead(book, styles, tableau))
    ending = Ending(styles, tableau.notes, tableau.signatures)
    if tableau.presentation == "recapitulatif":
        draw_recapitulatif(book, pages, styles, tableau.sections, ending)
    else:
        _draw_sections(book, pages, styles, tableau, ending)
    pages.close()
    title = f"{tableau.titre} – {tableau.nom_commune} – {tableau.liste}"
    book.finish(styles, title, tableau.nom_commune, pages.bookmarks)
    return book.page_count


def _draw_sections(book: Book, pages: Pages, styles: Styles, tableau: Tableau, ending: Ending) -> None:
    """Draw each section on pages of its own: a bureau's commission signs what is of its bureau."""
    columns, values = columns_of_ligne(has_nationalite=tableau.has_nationalite)
    drawer = SectionDrawer(pages, styles, Table(book, pages, styles, columns), values)
    signed = Ending(styles, (), tableau.signatures)
    last = len(tableau.sections) - 1
    for index, section in enumerate(tableau.sections):
        drawer.draw(section, signed if index < last else ending, is_only=tableau.presentation == "commune")
        if index < last:
            pages.run(0, None)
            pages.turn()
    if not tableau.sections:
        ending.draw(pages)
