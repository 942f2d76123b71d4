"""The sizes of text: few, and each with one use."""

from dataclasses import dataclass
from typing import Self

from worker.pdf.face import load_face
from worker.pdf.font import Font
from worker.pdf.text import Style


@dataclass(frozen=True)
class Styles:
    """Those of one document."""

    fonts: list[Font]
    titre: Style
    section: Style
    partie: Style
    strong: Style
    body: Style
    strong_body: Style
    small: Style
    heading: Style
    mark: Style
    figure: Style
    strong_figure: Style

    @classmethod
    def create(cls) -> Self:
        """Fonts that nothing was written with yet."""
        regular, bold = Font("R", load_face("regular")), Font("B", load_face("bold"))
        return cls(
            fonts=[regular, bold],
            titre=Style(bold, 13, 16),
            section=Style(bold, 11, 14),
            partie=Style(bold, 9, 12),
            strong=Style(bold, 8, 10.5),
            body=Style(regular, 7.5, 9),
            strong_body=Style(bold, 7.5, 9),
            small=Style(regular, 7, 9),
            heading=Style(regular, 6.5, 7.8),
            mark=Style(bold, 10, 11),
            figure=Style(regular, 11, 13),
            strong_figure=Style(bold, 11, 13),
        )
