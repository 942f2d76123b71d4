"""The files of the product that three requests pass through, traced while they are really served.

    python -m tests.journeys [--files] [liste] [ecran] [tableau]

Each journey runs in a process of its own on the embedded default (SQLite, no broker), with LIBREVILLE's register. What
is asked for counts, in every thread, from the command or the press of the button to the file and its notification. What
the process does to start, and by its clock (sweep, purge, reminders), does not count.

A journey enters a `.py` file of schemas/, common/, producers/ or worker/ when a function of the file first runs. What
an import runs (`<module>` and all that it calls) does not count.
"""
