"""What messages say: facts in; a mail's text and HTML, a chat's lines, events out. No other input, nothing is sent."""
