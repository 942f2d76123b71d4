"""How PostgreSQL is spoken to: a server that says nothing any more is noticed in seconds, not in TCP's two hours."""

SILENT_SECONDS = 20
"""How long the network may say nothing of what was sent, or of a connection that waits, before it is called cut."""

CONNECT_OPTIONS = {
    "connect_timeout": 5,
    "tcp_user_timeout": SILENT_SECONDS * 1000,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": (SILENT_SECONDS - 5) // 5,
}
"""Of libpq: seconds, but `tcp_user_timeout`, which is in milliseconds."""
