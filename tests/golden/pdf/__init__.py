"""Drawn tableaux, by case: `tableau.json`, and `texte.txt`, the text of each page as a reader extracts it."""
