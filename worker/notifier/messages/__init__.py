"""The contents of messages: facts in; a mail's text, events out. No I/O."""
