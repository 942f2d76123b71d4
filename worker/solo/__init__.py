"""The embedded default: queue, worker, notifier and database (SQLite) in one process, without a broker.

`python -m worker.solo --help`. The only part of the worker that knows the producers.
"""
