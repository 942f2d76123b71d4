"""The mouvements of the register: imported, given a motif, read for the tableaux."""
