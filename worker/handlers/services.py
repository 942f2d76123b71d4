"""What the use cases are given: connections, the volume, a few numbers. Composed once, at the entry point."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from schemas.vocabulary import Liste, Severity
from worker.doorbell import Enqueue
from worker.exports.storage import Storage


@dataclass(frozen=True)
class Services:
    """`registre` is the same engine as `engine` unless the register is in a database of its own."""

    engine: Engine
    registre: Engine
    storage: Storage
    enqueue: Enqueue
    type_liste_codes: Mapping[Liste, str]
    info_liste: str
    xsd: Path | None
    lease_seconds: float
    max_attempts: int
    retry_seconds: float
    known_senders_only: bool = False
    ruined_values: Severity = Severity.BLOCKING
