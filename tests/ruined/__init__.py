"""Damaged files: real mistakes of clerks at an import, each with a name and the expected message.

`catalogue.py` makes them from a small export of invented electors; `test_ruined.py` gives each to the command line.
"""
