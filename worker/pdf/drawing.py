"""The content of a page, or of a form that many pages show: PDF operators, in points from the bottom left corner."""

from collections.abc import Sequence

from worker.pdf.text import Style

BLACK, GREY, RULE = 0.0, 0.38, 0.78
"""Shades: text, what accompanies it, and hairlines."""


class Drawing:
    """Operators, in the order they are drawn and read."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def lines(self, x: float, y: float, style: Style, lines: Sequence[bytes], shade: float = BLACK) -> float:
        """Set lines whose first has its top at `y`; the bottom of the last."""
        self._parts.append(
            b"BT %b %g TL %g g %.2f %.2f Td %b ET\n"
            % (style.to_bytes(), style.leading, shade, x, y - style.ascent, b" T*".join(lines))
        )
        return y - style.leading * len(lines)

    def text(self, x: float, y: float, style: Style, text: str, shade: float = BLACK) -> float:
        """Set one line; where it ends."""
        self.lines(x, y, style, [style.show(text)], shade)
        return x + style.width(text)

    def text_before(self, x: float, y: float, style: Style, text: str, shade: float = BLACK) -> None:
        """Set one line that ends at `x`."""
        self.text(x - style.width(text), y, style, text, shade)

    def rule(self, left: float, right: float, y: float, *, weight: float = 0.4, shade: float = RULE) -> None:
        """Draw a horizontal line."""
        self._parts.append(b"%g w %g G %.2f %.2f m %.2f %.2f l S\n" % (weight, shade, left, y, right, y))

    def form(self, name: str, x: float, y: float) -> None:
        """Show a form, its origin at this place."""
        self._parts.append(b"q 1 0 0 1 %.2f %.2f cm/%b Do Q\n" % (x, y, name.encode()))

    def raw(self, operators: bytes) -> None:
        """Add operators as they are."""
        self._parts.append(operators)

    def to_bytes(self) -> bytes:
        """The whole content."""
        return b"".join(self._parts)
