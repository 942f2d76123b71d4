"""The producers: they publish requests and read their state. They import the schemas, never the worker."""
