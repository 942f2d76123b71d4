"""What ends a section or the document: the balance, the notes, who signs."""

from collections.abc import Sequence

from common.french import format_number
from worker.domain.tableau import Bilan, Signatures
from worker.pdf.pages import GREY, LEFT, RIGHT, RULE, WIDTH, Pages, draw_lines, draw_rule
from worker.pdf.text import Style, Styles

_TERM = 118.0
_BEFORE, _BETWEEN = 12.0, 2.0
"""Above a balance, and inside it."""
_BEFORE_NOTES, _BEFORE_SIGNATURES, _AFTER_LIEU = 10.0, 18.0, 6.0
_DATE_WIDTH = 120.0
_ACROSS = 5
_PLACE_WIDTH, _PLACE_HEIGHT, _GUTTER = 150.0, 58.0, 14.0
"""2 cm high: a signature, its line and the words below it."""
_SEAL = 100.0
"""35 mm, the diameter of a town hall's seal."""


def height_of_bilan(styles: Styles, bilan: Bilan, *, is_commune: bool) -> float:
    """Of the whole, in points."""
    note = 2 * _BETWEEN + styles.body.leading if _has_note(bilan, is_commune=is_commune) else 0
    return _height_of_terms(styles) + note


def draw_bilan(pages: Pages, bilan: Bilan, *, is_commune: bool, after: float) -> None:
    """Draw avant + inscriptions + arrivées − radiations − départs = après, each number under its name.

    `after`: the height of what must not be torn off it.
    """
    styles = pages.styles
    pages.need(height_of_bilan(styles, bilan, is_commune=is_commune) + after)
    top = pages.y - _BEFORE
    pages.y -= _height_of_terms(styles)
    for index, (name, value) in enumerate(_terms(bilan, is_commune=is_commune)):
        left = LEFT + index * _TERM
        style = styles.strong_figure if value.startswith("=") else styles.figure
        with pages.tags.element("P"):
            draw_lines(pages.canvas, left, top, styles.heading, [f"{name} "], GREY)
            draw_lines(pages.canvas, left, pages.y + style.leading, style, [value])
    if _has_note(bilan, is_commune=is_commune):
        text = f"Changements de bureau dans la commune, sans effet sur ce total : {format_number(bilan.changements)}"
        pages.y -= 2 * _BETWEEN
        pages.text("P", styles.body, [text], GREY)


class Ending:
    """Notes and signatures, on one page with what they end, so that nobody signs a page where there is nothing else."""

    def __init__(self, styles: Styles, notes: tuple[str, ...], signatures: Signatures | None) -> None:
        self._styles = styles
        self._notes = [styles.body.break_text(note, WIDTH) for note in notes]
        self._signatures = signatures
        self.height = sum(map(len, self._notes)) * styles.body.leading + (_BEFORE_NOTES if notes else 0)
        """In points."""
        if signatures is not None:
            self.height += _height_of_signatures(styles, signatures)

    @property
    def is_signed(self) -> bool:
        """Whether somebody signs."""
        return self._signatures is not None

    def draw(self, pages: Pages) -> None:
        """Draw it below what it ends."""
        if self._notes:
            pages.y -= _BEFORE_NOTES
        for lines in self._notes:
            pages.need(len(lines) * self._styles.body.leading)
            pages.text("P", self._styles.body, lines, GREY)
        if self._signatures is not None:
            _draw_signatures(pages, self._signatures)


def _has_note(bilan: Bilan, *, is_commune: bool) -> bool:
    return is_commune and bilan.changements > 0


def _height_of_terms(styles: Styles) -> float:
    return _BEFORE + styles.heading.leading + _BETWEEN + styles.figure.leading


def _terms(bilan: Bilan, *, is_commune: bool) -> list[tuple[str, str]]:
    terms = [
        ("Électeurs avant", "", bilan.avant),
        ("Inscriptions", "+ ", bilan.inscriptions),
        ("Arrivées d’un autre bureau", "+ ", bilan.arrivees),
        ("Radiations", "− ", bilan.radiations),
        ("Départs vers un autre bureau", "− ", bilan.departs),
        ("Électeurs après", "= ", bilan.apres),
    ]
    if is_commune and not bilan.arrivees and not bilan.departs:
        del terms[4], terms[2]
    return [(name, sign + format_number(number)) for name, sign, number in terms]


def _height_of_signatures(styles: Styles, signatures: Signatures) -> float:
    lieu, titre = _break(styles.body, signatures.lieu), _break(styles.strong, signatures.titre)
    head = len(lieu) * styles.body.leading + _AFTER_LIEU + len(titre) * styles.strong.leading
    whole = head + _rows(signatures) * _PLACE_HEIGHT
    return _BEFORE_SIGNATURES + (max(whole, _SEAL) if signatures.has_seal else whole)


def _draw_signatures(pages: Pages, signatures: Signatures) -> None:
    """Draw the place and date to complete, a line for each signature, the seal's place at the right."""
    styles = pages.styles
    pages.need(_height_of_signatures(styles, signatures))
    pages.y -= _BEFORE_SIGNATURES
    top = pages.y
    _draw_lieu(pages, styles.body, signatures.lieu)
    pages.y -= _AFTER_LIEU
    pages.text("P", styles.strong, _break(styles.strong, signatures.titre))
    if signatures.has_seal:
        _draw_seal(pages, top)
    for row in range(_rows(signatures)):
        pages.need(_PLACE_HEIGHT)
        pages.y -= _PLACE_HEIGHT
        _draw_places(pages, signatures, row)


def _rows(signatures: Signatures) -> int:
    return -(-signatures.places // _ACROSS)


def _break(style: Style, text: str) -> Sequence[str]:
    return style.break_text(text, WIDTH - _SEAL - _DATE_WIDTH - 2 * _GUTTER)


def _draw_lieu(pages: Pages, style: Style, lieu: str) -> None:
    """« Fait à LIBREVILLE, le … », a line in the place of the points."""
    lines = [*_break(style, lieu)]
    lines[-1] = lines[-1].rstrip(" …")
    pages.text("P", style, lines)
    if lieu.endswith("…"):
        end = LEFT + style.width(lines[-1]) + 6
        with pages.tags.artifact():
            draw_rule(pages.canvas, end, end + _DATE_WIDTH, pages.y + 1, shade=GREY)


def _draw_places(pages: Pages, signatures: Signatures, row: int) -> None:
    """Draw one row of places, as many as in each other row but the last."""
    style = pages.styles.heading
    rest = WIDTH - (_SEAL + 2 * _GUTTER if signatures.has_seal else 0)
    width = min(_PLACE_WIDTH, (rest + _GUTTER) / _ACROSS - _GUTTER)
    across = -(-signatures.places // _rows(signatures))
    top = pages.y + style.leading + 2
    for place in range(min(across, signatures.places - row * across)):
        left = LEFT + place * (width + _GUTTER)
        with pages.tags.artifact():
            draw_rule(pages.canvas, left, left + width, top + 2, shade=GREY)
        with pages.tags.element("P"):
            draw_lines(pages.canvas, left, top, style, ["Nom et signature"], GREY)


def _draw_seal(pages: Pages, top: float) -> None:
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
        draw_lines(canvas, x - style.width(caption) / 2, y + style.leading / 2, style, [caption], GREY)
