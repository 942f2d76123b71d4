"""The ways that a message takes: a mail, a chat, a webhook."""
