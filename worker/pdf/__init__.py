"""Drawing a Tableau as PDF/A-1b and PDF/UA-1; runnable alone for preview: `python -m worker.pdf < tableau.json`."""
