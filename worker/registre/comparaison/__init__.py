"""Compares two exports of the REU and derives mouvements."""
