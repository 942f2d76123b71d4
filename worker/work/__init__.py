"""The table of due work: what is to be done, when, and which process does it; queue.py is where to begin."""
