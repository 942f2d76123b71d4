"""The cure walker."""
