"""The channels of messages: mail, webhook."""
