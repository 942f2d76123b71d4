"""The use case: tell the agents, then the programs, what became of one request; what is done is never done twice."""

from collections.abc import Callable, Iterator

import structlog
from sqlalchemy import Update, select, update

from schemas.envelope import CloudEvent
from schemas.vocabulary import ExportStatus
from worker.db.engine import Sessions
from worker.db.types import utc_now
from worker.exports.models import Export
from worker.notifier.announce import file_event, refusal_event
from worker.notifier.letter import compose, message_id
from worker.notifier.mail import MailDelayedError, Mailer, MailRefusedError
from worker.notifier.models import Notification
from worker.notifier.news import News
from worker.notifier.outbox import Claim, Outbox

Publish = Callable[[CloudEvent], None]

_ANNOUNCED = (ExportStatus.READY, ExportStatus.FAILED, ExportStatus.CANCELLED)

log = structlog.stdlib.get_logger(__name__)


class Teller:
    """Tells one claimed request at a time; `publish` is None where no program listens."""

    def __init__(
        self,
        sessions: Sessions,
        outbox: Outbox,
        mailer: Mailer,
        publish: Publish | None,
        *,
        mail_from: str,
        public_url: str,
    ) -> None:
        self._sessions = sessions
        self._outbox = outbox
        self._mailer = mailer
        self._publish = publish
        self._mail_from = mail_from
        self._public_url = public_url

    def tell(self, claim: Claim) -> bool:
        """Tell whoever is not yet told; True when everybody is, else the request is put off.

        Raises:
            LeaseLostError: another notifier has taken the request over.
        """
        with self._sessions() as session:
            news = News.read(session, claim.request_id)
        with structlog.contextvars.bound_contextvars(commune=news.request.code_commune):
            mailed = self._mail(claim, news)
            published = self._announce(claim, news, mailed=mailed)
            if mailed and published:
                self._outbox.mark_told(claim)
                log.info("told", recipients=len(news.recipients))
                return True
            self._outbox.postpone(claim)
            log.warning("telling_postponed", mailed=mailed, published=published, seconds=claim.delay)
            return False

    def _mail(self, claim: Claim, news: News) -> bool:
        if not news.recipients:
            log.warning("nobody_to_tell")
        delayed = 0
        for notification in self._untold(news):
            self._outbox.renew(claim)
            try:
                self._send(news, notification)
            except MailRefusedError as refusal:
                self._record(_row(notification).values(refusal=str(refusal)))
                log.warning("mail_refused")
            except MailDelayedError as delay:
                delayed += 1
                log.warning("mail_delayed", reason=str(delay))
            else:
                self._record(_row(notification).values(sent_at=utc_now()))
                log.info("mail_sent")
        return delayed == 0

    def _untold(self, news: News) -> list[Notification]:
        request = news.request
        with self._sessions.begin() as session:
            rows = session.scalars(select(Notification).where(Notification.request_id == request.id))
            known = {row.email.casefold(): row for row in rows}
            for email in news.recipients:
                if email.casefold() not in known:
                    stable = message_id(request, email, self._mail_from)
                    known[email.casefold()] = Notification(request_id=request.id, email=email, message_id=stable)
            session.add_all(known.values())
        todo = (known[email.casefold()] for email in news.recipients)
        return [notification for notification in todo if not (notification.sent_at or notification.refusal)]

    def _send(self, news: News, notification: Notification) -> None:
        self._mailer.send(
            compose(
                news,
                notification.email,
                mail_from=self._mail_from,
                message_id=notification.message_id,
                public_url=self._public_url,
            )
        )

    def _announce(self, claim: Claim, news: News, *, mailed: bool) -> bool:
        if self._publish is None:
            return True
        for event, export in _missing_events(news, mailed=mailed):
            self._outbox.renew(claim)
            try:
                self._publish(event)
            except Exception:
                log.warning("event_delayed", exc_info=True)
                return False
            if export:
                self._record(update(Export).where(Export.id == export.id).values(published_at=utc_now()))
            log.info("event_published", type=event.type, export_id=export.id if export else None)
        return True

    def _record(self, statement: Update) -> None:
        with self._sessions.begin() as session:
            session.execute(statement)


def _missing_events(news: News, *, mailed: bool) -> Iterator[tuple[CloudEvent, Export | None]]:
    if news.is_refused:
        # No column remembers this event: it leaves last, so that mails tried again do not repeat it.
        if mailed:
            yield refusal_event(news.request), None
        return
    for export in (export for status in _ANNOUNCED for export in news.files(status)):
        if export.published_at is None:
            yield file_event(news.request, export), export


def _row(notification: Notification) -> Update:
    return update(Notification).where(
        Notification.request_id == notification.request_id, Notification.email == notification.email
    )
