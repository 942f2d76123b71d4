"""The worker: reads requests, makes the files, records them, tells people."""
