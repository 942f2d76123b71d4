"""The worker: reads requests, makes the files, records them, notifies people."""
