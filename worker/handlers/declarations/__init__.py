"""Declarations about files and about the register: read from an event, written in its transaction."""
