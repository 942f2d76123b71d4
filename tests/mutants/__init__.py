"""Safeguards taken away one at a time: each has a test that turns red without it. `make mutants`; see `table`."""
