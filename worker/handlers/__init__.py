"""The use cases, one in each file. Each reads like the sentence that describes it."""
