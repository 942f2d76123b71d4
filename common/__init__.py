"""The floor that producers and worker stand on: words, clock, files, logs, command lines, settings, the law's calendar.

It knows nothing of ours: not the contract (`schemas`), not who asks for files, not who makes them.
"""
