"""What people did with files, or know of the register: read from an event, written in its transaction."""
