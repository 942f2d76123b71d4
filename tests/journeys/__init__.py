"""The product's files that three requests pass through, traced during real requests.

    python -m tests.journeys [--files] [liste] [ecran] [tableau]

Each journey runs in a process of its own on the embedded default (SQLite, no broker), with LIBREVILLE's register. The
trace covers every thread, from the command or the click on the button to the file and its notification. The start of
the process and its periodic work (sweep, purge, reminders) do not count.

A journey enters a `.py` file of schemas/, common/, producers/ or worker/ when a function of the file first runs. Code
that an import runs (`<module>` and all that it calls) does not count.
"""
