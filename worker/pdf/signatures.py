"""Who signs, where and when, with room for the seal; kept on one page."""

from worker.domain.tableau import Signatures
from worker.pdf.drawing import GREY, RULE, Drawing
from worker.pdf.frame import LEFT, RIGHT, WIDTH
from worker.pdf.pages import Pages
from worker.pdf.styles import Styles
from worker.pdf.text import Style

_BEFORE, _BETWEEN = 20.0, 6.0
_DATE_WIDTH = 120.0
_ACROSS = 5
_PLACE_WIDTH, _PLACE_HEIGHT, _GUTTER = 150.0, 56.0, 14.0
"""2 cm high: a signature, its line and the words below it."""
_SEAL = 100.0
"""35 mm, the diameter of a town hall's seal."""
_BEND = 0.5523
"""How far a Bézier curve's control points are for a quarter of a circle of radius 1."""


def height_of_signatures(styles: Styles, signatures: Signatures) -> float:
    """Of the whole block, in points."""
    lieu, titre = _break(styles.body, signatures.lieu), _break(styles.strong, signatures.titre)
    head = len(lieu) * styles.body.leading + _BETWEEN + len(titre) * styles.strong.leading
    whole = head + _rows(signatures) * _PLACE_HEIGHT
    return _BEFORE + (max(whole, _SEAL) if signatures.has_seal else whole)


def draw_signatures(pages: Pages, styles: Styles, signatures: Signatures) -> None:
    """Draw the place and date to complete, a line for each signature, the seal's place at the right."""
    pages.need(height_of_signatures(styles, signatures))
    pages.y -= _BEFORE
    top = pages.y
    pages.y = _draw_lieu(pages.drawing, styles.body, pages.y, signatures.lieu) - _BETWEEN
    for line in _break(styles.strong, signatures.titre):
        pages.drawing.text(LEFT, pages.y, styles.strong, line)
        pages.y -= styles.strong.leading
    if signatures.has_seal:
        _draw_seal(pages.drawing, styles, top)
    for row in range(_rows(signatures)):
        pages.need(_PLACE_HEIGHT)
        pages.y -= _PLACE_HEIGHT
        _draw_places(pages.drawing, styles, pages.y, signatures, row)


def _rows(signatures: Signatures) -> int:
    return -(-signatures.places // _ACROSS)


def _break(style: Style, text: str) -> list[str]:
    return style.break_text(text, WIDTH - _SEAL - _DATE_WIDTH - 2 * _GUTTER)


def _draw_lieu(drawing: Drawing, style: Style, y: float, lieu: str) -> float:
    """« Fait à LIBREVILLE, le … », a line in the place of the points; where it ends."""
    for line in _break(style, lieu):
        end = drawing.text(LEFT, y, style, line.rstrip(" …"))
        y -= style.leading
    if lieu.endswith("…"):
        drawing.rule(end + 6, end + 6 + _DATE_WIDTH, y + 1, shade=GREY)
    return y


def _draw_places(drawing: Drawing, styles: Styles, y: float, signatures: Signatures, row: int) -> None:
    """Draw one row of places, as many as in each other row but the last."""
    rest = WIDTH - (_SEAL + 2 * _GUTTER if signatures.has_seal else 0)
    width = min(_PLACE_WIDTH, (rest + _GUTTER) / _ACROSS - _GUTTER)
    across = -(-signatures.places // _rows(signatures))
    top = y + styles.heading.leading + 2
    for place in range(min(across, signatures.places - row * across)):
        left = LEFT + place * (width + _GUTTER)
        drawing.rule(left, left + width, top + 2, shade=GREY)
        drawing.text(left, top, styles.heading, "Nom et signature", GREY)


def _draw_seal(drawing: Drawing, styles: Styles, top: float) -> None:
    radius = _SEAL / 2
    bend = radius * _BEND
    x, y = RIGHT - radius, top - radius
    quarters = (
        (x + radius, y + bend, x + bend, y + radius, x, y + radius),
        (x - bend, y + radius, x - radius, y + bend, x - radius, y),
        (x - radius, y - bend, x - bend, y - radius, x, y - radius),
        (x + bend, y - radius, x + radius, y - bend, x + radius, y),
    )
    curves = b"".join(b" %.2f %.2f %.2f %.2f %.2f %.2f c" % quarter for quarter in quarters)
    drawing.raw(b"q 0.4 w %g G [1.5 2.5] 0 d %.2f %.2f m%b s Q\n" % (RULE, x + radius, y, curves))
    caption = "Sceau de la mairie"
    left = x - styles.heading.width(caption) / 2
    drawing.text(left, y + styles.heading.leading / 2, styles.heading, caption, GREY)
