"""Overlapping faults, drawn by a seed, which the table of single faults cannot show."""
