"""Notifies people and programs of the results of requests, once; begin with notify.py."""
