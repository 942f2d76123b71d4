"""Draws a letter in portrait, as PDF/A-1b and PDF/UA-1: the page breaks are known before the first page is drawn."""

from collections.abc import Sequence
from typing import NamedTuple

from reportlab.pdfgen.canvas import Canvas

from common.files import Sink
from worker.domain.letter import Letter
from worker.pdf.document import Tags, open_canvas
from worker.pdf.font import Style, Styles
from worker.pdf.pages import GREY, RULE, draw_lines, draw_rule

PORTRAIT = 595.28, 841.89
_LEFT, _MIDDLE, _RIGHT = 56.7, 300.0, 538.6
"""Margins of 20 mm; the recipient, the day and the signature begin in the middle."""
_TOP, _BOTTOM, _FOOT = 785.2, 71.0, 48.0
_BETWEEN, _BEFORE_BLOCK = 9.0, 22.0
_ROOM_TO_SIGN, _CACHET = 74.0, 85.0
_LEAST = 2
"""Number of lines of a paragraph that are never alone on a page, or above the signature."""
_REMEDIES = "Voies et délais de recours"


class _Block(NamedTuple):
    style: Style
    lines: Sequence[str]
    before: float = _BETWEEN
    left: float = _LEFT
    role: str = "P"
    stays_with_next: bool = False
    shade: float = 0.0


class _Placed(NamedTuple):
    block: _Block
    y: float


def render_letter(letter: Letter, sink: Sink) -> int:
    """Write a letter; return the number of pages."""
    canvas, document = open_canvas(
        sink, f"{letter.titre} – {letter.nom_commune}", letter.nom_commune, PORTRAIT
    )
    styles = Styles.create(document)
    tags = Tags(canvas, document)
    foot = _foot(styles, letter)
    closing = _height_of_signature(styles, letter) + sum(map(_height, foot))
    pages, y = _lay_out([*_blocks(styles, letter)], closing)
    for number, placed in enumerate(pages, 1):
        for block, top in placed:
            _draw(canvas, tags, block, top)
        if number == len(pages):
            y = _draw_signature(canvas, tags, styles, letter, y)
            for block in foot:
                y -= block.before
                _draw(canvas, tags, block, y)
                y -= len(block.lines) * block.style.leading
        said = f"page {number} / {len(pages)}"
        left = _RIGHT - styles.note.width(said)
        with tags.artifact():
            draw_lines(canvas, left, _FOOT, styles.note, [said], GREY)
        canvas.showPage()
    tags.finish()
    canvas.save()
    return len(pages)


def _blocks(styles: Styles, letter: Letter) -> Sequence[_Block]:
    text, strong = styles.letter, styles.partie
    half, width = _RIGHT - _MIDDLE, _RIGHT - _LEFT

    def block(words: Sequence[str], within: float, style: Style = text) -> list[str]:
        return [line for it in words for line in style.break_text(it, within)]

    sender, *contact = letter.expediteur
    blocks = [
        _Block(strong, block([sender], half - 20, strong), 0),
        _Block(text, block(contact, half - 20), 2),
    ]
    if letter.destinataire:
        blocks.append(_Block(text, block(letter.destinataire, half), _BEFORE_BLOCK, _MIDDLE))
    blocks.append(_Block(text, block([letter.lieu], half), _BEFORE_BLOCK, _MIDDLE))
    objet = block([f"Objet : {letter.objet}"], width, strong)
    blocks.append(_Block(strong, objet, _BEFORE_BLOCK, role="H1"))
    blocks.append(_Block(text, block([f"Référence : {letter.reference}"], width), 2))
    corps = [_Block(text, block([it], width)) for it in letter.corps]
    corps[0] = corps[0]._replace(before=_BEFORE_BLOCK)
    blocks += corps
    if letter.recours:
        blocks.append(_Block(strong, [_REMEDIES], 16, role="H2", stays_with_next=True))
        blocks += [_Block(text, block([it], width), 4) for it in letter.recours]
    return blocks


def _foot(styles: Styles, letter: Letter) -> list[_Block]:
    width = _RIGHT - _LEFT
    return [
        _Block(styles.note, styles.note.break_text(it, width), 12 if place == 0 else 1, shade=GREY)
        for place, it in enumerate(letter.pied)
    ]


def _height(block: _Block) -> float:
    return block.before + len(block.lines) * block.style.leading


def _least_height(block: _Block, after: float) -> float:
    """Return the height of the first lines of a block, or of all of it and what follows if it is not divided."""
    if len(block.lines) >= 2 * _LEAST:
        return block.before + _LEAST * block.style.leading
    return _height(block) + after


def _lay_out(blocks: Sequence[_Block], closing: float) -> tuple[list[list[_Placed]], float]:
    """Return the blocks of each page, divided between lines where needed, and the bottom of the last one.

    `closing`: the height of what must follow the last lines on their page: the signature is never alone.
    """
    pages: list[list[_Placed]] = [[]]
    y = _TOP
    for place, block in enumerate(blocks):
        is_last = place == len(blocks) - 1
        lines, leading, before = list(block.lines), block.style.leading, block.before
        while lines:
            before = before if pages[-1] else 0
            room = y - before - _BOTTOM
            after = closing if is_last else 0
            if block.stays_with_next:
                is_next_last = place == len(blocks) - 2
                after = _least_height(blocks[place + 1], closing if is_next_last else 0)
            taken = len(lines)
            if taken * leading + after > room:
                taken = min(int(room // leading), len(lines) - _LEAST)
                if block.stays_with_next or taken < _LEAST:
                    taken = 0
            if taken:
                pages[-1].append(_Placed(block._replace(lines=lines[:taken]), y - before))
                y -= before + taken * leading
                del lines[:taken]
            if lines:
                pages.append([])
                y = _TOP
    return pages, y


def _draw(canvas: Canvas, tags: Tags, block: _Block, y: float) -> None:
    with tags.element(block.role):
        draw_lines(canvas, block.left, y, block.style, block.lines, block.shade)


def _height_of_signature(styles: Styles, letter: Letter) -> float:
    lines = styles.partie.break_text(letter.signataire, _RIGHT - _MIDDLE)
    return _BEFORE_BLOCK + len(lines) * styles.partie.leading + _ROOM_TO_SIGN + styles.note.leading


def _draw_signature(canvas: Canvas, tags: Tags, styles: Styles, letter: Letter, y: float) -> float:
    """Draw the room for the stamp and the signature, and return the bottom."""
    top = y - _BEFORE_BLOCK
    lines = styles.partie.break_text(letter.signataire, _RIGHT - _MIDDLE)
    _draw(canvas, tags, _Block(styles.partie, lines, left=_MIDDLE), top)
    bottom = top - len(lines) * styles.partie.leading - _ROOM_TO_SIGN
    with tags.artifact():
        draw_rule(canvas, _MIDDLE, _RIGHT, bottom, shade=GREY)
        if letter.has_cachet:
            canvas.setStrokeGray(RULE)
            canvas.setDash(1.5, 2.5)
            canvas.rect(_LEFT, bottom, _CACHET * 1.6, _CACHET)
            canvas.setDash()
    if letter.has_cachet:
        _draw(
            canvas,
            tags,
            _Block(styles.note, ["Cachet de la mairie"], left=_LEFT + 8, shade=GREY),
            bottom + 14,
        )
    caption = "Nom, qualité et signature" if letter.has_cachet else "Signature"
    _draw(canvas, tags, _Block(styles.note, [caption], left=_MIDDLE, shade=GREY), bottom - 1)
    return bottom - 1 - styles.note.leading
