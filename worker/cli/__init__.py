"""The command line of the worker: `python -m worker COMMAND`. Its texts are French, for operators and clerks."""
