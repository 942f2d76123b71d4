"""The tableau of the mouvements of a list: its request, its sources, its lines and its totals."""
