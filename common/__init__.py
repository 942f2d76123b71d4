"""The base of producers and worker: words, clock, files, logs, command lines, settings, the calendar of the law.

It imports neither the contract (`schemas`) nor producers nor worker.
"""
