"""The contract between producers and workers, readable from any language.

Pydantic and the standard library only: nothing of ours is imported here.
"""
