"""The worker's logs follow the screen's rules: neither prints what the other would not."""

from producers.logs import configure_logs, describe_exception

__all__ = ["configure_logs", "describe_exception"]
