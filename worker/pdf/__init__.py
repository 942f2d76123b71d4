"""Drawing a Tableau as a PDF/A-1b file; runnable alone for preview: `python -m worker.pdf < tableau.json`."""
