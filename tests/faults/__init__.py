"""Faults: N requests, each delivered twice, while one thing breaks; then nothing is lost, doubled or half-written.

`python -m tests.faults` plays them all and prints a table; `make test` plays a few. To read in this order: `fault`
(what a fault is), `workers`, `broker`, `database`, `volume`, `messages`, `mail` (the faults), `stage` (what they
break), `runner` (how they are played), `facts` and `verdict` (what must hold).
"""
