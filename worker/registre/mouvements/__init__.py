"""The mouvements of the register: their import, their motifs, and the queries of the tableaux."""
