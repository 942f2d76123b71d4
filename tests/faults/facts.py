"""The final state: counts of rows, files, mails, events, messages."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from schemas.vocabulary import ExportStatus
from tests.faults.stage import Stage
from tests.faults.watcher import digest
from worker.exports.models import Export, Request
from worker.notifier.models import Notification


@dataclass(frozen=True)
class Facts:
    """Counts; each has one correct value."""

    asked: int
    rows: int
    """Rows of files, in any state."""
    ready: int
    """Ready files, or files that were cancelled on request."""
    files: int
    """Files of ready rows with the recorded hash, their reports included."""
    partial: int
    """Contents seen under a visible name that differ from the recorded ones."""
    hidden: int
    told: int
    """Requests whose every agent has received the mail, or cannot receive it."""
    again: int
    """Mails beyond the first with the same Message-ID."""
    unknown: int
    """Mails without a row in the database, or sent to a refused address."""
    events: int
    """Files that an event has announced; each event has one id."""
    left: int
    """Messages in the queues, dead letters included."""


def gather(stage: Stage) -> Facts:
    """Count, once every process of the stage has ended."""
    with Session(stage.town.engine) as session:
        exports = list(session.scalars(select(Export).options(selectinload(Export.pieces))))
        requests = list(session.scalars(select(Request)))
        notifications = list(session.scalars(select(Notification)))
    recorded = _recorded(exports)
    for_files = {export.request_id for export in exports}
    cancelled = {request.id for request in requests if request.event_id in stage.unwanted}
    unwanted = {it.id for it in exports if it.status == ExportStatus.CANCELLED and it.request_id in cancelled}
    mails = Counter(mail.message["Message-ID"] for mail in stage.mailbox.mails)
    events = {(event.data["export_id"], event.id) for event in stage.queues.take_events()}
    untold = {it.request_id for it in notifications if not (it.refusal or mails[it.message_id])}
    untold |= {request.id for request in requests} - {it.request_id for it in notifications}
    return Facts(
        asked=len(stage.asked),
        rows=len(exports),
        ready=sum(export.status == ExportStatus.READY or export.id in unwanted for export in exports),
        files=sum(export.id in unwanted or _is_whole(stage.town.exports, export, recorded) for export in exports),
        partial=sum(
            content != recorded.get(name) for name, contents in stage.watcher.seen.items() for content in contents
        ),
        hidden=len(stage.hidden()),
        told=sum(bool(it.notified_at) and it.id in for_files and it.id not in untold for it in requests),
        again=mails.total() - len(mails),
        unknown=len(mails.keys() - {it.message_id for it in notifications if it.sent_at}),
        events=len(events),
        left=sum(stage.queues.left().values()),
    )


def _recorded(exports: list[Export]) -> dict[str, str | None]:
    files = {export.file_name: export.sha256 for export in exports}
    return files | {it.file_name: it.sha256 for export in exports for it in export.pieces.values()}


def _is_whole(root: Path, export: Export, recorded: dict[str, str | None]) -> bool:
    names = [export.file_name, *(it.file_name for it in export.pieces.values())]
    paths = [root / export.code_commune / name for name in names]
    return all(path.is_file() and digest(path) == recorded[path.name] for path in paths)
