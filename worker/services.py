"""The services of the use cases: connections, the volume, limits. Built once, at the entry point."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine

from schemas.profiles.platform import PlatformProfiles
from schemas.profiles.source import SourceProfile
from schemas.vocabulary import Severity
from worker.arrivals import Arrivals
from worker.exports.storage import Storage
from worker.work.queue import BATCH, MOST_STARTS

# Durations and limits that no installation changes; tests set others.

LEASE_SECONDS = 8.0
"""How long a work stays claimed by a process that renews nothing: a work of a dead process waits so long."""

MOST_FAILURES = 3
"""Starts of one file that fail by a bug before the file fails."""

RETRY_SECONDS = 3600.0
"""How long a file waits for a full volume or an absent service before it fails."""

SWEEP_SECONDS = 1.0
"""Seconds between two sweeps."""

EXPIRED_SECONDS = 60.0
"""Seconds between two looks for events that expired before they were read."""

MOST_WAITING = 50_000
"""Files of one share that may wait: of an account, or of the agents of a commune."""

SendTokens = Callable[[str, int], None]
"""Sends so many tokens to a queue; raises when the broker is away: the sweep sends others."""


@dataclass(frozen=True)
class Services:
    """The services of a process. `registre` is `engine` unless the register has a database of its own."""

    engine: Engine
    registre: Engine
    storage: Storage
    arrivals: Arrivals
    send_tokens: SendTokens
    profiles: PlatformProfiles
    source: SourceProfile
    ruined_values: Severity
    public_url: str
    """The address of the screen, for the links of reports; empty without one."""
    lease_seconds: float = LEASE_SECONDS
    most_starts: int = MOST_STARTS
    most_failures: int = MOST_FAILURES
    retry_seconds: float = RETRY_SECONDS
    most_waiting: int = MOST_WAITING
    most_lane: int = BATCH
    """PEOPLE in a process that makes no file of a batch."""
    is_embedded: bool = False
    """One process without a broker: requests come from this computer, without an account."""
    held: set[str] = field(default_factory=set)
    """The owners of the works that this process does now."""
    exhausted: threading.Event = field(default_factory=threading.Event)
    """Set when this process lacks memory or descriptors: from then on no error counts against a file."""
    stuck: threading.Event = field(default_factory=threading.Event)
    """Set when a job hangs: only the end of the process frees its thread."""
