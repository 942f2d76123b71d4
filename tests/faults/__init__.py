"""Faults: N requests, each delivered twice, while one part fails; then nothing is lost, doubled or half-written.

`python -m tests.faults` plays them all and prints a table; the slow tests play a few. Reading order: `plays`
(the faults), `stage` (the parts that fail), `runner` (how faults are played and judged), `facts` (the counts).
"""
