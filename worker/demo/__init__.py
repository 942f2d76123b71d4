"""The demonstration commune LIBREVILLE."""
