"""The use case: remind one commune of its deadlines, once, and never of a day that has passed."""

from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial

import structlog
from sqlalchemy import ColumnElement, Update, select, update
from sqlalchemy.orm import Session

from schemas.envelope import CloudEvent
from worker.db.engine import Sessions
from worker.db.types import utc_now
from worker.notifier.announce import deadline_event
from worker.notifier.deadlines import Deadline
from worker.notifier.delivery import Message
from worker.notifier.dispatch import Dispatcher, Subject
from worker.notifier.kinds import Wish
from worker.notifier.models import Reminder, ReminderEcheance
from worker.notifier.outbox import Claim, Outbox
from worker.notifier.reminders import Today, today_in_france
from worker.notifier.texts_echeances import describe_deadlines
from worker.notifier.turn import Publish, end_turn, publish_missing
from worker.registre.models import Commune

TOO_LATE = "échéance passée avant l'envoi"

log = structlog.stdlib.get_logger(__name__)


class Reminding:
    """Tells one claimed reminder at a time; `publish` is None where no program listens to the exchange."""

    def __init__(
        self,
        sessions: Sessions,
        outbox: Outbox,
        dispatcher: Dispatcher,
        publish: Publish | None,
        *,
        public_url: str,
        today: Today = today_in_france,
    ) -> None:
        self._sessions = sessions
        self._outbox = outbox
        self._dispatcher = dispatcher
        self._publish = publish
        self._public_url = public_url
        self._today = today

    def tell(self, claim: Claim) -> bool:
        """Remind whoever wants it and was not reminded; True when nothing is left to do, else it is put off.

        Raises:
            LeaseLostError: another notifier has taken the reminder over.
        """
        today = self._today()
        with self._sessions() as session:
            reminder = session.get_one(Reminder, claim.id)
            coming = _read_coming(session, reminder.id, today)
            commune = session.get(Commune, reminder.code_commune)
        with structlog.contextvars.bound_contextvars(commune=reminder.code_commune):
            subject = Subject(reminder.code_commune, reminder_id=reminder.id)
            if not coming:
                self._dispatcher.abandon(subject, TOO_LATE)
                self._outbox.mark_told(claim)
                log.warning("reminder_too_late")
                return True
            lieu = f"{commune.nom} ({reminder.code_commune})" if commune else reminder.code_commune
            content = describe_deadlines(
                [_deadline(row) for row in coming], lieu=lieu, today=today, public_url=self._public_url
            )
            events = [deadline_event(reminder.code_commune, reminder.day, _deadline(row)) for row in coming]
            message = Message(f"rappel\n{reminder.code_commune}\n{reminder.day}", content, lambda: events)
            renew = partial(self._outbox.renew, claim)
            published = publish_missing(_missing_events(coming, events), self._publish, self._sessions, renew)
            outcome = self._dispatcher.deliver(subject, message, frozenset({Wish.DEADLINE}), renew)
            seconds = end_turn(self._outbox, claim, outcome, is_published=published)
            if seconds is None:
                log.info("reminded", recipients=outcome.recipients)
                return True
            log.warning("reminder_postponed", published=published, seconds=round(seconds))
            return False


def _missing_events(
    rows: Sequence[ReminderEcheance], events: Sequence[CloudEvent]
) -> Iterator[tuple[CloudEvent, Update]]:
    """Those that have not left yet, each with how to record that it has."""
    for row, event in zip(rows, events, strict=True):
        if row.published_at is None:
            yield event, update(ReminderEcheance).where(*_is(row)).values(published_at=utc_now())


def _read_coming(session: Session, reminder_id: int, today: date) -> Sequence[ReminderEcheance]:
    of_reminder = ReminderEcheance.reminder_id == reminder_id, ReminderEcheance.until >= today
    return session.scalars(
        select(ReminderEcheance).where(*of_reminder).order_by(ReminderEcheance.due_on, ReminderEcheance.echeance)
    ).all()


def _deadline(row: ReminderEcheance) -> Deadline:
    return Deadline(row.echeance, row.due_on, row.until, row.scrutin, row.libelle)


def _is(row: ReminderEcheance) -> tuple[ColumnElement[bool], ...]:
    return (
        ReminderEcheance.reminder_id == row.reminder_id,
        ReminderEcheance.echeance == row.echeance,
        ReminderEcheance.due_on == row.due_on,
        ReminderEcheance.days == row.days,
    )
