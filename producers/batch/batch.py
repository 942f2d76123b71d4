"""What a batch is: the communes of a file, their requests under one name, what became of each.

Sent again under the same name, nothing is doubled.
"""

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from schemas.envelope import CloudEvent
from schemas.requests import check_code_commune
from schemas.vocabulary import RequestOutcome


@dataclass(frozen=True)
class BatchProgress:
    """Where a batch stands: requests that a worker has read, those that are settled, and the files of all."""

    read: int = 0
    settled: int = 0
    refused: int = 0
    ready: int = 0
    """Files that were made, those that are provisional, to be corrected, completed or made again too."""
    provisional: int = 0
    to_correct: int = 0
    to_complete: int = 0
    recalled: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def usable(self) -> int:
        """Files that are called ready."""
        return self.ready - self.provisional - self.to_correct - self.to_complete - self.recalled


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
    provisional: int = 0
    """Files, of those that are ready, whose date was to come: to be made again then."""
    to_correct: int = 0
    """Files, of the others that are ready, with blocking anomalies."""
    to_complete: int = 0
    """Tableaux, of the others that are ready, that lack dates or motifs."""
    recalled: int = 0
    """Files that were ready, and are to be made again: what they rest on was taken back. Counted as nothing else."""
    failures: tuple[Failure, ...] = ()

    @property
    def usable(self) -> int:
        """Files that are called ready: neither provisional, nor to be corrected, completed or made again."""
        return self.ready - self.provisional - self.to_correct - self.to_complete - self.recalled

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will happen to it."""
        if self.outcome is RequestOutcome.REFUSED:
            return True
        return self.outcome is not None and not self.unfinished

    @property
    def is_whole(self) -> bool:
        """Whether every file that was asked for is ready, and holds."""
        if self.failed or self.cancelled or self.recalled:
            return False
        return self.is_settled and self.outcome is RequestOutcome.ACCEPTED


_LINE_END = re.compile("\r\n|\r|\n")
_SEPARATORS = re.compile("[;,\t]")
_HEADERS = {"code", "insee", "commune", "communes", "codgeo", "com", "depcom"}
_NO_ZERO = re.compile(r"[1-9][0-9]{3}", re.ASCII)


class CommuneFault(NamedTuple):
    """A line that names no commune, counted from 1; the reason is French and quotes nothing."""

    line: int
    reason: str


class CommunesFile(NamedTuple):
    """What was read: each commune once, in the order of the file; the lines at fault; how many were repeated."""

    communes: list[str]
    faults: list[CommuneFault]
    repeated: int


def read_communes(content: bytes) -> CommunesFile:
    """Read the file. Blank lines, what follows `#`, and a line of titles at the top are left out.

    UTF-8 or another encoding that has ASCII in it: a code is ASCII, and other columns are not read.
    """
    lines = enumerate(_LINE_END.split(content.decode("utf-8-sig", "replace")), 1)
    cells = [(number, [_bare(cell) for cell in _SEPARATORS.split(line.partition("#")[0])]) for number, line in lines]
    named = [(number, row[0]) for number, row in cells if any(row)]
    if named and _is_title(named[0][1]):
        del named[0]
    return _check(named)


def _check(named: Iterable[tuple[int, str]]) -> CommunesFile:
    communes: dict[str, None] = {}
    faults: list[CommuneFault] = []
    read = 0
    for number, cell in named:
        try:
            communes[check_code_commune(cell.upper())] = None
            read += 1
        except ValueError as error:
            faults.append(CommuneFault(number, f"{error}{_hint(cell)}"))
    return CommunesFile(list(communes), faults, read - len(communes))


def _bare(cell: str) -> str:
    return cell.strip().strip("\"'").strip()


def _is_title(cell: str) -> bool:
    words = re.split(r"[ _-]", cell.casefold())
    return words[0] in _HEADERS and not any(character.isdigit() for character in cell)


def _hint(cell: str) -> str:
    return " ; un tableur a peut-être ôté le zéro du début" if _NO_ZERO.fullmatch(cell) else ""


BATCH_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)

_LONGEST_STEM = 60
_OTHERS = re.compile(r"[^A-Za-z0-9]+", re.ASCII)


class Batch(NamedTuple):
    """One request per commune, whose events bear the name as their correlation id."""

    name: str
    events: Sequence[CloudEvent]

    @property
    def source(self) -> str:
        """Who sends: the same for each request."""
        return self.events[0].source

    @property
    def asked(self) -> list[CommuneOutcome]:
        """What is known of each request before anybody has read it."""
        return [CommuneOutcome(event.data["commune"], event.id) for event in self.events]


def new_batch_name(stem: str, now: datetime) -> str:
    """A name that no other batch has, after a file: `communes-13-20261125-093000-4f2a`."""
    readable = _OTHERS.sub("-", stem).strip("-")[:_LONGEST_STEM].strip("-") or "lot"
    return f"{readable}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def put_in_batch(event: CloudEvent, batch: str) -> CloudEvent:
    """The event as part of a batch.

    Its id comes from the batch's name and from what is asked, whoever asks: sent again under the same name, the request
    is the same one, which counts once.
    """
    asked = {name: value for name, value in event.data.items() if name != "requested_by"}
    identity = json.dumps([batch, event.type, asked], sort_keys=True)
    return event.model_copy(update={"id": str(uuid5(NAMESPACE_URL, identity)), "correlationid": batch})
