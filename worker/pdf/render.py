"""Writes the file of a Tableau: the sections, their parts with totals, the balance, the signatures."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from operator import attrgetter

from common.files import Sink
from common.french import format_number
from worker.domain.tableau.model import Bilan, Ligne, Partie, Section, Signatures, Tableau
from worker.pdf.font import Style, Styles
from worker.pdf.pages import (
    GAP,
    GREY,
    LEFT,
    RIGHT,
    RULE,
    WIDTH,
    Pages,
    Table,
    TableColumn,
    draw_lines,
    draw_rule,
    set_lines,
)

_TERM = 128.0
_AUTRES = "Autres mouvements, non portés à ce tableau"
"""Takes the width of two terms."""
_NAMES = (
    "Électeurs avant",
    "Inscriptions",
    "Arrivées d’un autre bureau",
    "Radiations",
    "Départs vers un autre bureau",
    _AUTRES,
    "Électeurs après",
)
_BEFORE, _BETWEEN = 12.0, 2.0
_BEFORE_NOTES, _BEFORE_SIGNATURES, _AFTER_LIEU = 10.0, 18.0, 6.0
_DATE_WIDTH = 120.0
_PLACE_WIDTH, _PLACE_HEIGHT, _GUTTER = 119.0, 58.0, 14.0
"""2 cm high: a signature, its line and the words below it; five are as wide as the page beside the seal."""
_PAD_OF_AVIS = 7.0
_TITLE_OF_AVIS = "À l’attention des électeurs"
_SEAL = 100.0
"""35 mm, the diameter of a town hall's seal."""


def height_of_bilan(styles: Styles, bilan: Bilan, *, is_commune: bool) -> float:
    """Return the height of a balance, in points."""
    note = 2 * _BETWEEN + styles.body.leading if _has_note(bilan, is_commune=is_commune) else 0
    return _height_of_terms(styles) + note


def draw_bilan(pages: Pages, bilan: Bilan, *, is_commune: bool, after: float) -> None:
    """Draw avant + inscriptions + arrivées − radiations − départs = après, each number under its name.

    `after`: the height of the content that must stay on the same page.
    """
    styles = pages.styles
    pages.need(height_of_bilan(styles, bilan, is_commune=is_commune) + after)
    top = pages.y - _BEFORE
    pages.y -= _height_of_terms(styles)
    left = LEFT - _TERM
    for name, value in _terms(bilan, is_commune=is_commune):
        left += _TERM
        style = styles.strong_figure if value.startswith("=") else styles.figure
        with pages.tags.element("P"):
            draw_lines(pages.canvas, left, top, styles.heading, [f"{name} "], GREY)
            draw_lines(pages.canvas, left, pages.y + style.leading, style, [value])
        if name == _AUTRES:
            left += _TERM
    if _has_note(bilan, is_commune=is_commune):
        number = format_number(bilan.changements)
        text = f"Changements de bureau sur cette liste, sans effet sur ce total : {number}"
        pages.y -= 2 * _BETWEEN
        pages.text("P", styles.body, [text], GREY)


class Ending:
    """The framed notice to the electors, the signatures and the notes.

    Signatures are on the page of the content before them; the notice and the notes may begin a page of their own.
    """

    def __init__(
        self,
        styles: Styles,
        notes: tuple[str, ...],
        signatures: Signatures | None,
        avis: tuple[str, ...] = (),
    ) -> None:
        self._styles = styles
        self._notes = [styles.note.break_text(note, WIDTH) for note in notes]
        self._avis = [styles.avis.break_text(it, WIDTH - 2 * _PAD_OF_AVIS) for it in avis]
        self.signatures = signatures
        self._height_of_notes = sum(map(len, self._notes)) * styles.note.leading + (
            _BEFORE_NOTES if notes else 0
        )
        self.height = 0.0
        """The height that stays with the content before: all of it if there are signatures."""
        if signatures is not None:
            self.height = self._height_of_avis + _height_of_signatures(styles, signatures)
            self.height += self._height_of_notes

    @property
    def _height_of_frame(self) -> float:
        lines = sum(map(len, self._avis)) * self._styles.avis.leading
        return lines + self._styles.strong.leading + 2 * _PAD_OF_AVIS

    @property
    def _height_of_avis(self) -> float:
        return _BEFORE_NOTES + self._height_of_frame if self._avis else 0

    def draw(self, pages: Pages) -> None:
        """Draw the notice, the signatures and the notes at the current position."""
        if self._avis:
            pages.need(self._height_of_avis + self._height_of_notes)
            pages.y -= 0 if pages.is_fresh else _BEFORE_NOTES
            self._draw_frame(pages)
        if self.signatures is not None:
            _draw_signatures(pages, self.signatures)
        if self._notes:
            pages.y -= _BEFORE_NOTES
        for lines in self._notes:
            pages.need(len(lines) * self._styles.note.leading)
            pages.text("P", self._styles.note, lines, GREY)

    def _draw_frame(self, pages: Pages) -> None:
        styles, height = self._styles, self._height_of_frame
        with pages.tags.artifact():
            pages.canvas.setLineWidth(0.8)
            pages.canvas.setStrokeGray(GREY)
            pages.canvas.rect(LEFT, pages.y - height, WIDTH, height)
        y = pages.y - _PAD_OF_AVIS
        paragraphs = [(styles.strong, [_TITLE_OF_AVIS]), *((styles.avis, it) for it in self._avis)]
        for style, lines in paragraphs:
            with pages.tags.element("P"):
                y = draw_lines(pages.canvas, LEFT + _PAD_OF_AVIS, y, style, lines)
        pages.y -= height


def _has_note(bilan: Bilan, *, is_commune: bool) -> bool:
    return is_commune and bilan.changements > 0


def _height_of_terms(styles: Styles) -> float:
    return _BEFORE + styles.heading.leading + _BETWEEN + styles.figure.leading


def _terms(bilan: Bilan, *, is_commune: bool) -> list[tuple[str, str]]:
    before, between = (
        (bilan.avant, bilan.inscriptions, bilan.arrivees),
        (bilan.radiations, bilan.departs),
    )
    numbers = *before, *between, abs(bilan.others), bilan.apres
    signs = "", "+ ", "+ ", "− ", "− ", "− " if bilan.others < 0 else "+ ", "= "
    terms = [
        (name, sign + format_number(it))
        for name, sign, it in zip(_NAMES, signs, numbers, strict=True)
    ]
    if not bilan.others:
        del terms[5]
    if (is_commune or bilan.others) and not bilan.arrivees and not bilan.departs:
        del terms[4], terms[2]
    return terms


def _height_of_signatures(styles: Styles, signatures: Signatures) -> float:
    lieu, titre = _break(styles.body, signatures.lieu), _break(styles.strong, signatures.titre)
    head = len(lieu) * styles.body.leading + _AFTER_LIEU + len(titre) * styles.strong.leading
    return _BEFORE_SIGNATURES + max(head + _PLACE_HEIGHT, _SEAL)


def _draw_signatures(pages: Pages, signatures: Signatures) -> None:
    styles = pages.styles
    pages.need(_height_of_signatures(styles, signatures))
    pages.y -= _BEFORE_SIGNATURES
    top = pages.y
    lines = [*_break(styles.body, signatures.lieu)]
    lines[-1] = lines[-1].rstrip(" …")
    pages.text("P", styles.body, lines)
    if signatures.lieu.endswith("…"):
        end = LEFT + styles.body.width(lines[-1]) + 6
        with pages.tags.artifact():
            draw_rule(pages.canvas, end, end + _DATE_WIDTH, pages.y + 1, shade=GREY)
    pages.y -= _AFTER_LIEU
    pages.text("P", styles.strong, _break(styles.strong, signatures.titre))
    canvas, style = pages.canvas, pages.styles.heading
    radius = _SEAL / 2
    x, y = RIGHT - radius, top - radius
    with pages.tags.artifact():
        canvas.saveState()
        canvas.setStrokeGray(RULE)
        canvas.setLineWidth(0.4)
        canvas.setDash(1.5, 2.5)
        canvas.circle(x, y, radius)
        canvas.restoreState()
    caption = "Sceau de la mairie"
    with pages.tags.element("P"):
        draw_lines(
            canvas, x - style.width(caption) / 2, y + style.leading / 2, style, [caption], GREY
        )
    pages.y -= _PLACE_HEIGHT
    for place in range(signatures.places):
        left = LEFT + place * (_PLACE_WIDTH + _GUTTER)
        top = pages.y + style.leading + 2
        with pages.tags.artifact():
            draw_rule(pages.canvas, left, left + _PLACE_WIDTH, top + 2, shade=GREY)
        with pages.tags.element("P"):
            draw_lines(pages.canvas, left, top, style, ["Nom et signature"], GREY)


def _break(style: Style, text: str) -> Sequence[str]:
    return style.break_text(text, WIDTH - _SEAL - _DATE_WIDTH - 2 * _GUTTER)


_BEFORE_SECTION, _BEFORE_TITRE, _AFTER_TITRE = 26.0, 11.0, 3.0
_TOTAL_PAD = 5.0
_TOGETHER = 2
"""Number of first and of last lines that stay together in a part: no line is alone below its title, or above the
signatures."""
_WINDOW = _TOGETHER + 2
"""Number of lines read ahead: a part with fewer lines is not divided."""

_Values = Callable[[Ligne], tuple[str, ...]]

_LIGNE = {
    "numero": ("N° d’ordre", (32, 32, 32, 32)),
    "nom_naissance": ("Nom de naissance", (96, 88, 90, 82)),
    "nom_usage": ("Nom d’usage", (62, 52, 54, 50)),
    "prenoms": ("Prénoms", (86, 76, 76, 68)),
    "naissance": ("Date et lieu de naissance", (165, 165, 158, 142)),
    "adresse": ("Adresse", (146, 122, 114, 102)),
    "nationalite": ("Nationalité", (0, 0, 58, 54)),
    "bureau": ("Bureau", (54, 54, 54, 54)),
    "date": ("Date du mouvement", (0, 48, 0, 48)),
}
"""Each title with four widths: with neither nationality nor date, the date, the nationality, both; 0: no column.

Nationality: on the complementary lists (Code électoral, art. LO 227-3); date: on the tableau des vingt jours (R. 13).
"""
_MOTIF = "motif"
_NUMBER_WIDTH = 76.0


def render_tableau(tableau: Tableau, sink: Sink) -> int:
    """Write a tableau as PDF/A-1b and PDF/UA-1, page after page: no line is kept.

    Returns:
        The number of pages.
    """
    pages = Pages(sink, tableau)
    ending = Ending(pages.styles, tableau.notes, tableau.signatures, tableau.avis)
    if tableau.presentation == "recapitulatif":
        _draw_recapitulatif(pages, tableau.sections, ending)
    else:
        _draw_sections(pages, tableau, ending)
    return pages.finish()


_OF_COPIE = (36.0, 120.0, 96.0, 130.0, 166.0)
"""The widths of the columns of a copy; the last one is as wide as the page allows."""
_PAD_OF_COPIE = 0.9
"""A page holds thirty electors or more."""
_NAME = 1
"""The place of the birth name in a row of a copy."""


def render_copie(
    head: Tableau,
    titles: Sequence[str],
    sections: Iterable[tuple[str, Iterable[Sequence[str]]]],
    sink: Sink,
) -> int:
    """Write electors by bureau, one below the other, page after page; return the number of pages.

    A row holds the values of the titles; no line is kept.
    """
    pages = Pages(sink, head)
    widths = *_OF_COPIE, WIDTH - sum(_OF_COPIE) - len(titles) * GAP
    columns = [
        TableColumn(*it, is_strong=place == _NAME, is_row_title=place == _NAME)
        for place, it in enumerate(zip(titles, widths, strict=True))
    ]
    table = Table(pages, columns, _PAD_OF_COPIE)
    for titre, lines in sections:
        rows = iter(lines)
        first = list(islice(rows, _TOGETHER))
        style, after = pages.styles.section, table.heading_height + sum(map(table.height, first))
        pages.run(0)
        pages.y -= 0 if pages.is_fresh else _BEFORE_TITRE
        pages.need(style.leading + after)
        pages.bookmark(titre)
        pages.text("H2", style, [titre])
        pages.run(table.heading_height, table.show_heading(pages.body_top))
        table.begin()
        for values in chain(first, rows):
            table.add(values)
        table.end()
    pages.run(0)
    Ending(pages.styles, head.notes, head.signatures).draw(pages)
    return pages.finish()


def _draw_recapitulatif(pages: Pages, sections: Sequence[Section], ending: Ending) -> None:
    has_others = any(section.bilan.others for section in sections)
    titres = [name for name in _NAMES if has_others or name != _AUTRES]
    numbers = [TableColumn(titre, _NUMBER_WIDTH, is_number=True) for titre in titres]
    width = WIDTH - len(numbers) * (_NUMBER_WIDTH + GAP)
    table = Table(pages, [TableColumn("Bureau de vote", width, is_row_title=True), *numbers])
    pages.run(table.heading_height, table.show_heading(pages.body_top))
    table.begin()
    for section in sections:
        bilan = section.bilan
        counts = (  # in the order of the columns; in the commune a change of bureau counts on both sides
            bilan.avant,
            bilan.inscriptions,
            bilan.arrivees or bilan.changements,
            bilan.radiations,
            bilan.departs or bilan.changements,
            *([bilan.others] if has_others else []),
            bilan.apres,
        )
        values = [section.titre, *map(format_number, counts)]
        if section.code:
            table.add(values)
        else:
            table.add_strong(values, after=ending.height)
    table.end()
    pages.run(0)
    ending.draw(pages)


def _draw_sections(pages: Pages, tableau: Tableau, ending: Ending) -> None:
    """Draw the sections one after the other; a section begins where its first lines fit, else on the next page.

    A signed section has pages of its own: a bureau's commission signs the pages of its bureau only. A bureau without
    mouvement is one line, unless a commission signs it.
    """
    drawer = _SectionDrawer(pages, tableau)
    signed = Ending(pages.styles, (), tableau.signatures)
    last = len(tableau.sections) - 1
    are_signed = tableau.signatures is not None and tableau.signatures.places > 1
    for index, section in enumerate(tableau.sections):
        if section.code and section.bilan.is_still and not are_signed:
            drawer.draw_empty(section)
            continue
        drawer.draw(
            section, signed if index < last else ending, is_only=tableau.presentation == "commune"
        )
    if not tableau.sections:
        ending.draw(pages)


class _SectionDrawer:
    def __init__(self, pages: Pages, tableau: Tableau) -> None:
        columns, self._values = _columns_of_ligne(
            has_nationalite=tableau.has_nationalite, has_dates=tableau.has_dates
        )
        self._pages = pages
        self._styles = pages.styles
        self._table = Table(pages, columns)

    def draw(self, section: Section, ending: Ending, *, is_only: bool) -> None:
        """Draw a section; the only section is that of the commune, whose name is already on every page."""
        pages, styles = self._pages, self._styles
        titre = "" if is_only else section.titre
        lines = styles.section.break_text(titre, WIDTH)
        is_commune = not section.code
        has_neant = not is_commune or is_only
        tail = height_of_bilan(styles, section.bilan, is_commune=is_commune) + ending.height
        pages.run(0)
        if not pages.is_fresh:
            opening = _BEFORE_SECTION + len(lines) * styles.section.leading
            opening += self._opening(section.parties, tail, has_neant=has_neant)
            if ending.signatures or pages.lacks(opening):
                pages.begin_next()
            else:
                pages.y -= _BEFORE_SECTION
        pages.bookmark(section.titre)
        if titre:
            pages.text("H2", styles.section, lines)
        last = len(section.parties) - 1
        for index, partie in enumerate(section.parties):
            self._run(titre)
            self._draw_partie(partie, titre, tail if index == last else 0, has_neant=has_neant)
        self._run(titre)
        draw_bilan(pages, section.bilan, is_commune=is_commune, after=ending.height)
        ending.draw(pages)

    def draw_empty(self, section: Section) -> None:
        """Draw the line of a bureau without mouvement."""
        pages, style = self._pages, self._styles.partie
        number = format_number(section.bilan.avant)
        lines = style.break_text(
            f"{section.titre} : néant. Électeurs avant et après : {number}.", WIDTH
        )
        pages.run(0)
        pages.need(_BEFORE_TITRE + len(lines) * style.leading)
        pages.y -= 0 if pages.is_fresh else _BEFORE_TITRE
        pages.bookmark(section.titre)
        pages.text("H2", style, lines)

    def _opening(self, parties: Sequence[Partie], tail: float, *, has_neant: bool) -> float:
        """Return the height that a section needs to begin: its first part with two lines, or all of a short one."""
        if not parties:
            return tail
        partie, is_last = parties[0], len(parties) == 1
        rows = list(islice(map(self._values, partie.lignes), _WINDOW))
        after = self._height_below_titre(partie, rows, tail if is_last else 0, has_neant=has_neant)
        lines = self._styles.partie.break_text(partie.titre, WIDTH)
        return _BEFORE_TITRE + len(lines) * self._styles.partie.leading + _AFTER_TITRE + after

    def _height_below_titre(
        self, partie: Partie, rows: Sequence[tuple[str, ...]], tail: float, *, has_neant: bool
    ) -> float:
        """Return the height that stays with the title of a part, given its first rows: its first two rows.

        A part of three rows would leave one of them alone: all of it stays with its title, and so does `tail`, the
        height of the content that follows it.
        """
        below = self._height_of_total(partie)
        if not rows:
            return (self._styles.body.leading if has_neant else 0) + below + tail
        is_short = len(rows) < _WINDOW
        first = sum(map(self._table.height, rows if is_short else rows[:_TOGETHER]))
        return self._table.heading_height + first + below + (tail if is_short else 0)

    def _height_of_total(self, partie: Partie) -> float:
        return (
            _TOTAL_PAD
            + len(self._styles.strong.break_text(partie.total, WIDTH)) * self._styles.strong.leading
        )

    def _draw_partie(self, partie: Partie, titre: str, tail: float, *, has_neant: bool) -> None:
        """Draw a part; `tail`: the height of the content that must stay with its last lines, such as signatures."""
        pages, styles, table = self._pages, self._styles, self._table
        table.below = self._height_of_total(partie)
        rows = map(self._values, partie.lignes)
        last = list(islice(rows, _WINDOW))
        role = "H3" if titre else "H2"
        after = self._height_below_titre(partie, last, tail, has_neant=has_neant)
        self._draw_titre(role, partie.titre, after)
        if not last:
            if has_neant:
                pages.text("P", styles.body, ["Néant"])
        else:
            is_short = len(last) < _WINDOW
            self._run(titre, partie.titre, has_heading=True)
            table.begin()
            for values in rows:
                table.add(last.pop(0))
                last.append(values)
            while not is_short and len(last) > _TOGETHER:
                table.add(last.pop(0))
            table.add_last(last, tail)
            table.end()
        pages.y -= _TOTAL_PAD
        pages.text("P", styles.strong, styles.strong.break_text(partie.total, WIDTH))

    def _draw_titre(self, role: str, titre: str, after: float) -> None:
        pages, style = self._pages, self._styles.partie
        lines = style.break_text(titre, WIDTH)
        height = len(lines) * style.leading + _AFTER_TITRE
        pages.need(_BEFORE_TITRE + height + after)
        pages.y -= 0 if pages.is_fresh else _BEFORE_TITRE
        pages.text(role, style, lines)
        pages.y -= _AFTER_TITRE

    def _run(self, *titres: str, has_heading: bool = False) -> None:
        pages, style, table = self._pages, self._styles.body, self._table
        text = " · ".join(filter(None, titres))
        height, shown = 0.0, []
        if text:
            lines = style.break_text(f"{text} – suite", WIDTH)
            height = len(lines) * style.leading + _AFTER_TITRE
            shown.append(
                set_lines(pages.canvas, LEFT, pages.body_top, style, lines, GREY).getCode()
            )
        if has_heading:
            shown.append(table.show_heading(pages.body_top - height))
            height += table.heading_height
        pages.run(height, *shown)


def _columns_of_ligne(
    *, has_nationalite: bool, has_dates: bool
) -> tuple[list[TableColumn], _Values]:
    place = 2 * has_nationalite + has_dates
    names = [name for name, (_, widths) in _LIGNE.items() if widths[place]]
    columns = [
        TableColumn(
            titre=_LIGNE[name][0],
            width=_LIGNE[name][1][place],
            is_number=name == "numero",
            is_strong=name == "nom_naissance",
            is_row_title=name == "nom_naissance",
        )
        for name in names
    ]
    rest = WIDTH - sum(column.width + GAP for column in columns)
    return [*columns, TableColumn(_MOTIF.capitalize(), rest)], attrgetter(*names, _MOTIF)
