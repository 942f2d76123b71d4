"""The road of three requests through the product's files, traced while they are really served.

    python -m tests.journeys [--files] [--edges] [--json] [liste] [ecran] [tableau]

Each journey runs in a process of its own on the embedded default (SQLite, no broker), with LIBREVILLE's register. What
is asked for counts, in every thread, from the command or the press of the button to the file and its notification; what
the process does to start, and by its clock (sweep, purge, reminders), is nobody's request.

What is counted:

- A **product file** is a `.py` file of schemas/, common/, producers/ or worker/. A journey *enters* it when a function
  of the file first runs; what an import runs (`<module>` and all that it calls) does not count.
- A **call edge** is a distinct pair, caller file → callee file, of two product files. The caller is the nearest product
  function on the stack: a call that goes through a library (click, SQLAlchemy, Starlette) counts as well. A thread's
  first function has no caller, and a generator is called by whoever reads it.
- An edge **goes back** when the callee was entered before the caller: the reader who follows the request has left that
  file behind and returns to it.
- One that goes back **to the floor** (common/, schemas/, worker/db/: words, files, the calendar, the contract, the
  database's types) is counted apart: its reader looks a word up and reads on where he was.
- It **goes up** when, at least once, the callee was on the stack already, waiting for an answer: not a helper that is
  met again, but a call against the direction of the road (a function that was handed down, or two files that are one).

Few files, and few edges that go back or up, are a road that can be followed by reading on.
"""
