"""Requests, each sent twice, while parts of one installation fail; then nothing is lost, doubled or half-written."""
