"""The contents of messages: facts in; a mail's text and HTML, a chat's lines, events out. No I/O."""
