"""How many messages of each account lie among the dead letters: nobody takes the room of another's.

RabbitMQ bounds a queue of dead letters as a whole, and drops the oldest, whosever it is. So each account has a share of
it, by the day, and a day is forgotten when its letters have gone by themselves. Messages whose sender is not known, and
our own calls, share as one more account.
"""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from worker.exports.models import DeadLetters


class LettersShare(NamedTuple):
    """What is kept of one account in each queue: a tenth and an eighth of what the broker keeps of all."""

    letters: int = 1000
    size: int = 2 * 2**20


KEPT_DAYS = 90
"""As long as the broker keeps a dead letter."""

log = structlog.get_logger()


def may_keep(engine: Engine, queue: str, account: str, size: int, *, share: LettersShare | None = None) -> bool:
    """Count one more letter, or that it cannot be kept; without a database the broker's bound is the only one."""
    try:
        with engine.begin() as connection:
            return _count(connection, queue, account, size, share or LettersShare())
    except SQLAlchemyError as error:
        log.warning("dead_letter_not_counted", queue=queue, error=type(error).__name__)
        return True


def forget_letter(connection: Connection, queue: str, account: str, since: datetime, size: int) -> None:
    """Count one less: it was put back, or dropped."""
    one = and_(_is(queue, account, since.astimezone(UTC).date()), DeadLetters.letters > 0)
    less = {DeadLetters.letters: DeadLetters.letters - 1, DeadLetters.size: DeadLetters.size - size}
    connection.execute(update(DeadLetters).where(one).values(less))


def _count(connection: Connection, queue: str, account: str, size: int, share: LettersShare) -> bool:
    today = datetime.now(UTC).date()
    of_account = DeadLetters.queue == queue, DeadLetters.account == account
    sums = func.coalesce(func.sum(DeadLetters.letters), 0), func.coalesce(func.sum(DeadLetters.size), 0)
    since = DeadLetters.day > today - timedelta(days=KEPT_DAYS)
    letters, taken = connection.execute(select(*sums).where(*of_account, since)).one()
    is_kept: bool = letters < share.letters and taken + size <= share.size
    if not connection.scalar(select(func.count()).where(_is(queue, account, today))):
        connection.execute(delete(DeadLetters).where(*of_account, ~since))
        try:
            with connection.begin_nested():
                connection.execute(insert(DeadLetters).values(queue=queue, account=account, day=today))
        except IntegrityError:
            pass  # another process has its first of today, too
    more = {DeadLetters.letters: DeadLetters.letters + 1, DeadLetters.size: DeadLetters.size + size}
    more = more if is_kept else {DeadLetters.dropped: DeadLetters.dropped + 1}
    connection.execute(update(DeadLetters).where(_is(queue, account, today)).values(more))
    return is_kept


def _is(queue: str, account: str, day: date) -> ColumnElement[bool]:
    return and_(DeadLetters.queue == queue, DeadLetters.account == account, DeadLetters.day == day)
