"""An operator publishes the events of an account again, since its program lost its queue."""

from datetime import datetime

from sqlalchemy import Connection, select

from schemas.vocabulary import UNFINISHED, RequestOutcome
from worker.exports.models import Export, Request
from worker.work.models import About, WorkKind, subject_of
from worker.work.queue import NewWork, add

_LANE = 1
"""After what a person waits for."""


def publish_events_again(connection: Connection, account: str, since: datetime) -> int:
    """Add the works of the events about the requests of an account since then, but for purged files; how many."""
    mine = Request.sender == account, Request.created_at >= since
    ended = Export.status.not_in(UNFINISHED), Export.purged_at.is_(None), Request.completed_at.is_not(None)
    requests = connection.execute(select(Request.id, Request.outcome, Request.completed_at).where(*mine)).all()
    files = select(Export.request_id, Export.id, Export.part, Export.recall_id).join(Request).where(*mine, *ended)
    works = [NewWork(WorkKind.REPLY, subject_of(About.REQUEST, it.id), "", _LANE) for it in requests]
    for file in connection.execute(files.order_by(Export.id)):
        works.append(NewWork(WorkKind.EVENT, subject_of(About.REQUEST, file.request_id), file.part, _LANE))
        if file.recall_id is not None:
            works.append(NewWork(WorkKind.EVENT, subject_of(About.RECALL, file.recall_id), str(file.id), _LANE))
    asked_for_files = select(Export.request_id).join(Request).where(*mine)
    with_files = set(connection.scalars(asked_for_files))
    for request in requests:
        is_over = request.completed_at is not None and request.outcome != RequestOutcome.REFUSED
        if is_over and request.id in with_files:
            works.append(NewWork(WorkKind.EVENT, subject_of(About.REQUEST, request.id), "", _LANE))
    add(connection, works, again=True)
    return len(works)
