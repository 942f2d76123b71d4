"""Plans which commune is reminded of which deadline: adds rows and works, which the notifier processes."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import IntegrityError

from common.calendrier import CalendarReunion, CalendarScrutin, find_cycles, one_a_day
from schemas.tableaux import TypeTableau, name_tableau
from schemas.vocabulary import Wish, split_wishes
from worker.access.models import EVERY_COMMUNE, Agent, Recipient
from worker.db.engine import snapshot
from worker.exports.models import Export, Publication
from worker.notifier.messages.deadlines import COMMISSION, WITHDRAWAL, Deadline
from worker.notifier.models import Reminder, ReminderEcheance
from worker.notifier.notices import Today, part_of, today_in
from worker.registre.models import ListeCommunale
from worker.registre.scrutins import select_reunions, select_scrutins
from worker.work.models import About, WorkKind, subject_of
from worker.work.queue import NewWork, add

log = structlog.stdlib.get_logger(__name__)

_LANE = 1
"""Reminders are sent after messages that a person waits for."""

_ONE_DAY, _WITHDRAWAL_WINDOW = timedelta(days=1), timedelta(days=7)
"""A withdrawal is reminded of the day after the last one, or within seven days if the notifier was stopped."""


class DueReminder(NamedTuple):
    """A deadline, and which of its reminders is due."""

    deadline: Deadline
    days: int

    @property
    def key(self) -> tuple[str, date, int]:
        """The key by which an earlier plan of this reminder is found."""
        return self.deadline.echeance, self.deadline.due_on, self.days


def plan_reminders(engine: Engine, registre: Engine, days: Collection[int], today: Today = today_in) -> int:
    """Record the reminders of the civil day of each commune that were not recorded before; return how many communes.

    Several notifiers may run it at once: the keys of the tables let one of them succeed.
    """
    today = cache(today)  # one day of a commune for the whole plan, even when midnight passes
    with snapshot(engine) as connection:
        wishing = _read_wishing(connection)
        made = _read_made(connection, _first_day(today))
        due = _read_withdrawals(connection, wishing, today)
    if not wishing:
        return 0
    with snapshot(registre) as connection:
        for commune, of_calendar in _read_due(connection, wishing, today, days):
            due[commune] += of_calendar
    planned = sum(
        _plan(engine, commune, today(commune), [one for one in of_commune if one.key not in made[commune]])
        for commune, of_commune in sorted(due.items())
    )
    if planned:
        log.info("reminders_planned", communes=planned)
    return planned


def _first_day(today: Today) -> date:
    """Return the day before that of Paris: no commune has an earlier day now."""
    return today("") - timedelta(days=1)


def _read_wishing(connection: Connection) -> set[str]:
    """Return the communes where a recipient wants reminders; `*` when a recipient wants them for all communes."""
    agents = connection.execute(select(Agent.code_commune, Agent.kinds).distinct())
    others = select(Recipient.code_commune, Recipient.kinds).where(Recipient.disabled_at.is_(None)).distinct()
    rows = [*agents, *connection.execute(others)]
    return {commune for commune, kinds in rows if Wish.DEADLINE in split_wishes(kinds)}


def _read_made(connection: Connection, since: date) -> dict[str, set[tuple[str, date, int]]]:
    made: dict[str, set[tuple[str, date, int]]] = defaultdict(set)
    columns = ReminderEcheance.code_commune, ReminderEcheance.echeance, ReminderEcheance.due_on, ReminderEcheance.days
    for commune, *key in connection.execute(select(*columns).where(ReminderEcheance.until >= since)):
        made[commune].add(tuple(key))  # type: ignore[arg-type]  # three columns
    return made


def _read_withdrawals(connection: Connection, wishing: set[str], today: Today) -> dict[str, list[DueReminder]]:
    """Return by commune the published tableaux to withdraw: those with one last day share one reminder."""
    columns = Export.code_commune, Publication.published_until, Export.type_tableau, Export.liste, Export.parameters
    first, last = _first_day(today) - _WITHDRAWAL_WINDOW, today("")  # the day of a commune may be tomorrow's
    rows = connection.execute(
        select(*columns)
        .join(Publication, Publication.export_id == Export.id)
        .where(Publication.published_until.between(first, last), Publication.withdrawn_on.is_(None))
        .order_by(Publication.export_id)
    )
    tableaux: dict[tuple[str, date], list[str]] = defaultdict(list)
    for commune, until, *named in rows:
        is_over = until and _ONE_DAY <= today(commune) - until <= _WITHDRAWAL_WINDOW
        if is_over and wishing & {commune, EVERY_COMMUNE}:
            tableaux[commune, until].append(_name_one(*named))
    found: dict[str, list[DueReminder]] = defaultdict(list)
    for (commune, until), names in tableaux.items():
        deadline = Deadline(WITHDRAWAL, until + _ONE_DAY, until + _WITHDRAWAL_WINDOW, None, _join(names))
        found[commune].append(DueReminder(deadline, 0))
    return found


def _name_one(type_tableau: str, liste: str, asked: Mapping[str, Any]) -> str:
    titre = name_tableau(TypeTableau(type_tableau), asked.get("scrutin"), asked.get("publication_due"))
    return f"{titre}, liste {liste}"


def _read_due(
    connection: Connection, wishing: set[str], today: Today, days: Collection[int]
) -> Iterator[tuple[str, list[DueReminder]]]:
    """Yield the reminders that are due on the civil day of each commune with a register and a subscriber."""
    communes = connection.scalars(select(ListeCommunale.code_commune).distinct().order_by(ListeCommunale.code_commune))
    concerned = [commune for commune in communes if wishing & {commune, EVERY_COMMUNE}]
    for commune in concerned:
        this_day = today(commune)
        scrutins = [it.days for it in select_scrutins(connection, commune)]
        held = select_reunions(connection, commune)
        reunions = [CalendarReunion(it.date, it.liste, it.has_deliberated) for it in held]
        deadlines = find_deadlines(this_day, scrutins, reunions)
        if due := [DueReminder(it, number) for it in deadlines if (number := stage(it, this_day, days)) is not None]:
            yield commune, due


def _join(names: Iterable[str]) -> str:
    return " ; ".join(dict.fromkeys(name for name in names if name))


def _plan(engine: Engine, commune: str, today: date, due: list[DueReminder]) -> bool:
    if not due:
        return False
    try:
        with engine.begin() as connection:
            statement = insert(Reminder).values(code_commune=commune, day=today).returning(Reminder.id)
            reminder_id = connection.execute(statement).scalar_one()
            rows = [
                {"code_commune": commune, "days": one.days, "reminder_id": reminder_id, **one.deadline._asdict()}
                for one in due
            ]
            connection.execute(insert(ReminderEcheance), rows)
            subject = subject_of(About.REMINDER, reminder_id)
            works = [NewWork(WorkKind.EVENT, subject, part_of(ReminderEcheance(**row)), _LANE) for row in rows]
            add(connection, [*works, NewWork(WorkKind.RECIPIENTS, subject, "", _LANE)])
    except IntegrityError:  # another notifier was faster, or the commune was already reminded today
        return False
    return True


def find_deadlines(
    today: date, scrutins: Sequence[CalendarScrutin], reunions: Sequence[CalendarReunion]
) -> Iterator[Deadline]:
    """Yield the deadlines of the meeting of the year and of the next polls; polls of one day have both names.

    A recorded meeting needs no reminder; the tableau that follows it is due the day after.
    """
    for cycle in find_cycles(today, one_a_day(scrutins), reunions):
        day = cycle.scrutin.jour if cycle.scrutin else None
        libelle = _join(it.libelle for it in scrutins if it.jour == day)
        if cycle.window and not cycle.reunion:
            first, last = cycle.window
            yield Deadline(COMMISSION, first, last, day, libelle)
            if day is None:  # six weeks long: its end is reminded of too
                yield Deadline(COMMISSION, last, last, day, libelle)
        for one in cycle.due:
            yield Deadline(one.type, one.due_on, one.due_on, day, libelle)


def stage(deadline: Deadline, today: date, days: Iterable[int]) -> int | None:
    """Return which of the reminders is due today; None when it is too early or too late.

    Of several, the last one only: an agent who learns of a poll three days before is reminded once.
    """
    left = (deadline.due_on - today).days
    if today > deadline.until:
        return None
    return min((number for number in days if left <= number), default=None)
