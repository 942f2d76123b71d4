"""The services of the use cases: connections, the volume, limits. Built once, at the entry point."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from schemas.vocabulary import Liste, Severity
from worker.arrivals import Arrivals
from worker.doorbell import Enqueue
from worker.exports.storage import Storage

# Durations and limits that no installation changes; tests set others.

LEASE_SECONDS = 30.0
"""How long a row stays claimed by a worker that renews nothing."""

MAX_ATTEMPTS = 3
"""Starts of one file before it fails."""

RETRY_SECONDS = 3600.0
"""How long a file waits for a full volume or an absent service before it fails."""

SWEEP_SECONDS = 1.0
"""Seconds between two searches for lost messages."""

QUOTA, QUOTA_BULK = 500, 50_000
"""Limits of waiting requests: of one account for one commune, and of one account in batches."""


@dataclass(frozen=True)
class Services:
    """The services of a process. `registre` is `engine` unless the register has a database of its own."""

    engine: Engine
    registre: Engine
    storage: Storage
    arrivals: Arrivals
    enqueue: Enqueue
    type_liste_codes: Mapping[Liste, str]
    info_liste: str
    xsd: Path | None
    lease_seconds: float = LEASE_SECONDS
    max_attempts: int = MAX_ATTEMPTS
    retry_seconds: float = RETRY_SECONDS
    is_embedded: bool = False
    """One process without a broker: requests come from this computer, without an account."""
    ruined_values: Severity = Severity.BLOCKING
    quota: int = QUOTA
    quota_bulk: int = QUOTA_BULK
    met: set[str] = field(default_factory=set)
    """The errors for which this process released files since it last finished a file."""
    exhausted: threading.Event = field(default_factory=threading.Event)
    """Set when this process lacks memory or descriptors: from then on no error counts against a file."""
    stuck: threading.Event = field(default_factory=threading.Event)
    """Set when a job hangs: only the end of the process frees its thread."""
