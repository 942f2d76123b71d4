"""Access: which accounts, agents, programs and tokens have which rights, and who is notified."""
