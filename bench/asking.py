"""Requests to the workers, as producers send them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import uuid4

from bench.mouvements import DATE_TABLEAU
from producers.cli.send import put_in_batch
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested, TableauxRenderRequested
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Format, Liste

Asked = ListeExportRequested | TableauxRenderRequested

_SOURCE = "/bench"

BENCH = "bench"
"""The requester."""


class Order(NamedTuple):
    """Requests that are sent together, and the number of their files."""

    batch: str
    events: Sequence[CloudEvent]
    files: int


def ask_many(asked: Iterable[Asked]) -> Order:
    """Return a batch with a unique name."""
    requests = list(asked)
    name = f"bench-{uuid4()}"
    events = [put_in_batch(CloudEvent.wrap(request, source=_SOURCE), name) for request in requests]
    return Order(name, events, sum(len(request.parts()) for request in requests))


def ask_one(asked: Asked) -> Order:
    """Return the request of a single clerk."""
    event = CloudEvent.wrap(asked, source=_SOURCE)
    return Order(event.correlationid, [event], len(asked.parts()))


def every_liste(commune: str) -> Asked:
    """Return a request for the three lists of a commune as CSV, in a batch."""
    return ListeExportRequested(commune=commune, formats=[Format.CSV], bulk=True, requested_by=BENCH)


def liste_principale(commune: str, format_: Format, *, bulk: bool) -> Asked:
    """Return a request for the principal list."""
    return ListeExportRequested(
        commune=commune, listes=[Liste.PRINCIPALE], formats=[format_], bulk=bulk, requested_by=BENCH
    )


def tableau(commune: str, *, bulk: bool) -> Asked:
    """Return a request for the tableau with every mouvement of `bench.mouvements`."""
    return TableauxRenderRequested(
        commune=commune,
        listes=[Liste.PRINCIPALE],
        types=[TypeTableau.PREMIER_RECTIFICATIF],
        date_tableau=DATE_TABLEAU,
        bulk=bulk,
        requested_by=BENCH,
    )
