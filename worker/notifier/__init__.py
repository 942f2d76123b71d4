"""Notifies people and programs of what became of a request, once; notify.py is where to begin."""
