"""Ruined files: what clerks really give to an import, each by its name, and what must be said of it.

`catalogue.py` makes them from a small export of invented electors; `test_ruined.py` gives each to the command line.
"""
