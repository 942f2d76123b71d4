"""The sweep, the reminders and the purge, beside the notifier in its process; housekeeping.py is where to begin."""
