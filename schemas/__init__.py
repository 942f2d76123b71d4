"""The contract between producers and workers, readable from any language.

It imports Pydantic and the standard library only, and no other package of this project.
"""
