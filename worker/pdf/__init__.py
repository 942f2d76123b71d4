"""Draws a Tableau as PDF/A-1b and PDF/UA-1."""
