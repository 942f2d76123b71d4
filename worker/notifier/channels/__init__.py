"""The channels of messages: mail, chat, webhook."""
