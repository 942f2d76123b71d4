"""The producers: publish requests, read what became of them. They know the schemas only, never the worker."""
