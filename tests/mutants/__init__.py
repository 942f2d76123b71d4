"""Safeguards removed one at a time: each has a test that then fails. `make mutants`; see `safeguards`."""
