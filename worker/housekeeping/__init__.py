"""The sweep, the reminders and the purges, in the notifier's process; begin with housekeeping.py."""
