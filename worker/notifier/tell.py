"""The use case: tell people, then programs, what became of one request; what is done is never done twice."""

from collections.abc import Iterator
from functools import partial

import structlog
from sqlalchemy import Update, update

from schemas.envelope import CloudEvent
from schemas.vocabulary import ExportStatus
from worker.db.engine import Sessions
from worker.db.types import utc_now
from worker.exports.models import Request
from worker.exports.records import mark_published
from worker.notifier.announce import file_event, refusal_event
from worker.notifier.delivery import Message
from worker.notifier.dispatch import Dispatcher, Subject
from worker.notifier.news import News
from worker.notifier.outbox import Claim, Outbox
from worker.notifier.texts import describe
from worker.notifier.turn import Publish, end_turn, publish_missing

_ANNOUNCED = (ExportStatus.READY, ExportStatus.FAILED, ExportStatus.CANCELLED)

log = structlog.stdlib.get_logger(__name__)


class Teller:
    """Tells one claimed request at a time; `publish` is None where no program listens to the exchange."""

    def __init__(
        self, sessions: Sessions, outbox: Outbox, dispatcher: Dispatcher, publish: Publish | None, *, public_url: str
    ) -> None:
        self._sessions = sessions
        self._outbox = outbox
        self._dispatcher = dispatcher
        self._publish = publish
        self._public_url = public_url

    def tell(self, claim: Claim) -> bool:
        """Tell whoever is not yet told; True when everybody is, else the request is put off.

        Raises:
            LeaseLostError: another notifier has taken the request over.
        """
        with self._sessions() as session:
            news = News.read(session, claim.id)
        request, renew = news.request, partial(self._outbox.renew, claim)
        with structlog.contextvars.bound_contextvars(commune=request.code_commune):
            outcome = self._dispatcher.deliver(
                Subject(request.code_commune, request_id=request.id),
                Message(
                    f"{request.source}\n{request.event_id}", describe(news, self._public_url), partial(_events, news)
                ),
                news.wishes,
                renew,
            )
            published = publish_missing(_missing_events(news), self._publish, self._sessions, renew)
            if not outcome.recipients:
                log.warning("nobody_to_tell")
            seconds = end_turn(self._outbox, claim, outcome, is_published=published)
            if seconds is None:
                log.info("told", recipients=outcome.recipients)
                return True
            waiting = outcome.mails_waiting + outcome.others_waiting
            log.warning("telling_postponed", waiting=waiting, published=published, seconds=round(seconds))
            return False


def _events(news: News) -> list[CloudEvent]:
    """What there is to tell to a program, of every file."""
    if news.is_refused:
        return [refusal_event(news.request)]
    return [file_event(news.request, export) for status in _ANNOUNCED for export in news.files(status)]


def _missing_events(news: News) -> Iterator[tuple[CloudEvent, Update]]:
    """Those that have not left yet, each with how to record that it has."""
    if news.is_refused:
        if news.request.announced_at is None:
            is_it = Request.id == news.request.id
            yield refusal_event(news.request), update(Request).where(is_it).values(announced_at=utc_now())
        return
    for export in (export for status in _ANNOUNCED for export in news.files(status)):
        if export.published_at is None:
            yield (
                file_event(news.request, export),
                mark_published(export.id),
            )
