"""Requests: read from an event, checked, and recorded as rows, or refused with a reason."""
