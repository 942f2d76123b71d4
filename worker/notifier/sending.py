"""Sends messages to recipients, and records the results: by mail to agents, by webhook to programs."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

import structlog
from sqlalchemy import Connection, Engine, Row, insert, select, update
from sqlalchemy.orm import Session

from schemas.vocabulary import Action, Channel
from worker.access.management import shown_address
from worker.access.models import Recipient
from worker.audit import NOTIFIER, record_audit
from worker.db.types import utc_now
from worker.error_policy import until_next_try
from worker.notifier.channels.delivery import (
    Addressee,
    ChannelSender,
    DeliveryDelayedError,
    DeliveryRefusedError,
    Message,
    backoff,
)
from worker.notifier.messages.text import Topic, write
from worker.notifier.models import Notification
from worker.notifier.notices import Notice, Notices
from worker.notifier.recipients import ERASED, read_addressees
from worker.notifier.records import SUBJECTS, delay_or_bury, finish_and_note, is_message, record
from worker.work.queue import Claim

REMOVED = "destinataire retiré"
TOO_LATE = "échéance passée avant l'envoi"

log = structlog.stdlib.get_logger(__name__)


def try_recipient(
    senders: Mapping[Channel, ChannelSender], addressee: Addressee, *, lieu: str
) -> None:
    """Send one test message now; a webhook receives an empty signed batch.

    Raises:
        DeliveryDelayedError: the recipient is away.
        DeliveryRefusedError: the recipient refused.
    """
    subject = f"Message d'essai du Module Préfecture — {lieu}"
    summary = "Rien à faire : les prochains messages diront ce que deviennent les demandes."
    message = Message(
        f"essai\n{uuid4()}", partial(write, "mail.txt", Topic.READY, subject, summary=summary), list
    )
    senders[addressee.channel].send(message, addressee)


def send_message(
    engine: Engine,
    notices: Notices,
    senders: Mapping[Channel, ChannelSender],
    claims: Sequence[Claim],
) -> None:
    """Process the work of one recipient: read and compose the message, send it, record the result.

    Several works are those of a summary, which is one mail. The row of `notification` is inserted before the first
    attempt. The message may be needless by then, or its recipient gone.
    """
    with Session(engine, expire_on_commit=False) as session, session.begin():
        found = [_prepare(session, notices, claim) for claim in claims]
    letters = [it for it in found if it]
    needed = [it.claim for it in letters]
    if needless := [it for it in claims if it not in needed]:
        record(engine, partial(finish_and_note, claims=needless))
    together = [it for it in letters if it.notice and it.addressee]
    for group in filter(None, [together, *([it] for it in letters if it not in together)]):
        _send(engine, senders, group)


class _Letter(NamedTuple):
    claim: Claim
    row: Row[Any]
    notice: Notice | None
    addressee: Addressee | None


def _prepare(session: Session, notices: Notices, claim: Claim) -> _Letter | None:
    connection = session.connection()
    row = connection.execute(select(Notification).where(is_message(claim))).one_or_none()
    notice = notices.read(session, claim)
    code = row.code_commune if row else notice.code_commune if notice else ""
    addressee = read_addressees(connection, code).get(claim.part)
    is_needless = notice and addressee and notice.is_opened and notice.asker == addressee.agent
    if row is None and notice and addressee and not is_needless:
        is_mail, text = addressee.channel is Channel.MAIL, notice.text()
        new = insert(Notification).values(
            **{SUBJECTS[claim.about].key: claim.subject_id},
            recipient=addressee.key,
            code_commune=code,
            subject=text.subject,
            kind=text.topic,
            channel=addressee.channel,
            address=addressee.address if is_mail else shown_address(addressee.address),
        )
        row = connection.execute(new.returning(Notification)).one()
    return _Letter(claim, row, notice, addressee) if row and not row.sent_at else None


def _send(
    engine: Engine, senders: Mapping[Channel, ChannelSender], group: Sequence[_Letter]
) -> None:
    _, row, notice, addressee = group[0]
    failure: _Failure | None = None
    with structlog.contextvars.bound_contextvars(
        channel=row.channel, **(notice.log_keys if notice else {})
    ):
        try:
            if addressee and notice:
                message = _join([it.notice for it in group if it.notice])
                senders[addressee.channel].send(message, addressee)
                log.info("message_sent")
            else:
                failure = DeliveryRefusedError(TOO_LATE if addressee else REMOVED)
        except DeliveryRefusedError as refusal:
            log.warning("message_refused")
            failure = refusal
        except DeliveryDelayedError as delay:
            log.warning("message_delayed", reason=str(delay))
            failure = delay
        record(engine, partial(_record_results, group=group, failure=failure))


def _join(notices: Sequence[Notice]) -> Message:
    if len(notices) == 1:
        return notices[0]
    texts = [it.text() for it in notices]
    subject = f"Résumé du jour : {len(texts)} messages"
    summary = "Voici ce qui s'est passé depuis le dernier courriel."
    text = partial(write, "summary.txt", Topic.READY, subject, summary=summary, texts=texts)
    return Message("\n".join(["résumé", *(it.about for it in notices)]), text, list)


_Failure = DeliveryDelayedError | DeliveryRefusedError


def _record_results(
    connection: Connection, group: Sequence[_Letter], failure: _Failure | None
) -> None:
    for claim, row, *_ in group:
        if isinstance(failure, DeliveryDelayedError):
            is_away, least = failure.is_away, failure.retry_after
            write_result(connection, row, attempts=claim.starts - int(is_away))
            # a try at an absent webhook may hold a loop for seconds: it has longer pauses
            retry = until_next_try if row.channel == Channel.MAIL else backoff
            seconds = retry(claim.waits) if is_away else backoff(claim.starts - 1)
            seconds = max(backoff(0), least) if least else seconds
            delay_or_bury(connection, claim, str(failure), seconds, counts=not is_away)
            continue
        reason = str(failure or "")
        attempts = claim.starts - int(reason in (REMOVED, TOO_LATE))  # those were not tried
        values: dict[str, Any] = {"attempts": attempts, "ended_at": utc_now(), "refusal": reason}
        if failure is None:
            values["sent_at"] = utc_now()
        elif failure.is_gone:
            is_it = Recipient.id == row.recipient, Recipient.disabled_at.is_(None)
            disabled = (
                update(Recipient)
                .where(*is_it)
                .values(disabled_at=utc_now())
                .returning(Recipient.id)
            )
            if connection.scalars(disabled).all():
                record_audit(
                    connection,
                    Action.RECIPIENT_DISABLED,
                    actor=NOTIFIER,
                    detail=f"webhook {row.recipient}",
                )
                log.warning("recipient_disabled", recipient=row.recipient)
        elif (
            reason == REMOVED and row.channel == Channel.MAIL
        ):  # the agent's other messages were masked at the removal
            values |= {"address": ERASED, "recipient": f"{ERASED} {row.id}"}
        write_result(connection, row, **values)
        finish_and_note(connection, [claim])


def write_result(connection: Connection, row: Row[Any], **values: Any) -> None:  # noqa: ANN401 — columns
    """Write what became of a message that was not sent yet.

    A process whose lease ended may learn of a refusal after another one sent the message.
    """
    unsent = update(Notification).where(Notification.id == row.id, Notification.sent_at.is_(None))
    connection.execute(unsent.values(values))
