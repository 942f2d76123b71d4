"""Tells people and programs what became of a request, once."""
