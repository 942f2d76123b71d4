"""What a batch is: requests under one name, which can be sent again without doubling anything."""

import json
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from producers.batch.records import CommuneOutcome
from schemas.envelope import CloudEvent

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
