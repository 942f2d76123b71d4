"""What a producer can know of the requests of a batch, counted: there may be thousands."""

from dataclasses import dataclass

from schemas.vocabulary import RequestOutcome


@dataclass(frozen=True)
class BatchProgress:
    """Where a batch stands: requests that a worker has read, those that are settled, and the files of all."""

    read: int = 0
    settled: int = 0
    refused: int = 0
    ready: int = 0
    failed: int = 0
    cancelled: int = 0


@dataclass(frozen=True)
class Failure:
    """Files of one commune that could not be made for one reason; `code` is a word for programs."""

    code: str
    reason: str
    files: int


@dataclass(frozen=True)
class CommuneOutcome:
    """What became of one request of a batch; `outcome` is None while no worker has read it.

    Blocking anomalies and remarks of a list, or of a type of tableau for a list, count once: they are the same in each
    format and in each presentation.
    """

    commune: str
    event_id: str
    nom: str = ""
    outcome: RequestOutcome | None = None
    reason: str = ""
    ready: int = 0
    failed: int = 0
    cancelled: int = 0
    unfinished: int = 0
    bloquantes: int = 0
    remarques: int = 0
    failures: tuple[Failure, ...] = ()

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will happen to it."""
        if self.outcome is RequestOutcome.REFUSED:
            return True
        return self.outcome is not None and not self.unfinished

    @property
    def is_whole(self) -> bool:
        """Whether every file that was asked for is ready."""
        return self.is_settled and self.outcome is RequestOutcome.ACCEPTED and not (self.failed or self.cancelled)
