"""The services of the use cases: connections, the volume, limits. Built once, at the entry point."""

import threading
from dataclasses import dataclass, field

from sqlalchemy import Engine

from schemas.profiles.platform import PlatformProfiles
from schemas.profiles.source import SourceProfile
from schemas.vocabulary import Severity
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
    profiles: PlatformProfiles
    source: SourceProfile
    ruined_values: Severity
    lease_seconds: float = LEASE_SECONDS
    max_attempts: int = MAX_ATTEMPTS
    retry_seconds: float = RETRY_SECONDS
    is_embedded: bool = False
    """One process without a broker: requests come from this computer, without an account."""
    quota: int = QUOTA
    quota_bulk: int = QUOTA_BULK
    exhausted: threading.Event = field(default_factory=threading.Event)
    """Set when this process lacks memory or descriptors: from then on no error counts against a file."""
    stuck: threading.Event = field(default_factory=threading.Event)
    """Set when a job hangs: only the end of the process frees its thread."""
