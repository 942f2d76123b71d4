"""Faults: N requests, each delivered twice, while one thing breaks; then nothing is lost, doubled or half-written.

`python -m tests.faults` plays them all and prints a table; the slow tests play a few. To read in this order: `plays`
(the faults), `stage` (what they break), `runner` (how they are played and judged), `facts` (what is counted).
"""
