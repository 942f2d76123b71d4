"""The command line of the worker: `python -m worker COMMAND`. It speaks French, to the operator and the clerk."""
