"""The HTTP API for programs that do not mount the exports volume: address and problems, as in `openapi.json`."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from schemas.events import AnsweredRequest, FileStatus, Published, RefusalFault, RequestStatus
from schemas.requests import ListeExportRequested, TableauxRenderRequested

DOOR = "/api"
PREFIX = f"{DOOR}/v1"
FILE_PATH = "/exports/{export_id}/fichier"
EVENTS_PATH = "/events"
BATCHES_PATH = "/batches"
REQUESTS_PATH = "/requests"
REQUEST_PATH = "/requests/{uuid}"
"""One request of the token, by the UUID that is derived from its sender, its event's source and id, and its content."""
OPENAPI_PATH, OPENAPI_DOCUMENT = "/openapi.json", Path(__file__).with_name("openapi.json")
PAGE, LONGEST_PAGE = 100, 1000
"""Rows of a page, unless the program asks for another number, and the largest such number."""
BATCHED: Mapping[str, type[ListeExportRequested | TableauxRenderRequested]] = {
    it.EVENT_TYPE: it for it in (ListeExportRequested, TableauxRenderRequested)
}
"""The models of the events that a batch may have, by their types."""
MOST_IN_BATCH = 100
"""Events of a batch."""
TOKEN_PREFIX = "prefecture_"  # noqa: S105 — prefix of every token
TOKEN_ACTOR = "jeton "  # noqa: S105 — prefix of the sender of events, and of the actor in the audit trail
RECALLED, ACCEPTS_RECALLED = "recalled", "accept"
"""The parameter, and its value, with which a program takes the bytes of a recalled file."""
EVENT_JSON, EVENTS_JSON = "application/cloudevents+json", "application/cloudevents-batch+json"
PROBLEM_JSON = "application/problem+json"


def digest_secret(secret: str) -> str:
    """Return the stored digest of a token's secret: the secret is random enough to need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Again(Published):
    """The event that makes a file again: to be sent with an `id` of its own, and a `requested_by` in its data."""

    type: str
    data: dict[str, Any]


class FileNow(FileStatus):
    """A file as it is now: what its last event says, and what is known of it since."""

    fault: Annotated[
        str | None,
        Field(
            description="How its bytes were last found to differ from the record: `missing`, `unreadable`, "
            "`truncated`, `altered`."
        ),
    ] = None
    cure: Annotated[
        str | None,
        Field(
            description="The path of the page of the screen where a clerk cures the state, with the file selected; "
            "absent of a file that needs none."
        ),
    ] = None


class RequestNow(RequestStatus):
    """A request that a worker has read, as it is now."""

    type: Annotated[str, Field(description="Of its event.")]
    requested_at: datetime
    exports: Annotated[
        Sequence[FileNow] | None, Field(description="Its files; absent in a list of requests.")
    ] = None


class RequestPage(Published):
    """A page of requests."""

    requests: Sequence[RequestNow]
    next: Annotated[int, Field(description="`after` of the next page.")]


class ReceivedRequest(Published):
    """A request that is on its way to a worker."""

    request: AnsweredRequest
    url: Annotated[str, Field(description="Its address.", examples=["/api/v1/requests/UUID"])]


class ReceivedBatch(Published):
    """The requests of a batch, which are on their way to a worker."""

    requests: Annotated[Sequence[ReceivedRequest], Field(description="In their order.")]


class Problem(Published):
    """The reason why a request has failed. Source: RFC 9457."""

    type: Annotated[str, Field(description="`about:blank`: `code` tells kinds apart.")] = (
        "about:blank"
    )
    title: Annotated[str, Field(description="Of the status, as RFC 9110 names it.")]
    status: int
    code: Annotated[
        str, Field(description="Stable word for programs.", examples=["fichier_inconnu"])
    ]
    detail: Annotated[str, Field(description="For people, in French.")]
    errors: Annotated[
        Sequence[RefusalFault] | None, Field(description="Of an event: what is wrong, and where.")
    ] = None
    instance: Annotated[
        str | None,
        Field(description="Of `key_reused`: the address of the request that has the `id`."),
    ] = None
    again: Annotated[
        Again | None,
        Field(description="Of a file of a request of this token that is lost or to be made again."),
    ] = None
