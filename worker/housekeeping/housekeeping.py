"""The housekeeping of the notifier's process: periodic tasks such as the sweep, the plan of reminders and the purges.

It has its own thread, so that a long purge delays no notification. The thread does one step of each task that is due,
in turn, so that a purge of a thousand files does not delay the sweep either.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import cache, partial
from threading import Event

import structlog
from sqlalchemy import (
    Connection,
    Engine,
    Text,
    and_,
    cast,
    delete,
    func,
    literal_column,
    or_,
    over,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.calendrier import CalendarReunion, CalendarScrutin, find_cycles, polls_of
from common.logs import LogThrottle
from schemas.rights import EVERY_COMMUNE
from schemas.tableaux import TypeTableau, name_tableau
from schemas.topology import TOKEN_QUEUES
from schemas.vocabulary import RequestOutcome, Wish, split_wishes
from worker.access.models import Agent, Recipient
from worker.arrivals import IS_ENDED, Arrivals, Preview
from worker.audit import NOTIFIER
from worker.db.engine import end_if_frozen, snapshot
from worker.db.types import utc_now
from worker.exports.models import Copie, EarlyCancel, Export, Publication, Request
from worker.exports.purge import purge_files
from worker.exports.storage import STALE_SECONDS, Storage
from worker.notifier.messages.deadlines import COMMISSION, WITHDRAWAL
from worker.notifier.models import DEADLINES, Answer, Deadline, Notification, Reminder
from worker.notifier.notices import Today, today_in
from worker.registre.models import ListeCommunale
from worker.registre.scrutins import select_reunions, select_scrutins
from worker.services import SendTokens
from worker.work.queue import (
    BATCH,
    About,
    NewWork,
    Work,
    WorkKind,
    add,
    count_due,
    has_open,
    subject_of,
)

CountTokens = Callable[[str], int]
"""Returns the number of tokens that wait in a queue; raises when the broker is away."""

HOUR_SECONDS, DAY_SECONDS = 3600, 24 * 3600

RETRY_SECONDS = 60
"""The pause of a task after a failure, unless its period is shorter."""

_SWEEP_LOCK = 0x7377656570  # « sweep »

MOST_AT_ONCE = 500
"""Rows that one step of a purge removes."""

REFUSED_ROWS, REFUSED_BYTES, REFUSED_DAYS = 5000, 5 * 2**20, 90
"""Limits on stored refused requests per account, so that a faulty producer cannot fill the database."""

log = structlog.stdlib.get_logger(__name__)


class Chore:
    """A periodic task: `begin` starts it, and each item of its iterator is one step. A number other than 0 is logged.

    An error is logged, and the task begins again after its period, or after a minute.
    """

    def __init__(
        self, name: str, begin: Callable[[], Iterable[int | None]], seconds: float
    ) -> None:
        self._begin = begin
        self._seconds = seconds
        self._steps: Iterator[int | None] | None = None
        self._due_at = 0.0
        self._name = name
        self._throttle = LogThrottle(name)

    def step(self) -> bool:
        """Do one step, if it is due; return True when one was done and more may follow."""
        if self._steps is None and time.monotonic() < self._due_at:
            return False
        try:
            if self._steps is None:
                self._due_at = time.monotonic() + self._seconds
                self._steps = iter(self._begin())
            if number := next(self._steps):
                log.info("chore_step", chore=self._name, number=number)
        except StopIteration:
            self._steps = None
        except Exception as error:  # noqa: BLE001 — the other tasks continue, and this one begins again
            self._steps = None
            self._due_at = time.monotonic() + min(self._seconds, RETRY_SECONDS)
            self._throttle.failed(error)
            return False
        self._throttle.succeeded()
        return self._steps is not None


def do_steps(chores: Sequence[Chore], stop: Event) -> bool:
    """Do one step of each task that is due, none once `stop` is set; return True when more may be due at once."""
    steps = [chore.step() for chore in chores if not stop.is_set()]
    return any(steps)


def sweep(engine: Engine, send_tokens: SendTokens, count_tokens: CountTokens) -> int:
    """Send a token for each due work that has none in its queue; return how many were sent.

    A queue holds MOST_TOKENS at most. Of several notifiers one sweeps at a time: two would send
    twice as many. The others return 0.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            is_leader = select(func.pg_try_advisory_xact_lock(_SWEEP_LOCK))
            if not connection.scalar(is_leader):
                return 0
            end_if_frozen(connection)
        due = {queue: count_due(connection, queue) for queue in TOKEN_QUEUES}
        missing = {queue: number - count_tokens(queue) for queue, number in due.items() if number}
        for queue, number in missing.items():
            if number > 0:
                send_tokens(queue, number)
    return sum(number for number in missing.values() if number > 0)


def erase_arrivals(engine: Engine, arrivals: Arrivals) -> Iterator[int]:
    """Delete exports that arrived and that no import awaits, one at each step."""
    with snapshot(engine) as connection:
        kept = connection.scalars(select(Preview.arrival).where(~IS_ENDED)).all()
    return (1 for _ in arrivals.erase_forgotten(kept))


def purge(engine: Engine, storage: Storage, days: float) -> Iterator[int]:
    """Remove the files of exports that ended more than so many days ago, a few at each step."""
    return (step.files for step in purge_files(engine, storage, days=days, actor=NOTIFIER))


def purge_copies(engine: Engine, days: float) -> int:
    """Delete the records of copies answered, or received without an answer, more than `days` ago; return how many."""
    is_old = func.coalesce(Copie.decided_on, Copie.recue_on) < today_in("") - timedelta(days=days)
    with engine.begin() as connection:
        return connection.execute(delete(Copie).where(is_old)).rowcount


EARLY_CANCEL_DAYS = 7


def purge_early_cancels(engine: Engine, days: float = EARLY_CANCEL_DAYS) -> int:
    """Delete the cancellations whose requests have not come for so many days; return how many."""
    is_old = EarlyCancel.created_at < utc_now(-days * DAY_SECONDS)
    with engine.begin() as connection:
        return connection.execute(delete(EarlyCancel).where(is_old)).rowcount


ANSWER_DAYS = 90


def purge_answers(engine: Engine, days: float = ANSWER_DAYS) -> int:
    """Delete the oldest events of the feeds, older than so many days, MOST_AT_ONCE at most; return how many."""
    is_old = Answer.created_at < utc_now(-days * DAY_SECONDS)
    oldest = select(Answer.id).where(is_old).order_by(Answer.created_at).limit(MOST_AT_ONCE)
    with engine.begin() as connection:
        return connection.execute(delete(Answer).where(Answer.id.in_(oldest))).rowcount


def purge_refused(
    engine: Engine,
    *,
    most: int = REFUSED_ROWS,
    most_bytes: int = REFUSED_BYTES,
    days: float = REFUSED_DAYS,
) -> int:
    """Remove the oldest refused requests beyond the limits of each account, MOST_AT_ONCE at most; return how many.

    Only requests without open work are removed, with the rows of their messages: all was sent. Their keys are free
    again: the same event is then processed anew.
    """
    said = (
        Request.event_id,
        Request.source,
        Request.correlation_id,
        Request.reason,
        Request.tracestate,
    )
    size = sum(
        (func.length(text_) for text_ in said),
        func.coalesce(func.length(cast(Request.faults, Text)), 0),
    )
    of_account = partial(over, partition_by=Request.sender, order_by=Request.id.desc())
    ranked = select(
        Request.id,
        of_account(func.row_number()).label("rank"),
        of_account(func.sum(size)).label("bytes"),
        (Request.created_at < utc_now(-days * 24 * HOUR_SECONDS)).label("is_old"),
        and_(
            Request.notified_at.is_not(None), ~has_open(About.REQUEST, Request.id, [*WorkKind])
        ).label("is_over"),
    ).where(Request.outcome == literal_column(f"'{RequestOutcome.REFUSED}'"))
    row = ranked.subquery().c
    beyond = row.is_over, or_(row.rank > most, row.bytes > most_bytes, row.is_old)
    with engine.begin() as connection:
        ids = connection.scalars(
            select(row.id).where(*beyond).order_by(row.id).limit(MOST_AT_ONCE)
        ).all()
        if not ids:
            return 0
        if engine.dialect.name == "postgresql":
            removed = connection.execute(text("SELECT purge_refused(:ids)"), {"ids": list(ids)})
            return int(removed.scalar_one())
        connection.execute(delete(Answer).where(Answer.request_id.in_(ids)))
        connection.execute(delete(Notification).where(Notification.request_id.in_(ids)))
        connection.execute(
            delete(Work).where(Work.subject.in_([subject_of(About.REQUEST, it) for it in ids]))
        )
        return connection.execute(delete(Request).where(Request.id.in_(ids))).rowcount


def remove_temporaries(storage: Storage) -> Iterator[int]:
    """Remove temporary files that have had no writer for an hour.

    A worker that makes a file removes the temporary files of its row; of a cancelled row, no worker does.
    """
    storage.require_own(may_mark=False)
    yield storage.sweep_temporaries(STALE_SECONDS)


_REMEMBERED = timedelta(days=400)
"""A deadline that was reminded of earlier than this is over."""
_ONE_DAY, _WITHDRAWAL_WINDOW = timedelta(days=1), timedelta(days=7)
"""A withdrawal is reminded of the day after the last one, or within seven days if the notifier was stopped."""


def plan_reminders(
    engine: Engine, registre: Engine, days: Collection[int], today: Today = today_in
) -> int:
    """Record the reminders of the civil day of each commune that were not recorded before; return how many communes.

    Several notifiers may run it at once: the keys of the tables let one of them succeed.
    """
    today = cache(today)  # one day of a commune for the whole plan, even when midnight passes
    with snapshot(engine) as connection:
        wishing = _read_wishing(connection)
        made: dict[str, set[str]] = defaultdict(set)
        reminders = select(Reminder.code_commune, Reminder.echeances).where(
            Reminder.day >= today("") - _REMEMBERED
        )
        for commune, echeances in connection.execute(reminders):
            made[commune] |= {one.part for one in DEADLINES.validate_python(echeances)}
        due = _read_withdrawals(connection, wishing, today)
    if not wishing:
        return 0
    with snapshot(registre) as connection:
        for commune, deadline in _read_due(connection, wishing, today, days):
            due[commune].append(deadline)
    return sum(
        _plan(
            engine,
            commune,
            today(commune),
            [one for one in of_commune if one.part not in made[commune]],
        )
        for commune, of_commune in sorted(due.items())
    )


def _read_wishing(connection: Connection) -> set[str]:
    agents = connection.execute(select(Agent.code_commune, Agent.kinds).distinct())
    others = (
        select(Recipient.code_commune, Recipient.kinds)
        .where(Recipient.disabled_at.is_(None))
        .distinct()
    )
    rows = [*agents, *connection.execute(others)]
    return {commune for commune, kinds in rows if Wish.DEADLINE in split_wishes(kinds)}


def _read_withdrawals(
    connection: Connection, wishing: set[str], today: Today
) -> dict[str, list[Deadline]]:
    columns = (
        Export.code_commune,
        Publication.published_until,
        Export.type_tableau,
        Export.liste,
        Export.parameters,
    )
    last = today("")  # that of Paris: a commune may have tomorrow's day, or the one before
    first = last - _ONE_DAY - _WITHDRAWAL_WINDOW
    rows = connection.execute(
        select(*columns)
        .join(Publication, Publication.export_id == Export.id)
        .where(Publication.published_until.between(first, last), Publication.withdrawn_on.is_(None))
        .order_by(Publication.export_id)
    )
    tableaux: dict[tuple[str, date], list[str]] = defaultdict(list)
    for commune, until, type_tableau, liste, asked in rows:
        is_over = until and _ONE_DAY <= today(commune) - until <= _WITHDRAWAL_WINDOW
        if is_over and wishing & {commune, EVERY_COMMUNE}:
            titre = name_tableau(
                TypeTableau(type_tableau), asked.get("scrutin"), asked.get("publication_due")
            )
            tableaux[commune, until].append(f"{titre}, liste {liste}")
    found: dict[str, list[Deadline]] = defaultdict(list)
    for (commune, until), names in tableaux.items():
        last_day = until + _WITHDRAWAL_WINDOW
        found[commune].append(
            Deadline(WITHDRAWAL, until + _ONE_DAY, last_day, libelle=_join(names))
        )
    return found


def _read_due(
    connection: Connection, wishing: set[str], today: Today, days: Collection[int]
) -> Iterator[tuple[str, Deadline]]:
    """Yield the reminders that are due on the civil day of each commune with a register and a subscriber."""
    communes = connection.scalars(
        select(ListeCommunale.code_commune).distinct().order_by(ListeCommunale.code_commune)
    )
    for commune in [commune for commune in communes if wishing & {commune, EVERY_COMMUNE}]:
        known = select_scrutins(connection, commune), select_reunions(connection, commune)
        for deadline in find_deadlines(today(commune), *known, commune):
            if (due_stage := stage(deadline, today(commune), days)) is not None:
                deadline.days = due_stage
                yield commune, deadline


def _join(names: Iterable[str]) -> str:
    return " ; ".join(dict.fromkeys(name for name in names if name))


def _plan(engine: Engine, commune: str, today: date, due: list[Deadline]) -> bool:
    if not due:
        return False
    try:
        with Session(engine) as session, session.begin():
            echeances = DEADLINES.dump_python(due, mode="json")
            reminder = Reminder(code_commune=commune, day=today, echeances=echeances)
            session.add(reminder)
            session.flush()
            subject = subject_of(About.REMINDER, reminder.id)
            add(session.connection(), [NewWork(WorkKind.END, subject, lane=BATCH)])
    except IntegrityError:  # another notifier was faster, or the commune was already reminded today
        return False
    return True


def find_deadlines(
    today: date,
    scrutins: Sequence[CalendarScrutin],
    reunions: Sequence[CalendarReunion],
    code_commune: str = "",
) -> Iterator[Deadline]:
    """Yield the deadlines of the meeting of the year and of the next polls; polls of one day have both names.

    A recorded meeting needs no reminder; the tableau that follows it is due the day after.
    """
    polls = polls_of(code_commune, scrutins)
    for cycle in find_cycles(today, polls, reunions, code_commune=code_commune):
        day = cycle.scrutin.jour if cycle.scrutin else None
        names = [it.libelle for it in scrutins if it.jour == day]
        libelle = _join([*names, cycle.scrutin.libelle] if cycle.scrutin else names)
        if cycle.window and not cycle.reunion:
            first, last = cycle.window
            yield Deadline(
                echeance=COMMISSION, due_on=first, until=last, scrutin=day, libelle=libelle
            )
            if day is None:  # six weeks long: its end is reminded of too
                yield Deadline(echeance=COMMISSION, due_on=last, until=last, libelle=libelle)
        for it in cycle.due:
            yield Deadline(
                echeance=it.type, due_on=it.due_on, until=it.due_on, scrutin=day, libelle=libelle
            )


def stage(deadline: Deadline, today: date, days: Iterable[int]) -> int | None:
    """Return which of the reminders is due today; None when it is too early or too late.

    Of several, the last one only: an agent who learns of a poll three days before is reminded once.
    """
    left = (deadline.due_on - today).days
    if today > deadline.until:
        return None
    return min((number for number in days if left <= number), default=None)
