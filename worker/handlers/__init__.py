"""Use cases, one a file: each reads like the sentence that describes it."""
