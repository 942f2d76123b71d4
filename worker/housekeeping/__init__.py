"""What the notifier's process does besides notifying: the sweep, the reminders, the purge."""
