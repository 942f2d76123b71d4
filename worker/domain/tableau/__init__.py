"""The tableau of a list's mouvements: what was asked, what it rests on, which lines, which totals."""
