"""From a claimed export to its file: make it, check it, record it."""
