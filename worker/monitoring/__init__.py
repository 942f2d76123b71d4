"""Figures of the rows and of the broker, for Prometheus."""
