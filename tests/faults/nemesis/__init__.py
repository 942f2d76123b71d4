"""Overlapping faults, drawn by a seed: what a table of single faults cannot show."""
