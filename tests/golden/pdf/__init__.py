"""Tableaux drawn, by case: `tableau.json`, and `texte.txt`, what a reader extracts from each page of the PDF."""
