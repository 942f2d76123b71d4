"""The table of due work: what to do, when, and which process does it; begin with queue.py."""
