"""Which communes are to be reminded of what: looked at once an hour, told by the road of everything else."""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import IntegrityError

from common.clock import jour_a_paris
from worker.db.engine import snapshot
from worker.exports.models import EVERY_COMMUNE
from worker.notifier.deadlines import Deadline, find_deadlines, stage
from worker.notifier.kinds import Wish, split_wishes
from worker.notifier.models import Agent, Recipient, Reminder, ReminderEcheance
from worker.notifier.outage import Outage
from worker.registre.models import Commission, ListeCommunale, Scrutin
from worker.registre.scrutins import NATIONAL

HOUR_SECONDS = 3600

log = structlog.stdlib.get_logger(__name__)

Today = Callable[[], date]


def today_in_france() -> date:
    """The day on which clerks are."""
    return jour_a_paris(datetime.now(UTC))


class Due(NamedTuple):
    """A deadline, and which of its reminders this is."""

    deadline: Deadline
    days: int

    @property
    def key(self) -> tuple[str, date, int]:
        """What makes it one that was already made."""
        return self.deadline.echeance, self.deadline.due_on, self.days


class ReminderClock:
    """Plans once an hour; `registre` is the database of the register, when it is another one."""

    def __init__(
        self,
        engine: Engine,
        registre: Engine,
        days: Collection[int],
        today: Today = today_in_france,
        seconds: float = HOUR_SECONDS,
    ) -> None:
        self._engine = engine
        self._registre = registre
        self._days = days
        self._today = today
        self._seconds = seconds
        self._next = 0.0
        self._outage = Outage("reminders")

    def turn(self) -> None:
        """Plan, when it is time; what goes wrong is said, and tried again at the next hour."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._seconds
        try:
            planned = plan_reminders(self._engine, self._registre, self._today(), self._days)
        except Exception as error:  # noqa: BLE001 — a register that is away keeps nobody from being told of files
            self._outage.note(error)
            return
        self._outage.end()
        if planned:
            log.info("reminders_planned", communes=planned)


def plan_reminders(engine: Engine, registre: Engine, today: date, days: Collection[int]) -> int:
    """Write down what is to be said today, and was not said before; returns to how many communes.

    Several notifiers may do it at once: the keys of the tables let one of them.
    """
    with snapshot(engine) as connection:
        wanted = _read_wanting(connection)
        made = _read_made(connection, today)
    if not wanted:
        return 0
    with snapshot(registre) as connection:
        found = list(_read_due(connection, wanted, today, days))
    return sum(
        _plan(engine, commune, today, [one for one in due if one.key not in made[commune]]) for commune, due in found
    )


def _read_wanting(connection: Connection) -> set[str]:
    """The communes where somebody wants to be reminded; `*` when somebody wants it for all of them."""
    agents = connection.execute(select(Agent.code_commune, Agent.kinds).distinct())
    others = select(Recipient.code_commune, Recipient.kinds).where(Recipient.disabled_at.is_(None)).distinct()
    rows = [*agents, *connection.execute(others)]
    return {commune for commune, kinds in rows if Wish.DEADLINE in split_wishes(kinds)}


def _read_made(connection: Connection, today: date) -> dict[str, set[tuple[str, date, int]]]:
    made: dict[str, set[tuple[str, date, int]]] = defaultdict(set)
    columns = ReminderEcheance.code_commune, ReminderEcheance.echeance, ReminderEcheance.due_on, ReminderEcheance.days
    for commune, *key in connection.execute(select(*columns).where(ReminderEcheance.until >= today)):
        made[commune].add(tuple(key))  # type: ignore[arg-type]  # three columns
    return made


def _read_due(
    connection: Connection, wanted: set[str], today: date, days: Collection[int]
) -> Iterator[tuple[str, list[Due]]]:
    """What each commune that has a register and wants it is to be reminded of."""
    communes = connection.scalars(select(ListeCommunale.code_commune).distinct().order_by(ListeCommunale.code_commune))
    concerned = [commune for commune in communes if wanted & {commune, EVERY_COMMUNE}]
    scrutins: dict[str, dict[date, list[str]]] = defaultdict(lambda: defaultdict(list))
    for commune, day, libelle in connection.execute(
        select(Scrutin.code_commune, Scrutin.date, Scrutin.libelle).where(Scrutin.date >= today)
    ):
        scrutins[commune][day].append(libelle)
    reunions: dict[str, set[date]] = defaultdict(set)
    for commune, day in connection.execute(select(Commission.code_commune, Commission.date)):
        reunions[commune].add(day)
    for commune in concerned:
        deadlines = [
            deadline
            for day in sorted({*scrutins[NATIONAL], *scrutins[commune]})
            for deadline in find_deadlines(
                day, _join([*scrutins[NATIONAL].get(day, []), *scrutins[commune].get(day, [])]), reunions[commune]
            )
        ]
        if due := [Due(it, number) for it in deadlines if (number := stage(it, today, days)) is not None]:
            yield commune, due


def _join(libelles: Sequence[str]) -> str:
    return " ; ".join(dict.fromkeys(libelle for libelle in libelles if libelle))


def _plan(engine: Engine, commune: str, today: date, due: list[Due]) -> bool:
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
    except IntegrityError:  # another notifier was faster, or the commune was already reminded today
        return False
    return True
