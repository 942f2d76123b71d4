"""Durations and limits that no installation changes; worker/compose.py hands them to the parts. Tests set others."""

LEASE_SECONDS = 30.0
"""How long a silent worker keeps its row."""

MAX_ATTEMPTS = 3
"""Starts of one file before it fails."""

RETRY_SECONDS = 3600.0
"""How long a file waits for a full volume or an absent service before it fails."""

SWEEP_SECONDS = 1.0
"""Between two searches for forgotten rows."""

QUOTA, QUOTA_BULK = 500, 50_000
"""Requests that may wait: of one commune by one account, and of the batches of one account."""

KNOWN_SENDERS_ONLY = True
"""Whether requests of accounts that `senders` does not list are refused."""
