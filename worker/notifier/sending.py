"""Sends one message to one recipient, and records the result."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from schemas.vocabulary import Channel
from worker.access.models import Recipient
from worker.audit import NOTIFIER, Action, record_audit
from worker.db.types import utc_now
from worker.error_policy import until_next_try
from worker.notifier.channels.delivery import (
    GIVE_UP_SECONDS,
    Addressee,
    ChannelSender,
    DeliveryDelayedError,
    DeliveryRefusedError,
    backoff,
)
from worker.notifier.models import Notification
from worker.notifier.notices import Notice, Notices
from worker.notifier.recipients import (
    TOO_LATE,
    bury_and_note,
    column_of,
    finish_and_note,
    mask_addresses,
    read_addressees,
)
from worker.work.queue import Claim, release

REMOVED = "destinataire retiré"

log = structlog.stdlib.get_logger(__name__)

Commit = Callable[[Callable[[Session], None]], None]
"""Commits a transaction; while the database is away, retries."""


class _Due(NamedTuple):
    """A message to send. No notice: it is too late. No addressee: the recipient was removed."""

    row: Notification
    notice: Notice | None
    addressee: Addressee | None


class SendMessage:
    """Processes the work of one recipient: reads and composes the message, sends it, records the result."""

    def __init__(
        self, engine: Engine, notices: Notices, senders: Mapping[Channel, ChannelSender], commit: Commit
    ) -> None:
        self._engine = engine
        self._notices = notices
        self._senders = senders
        self._commit = commit

    def handle(self, claims: Sequence[Claim]) -> None:
        """Send the message of each work."""
        for claim in claims:
            due = self._read(claim)
            if due is None:
                log.warning("message_without_row", subject=claim.subject)
                self._commit(lambda session, claim=claim: finish_and_note(session, [claim]))  # type: ignore[misc]
                continue
            keys = due.notice.log_keys if due.notice else {}
            with structlog.contextvars.bound_contextvars(channel=due.row.channel, **keys):
                self._send(claim, due)

    def _read(self, claim: Claim) -> _Due | None:
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            is_it = column_of(claim.about) == claim.subject_id, Notification.recipient == claim.part
            row = session.scalars(select(Notification).where(*is_it)).one_or_none()
            if row is None:
                return None
            if row.channel == Channel.MAIL and claim.starts - 1 > row.attempts:  # a start that recorded nothing
                log.warning("message_perhaps_sent", channel=row.channel)
                row.may_be_copy = True
            notice = self._notices.read(session, claim.about, [claim.subject_id]).get(claim.subject_id)
            code = row.code_commune
            return _Due(row, notice, read_addressees(session, {code})[code].get(claim.part))

    def _send(self, claim: Claim, due: _Due) -> None:
        if due.notice is None or due.addressee is None:
            is_removed = due.addressee is None
            reason = REMOVED if is_removed else TOO_LATE
            self._end(claim, due.row, is_removed=is_removed, attempts=claim.starts - 1, refusal=reason)
            return
        try:
            self._senders[due.addressee.channel].send(due.notice, due.addressee, due.row.message_id)
        except DeliveryRefusedError as refusal:
            log.warning("message_refused")
            gone = due.addressee.key if refusal.is_gone else ""
            self._end(claim, due.row, gone=gone, attempts=claim.starts, refusal=str(refusal))
        except DeliveryDelayedError as delay:
            self._delay(claim, due.row, delay)
        else:
            log.info("message_sent")
            self._end(claim, due.row, attempts=claim.starts, sent_at=utc_now(), refusal="")

    def _end(
        self,
        claim: Claim,
        row: Notification,
        *,
        gone: str = "",
        is_removed: bool = False,
        **values: Any,  # noqa: ANN401 — columns
    ) -> None:
        def record(session: Session) -> None:
            _write(session, row, ended_at=utc_now(), **values)
            if gone:
                _disable(session, gone)
            finish_and_note(session, [claim])
            if is_removed and row.channel == Channel.MAIL:  # the agent's other messages were masked at the removal
                mask_addresses(session.connection(), Notification.id == row.id)
                _write(session, row, refusal=REMOVED)

        self._commit(record)

    def _delay(self, claim: Claim, row: Notification, delay: DeliveryDelayedError) -> None:
        log.warning("message_delayed", reason=str(delay), may_be_sent=delay.is_uncertain)
        attempts = claim.starts - int(delay.is_away)
        values = {"attempts": attempts} | ({"may_be_copy": True} if delay.is_uncertain else {})
        is_over = claim.age > GIVE_UP_SECONDS
        reason = f"abandonné après {round(GIVE_UP_SECONDS / 86_400)} jours : {delay}"

        def record(session: Session) -> None:
            if is_over:
                _write(session, row, **values)
                bury_and_note(session, claim, reason)
                return
            _write(session, row, **values)
            pause = until_next_try(claim.waits) if delay.is_away else backoff(claim.starts - 1)
            seconds = max(pause, delay.retry_after)
            release(session.connection(), claim, seconds, str(delay), counts=not delay.is_away)

        self._commit(record)


def _write(session: Session, row: Notification, **values: Any) -> None:  # noqa: ANN401 — columns
    session.execute(update(Notification).where(Notification.id == row.id).values(values))


def _disable(session: Session, recipient_id: str) -> None:
    is_it = Recipient.id == recipient_id, Recipient.disabled_at.is_(None)
    disabled = update(Recipient).where(*is_it).values(disabled_at=utc_now()).returning(Recipient.id)
    if session.scalars(disabled).all():
        record_audit(session.connection(), Action.RECIPIENT_DISABLED, actor=NOTIFIER, detail=f"webhook {recipient_id}")
        log.warning("recipient_disabled", recipient=recipient_id)
