"""A fake worker: it writes the rows that a real one would, when the test tells it to."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Thread
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested, TableauxRenderRequested
from schemas.topology import REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import ExportKind, ExportStatus, FileFormat
from tests.integration.requests_queue import RequestsQueue
from worker.db.engine import build_engine
from worker.exports.models import Export, Request

_serial = count()


class Records:
    """The rows of one database."""

    def __init__(self, url: str) -> None:
        self._engine = build_engine(url)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)

    def close(self) -> None:
        self._engine.dispose()

    def accept(self, event: CloudEvent, *, minutes_ago: float = 0, **values: Any) -> None:  # noqa: ANN401 — columns
        """Write an accepted request and one row per file; `values` go into each row."""
        row = self._request(event, datetime.now(UTC) - timedelta(minutes=minutes_ago))
        for fields in _tableaux(event) if event.type == REQUEST_TABLEAUX_RENDER else _listes(event):
            row.exports.append(Export(**fields | {"code_commune": event.data["commune"]} | values))
        with self._sessions.begin() as session:
            session.add(row)

    def finish(self, **values: object) -> None:
        """Update every row of a file."""
        with self._sessions.begin() as session:
            for export in session.scalars(select(Export)):
                for name, value in values.items():
                    setattr(export, name, value)

    @staticmethod
    def _request(event: CloudEvent, created_at: datetime) -> Request:
        return Request(
            source=event.source,
            event_id=event.id,
            event_type=event.type,
            correlation_id=event.correlationid,
            code_commune=event.data["commune"],
            requested_by=event.data["requested_by"],
            created_at=created_at,
        )


def _listes(event: CloudEvent) -> Iterator[dict[str, object]]:
    wanted = ListeExportRequested.model_validate(event.data)
    for liste, format_ in wanted.parts():
        yield {
            "part": f"{liste}.{format_}",
            "liste": liste,
            "format": format_,
            "file_name": f"liste-{liste}-{wanted.commune}-{next(_serial):06}.{format_}",
            "label": f"Liste {liste} du 25/11/2026 09:30:00 [{format_}]",
        }


def _tableaux(event: CloudEvent) -> Iterator[dict[str, object]]:
    wanted = TableauxRenderRequested.model_validate(event.data)
    for part in wanted.parts():
        yield {
            "part": ".".join(part),
            "kind": ExportKind.TABLEAU,
            "liste": part.liste,
            "format": FileFormat.PDF,
            "type_tableau": part.type,
            "presentation": part.presentation,
            "edition": wanted.edition,
            "file_name": f"tableau-{part.type}-{part.liste}-{wanted.commune}-{next(_serial):06}.pdf",
            "label": f"{part.type.label} ({part.presentation.label}), liste {part.liste}, du 25/11/2026 09:30:00",
        }


@contextmanager
def serving(queue: RequestsQueue, records: Records, **result: object) -> Iterator[list[CloudEvent]]:
    """Process one request in the background: running, then as `result` says; yields the received events."""
    taken: list[CloudEvent] = []

    def serve() -> None:
        taken.append(event := queue.take_event())
        records.accept(event, status=ExportStatus.RUNNING, electeurs=327, lines_written=100)
        records.finish(**result)

    thread = Thread(target=serve)
    thread.start()
    try:
        yield taken
    finally:
        thread.join()
