"""The verbs of the table of due work: add, claim, renew, finish, release. Each is one statement.

    from    by                                       to
    (none)  add                                      DUE
    DUE     claim                                    HELD
    HELD    finish                                   (deleted)
    HELD    release                                  DUE, not before some time
    HELD    claim, once the lease is over            HELD, of another owner
    HELD    bury                                     DEAD
    DEAD    add with `again`, retry                  DUE
    DEAD    sweep, after 90 days                     (deleted)

The clock is the database's. A lease never ends later than its length from now: when the clock jumped ahead and came
back, a row whose lease ends later than that is free. Only the owner of a row may renew, finish, release or bury it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Executable,
    Float,
    Integer,
    Select,
    and_,
    bindparam,
    column,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, aliased

from worker.db.engine import notify_ready
from worker.db.types import seconds_between, utc_now
from worker.work.models import About, Work, WorkKind, WorkState

_INSERTS: Mapping[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
_KEY = ("kind", "subject", "part")
_LOCK = 0x776F726B  # « work »

KEPT_DAYS = 90
"""How long a work that was given up stays, to be retried."""


class NewWork(NamedTuple):
    """A work to add; of two in one lane, the one with the lower fair tag is claimed first."""

    kind: WorkKind
    subject: str
    part: str = ""
    lane: int = 0
    fair_tag: int = 0


class Claim(NamedTuple):
    """A work that this process holds; `age`: seconds since it was added."""

    id: int
    kind: WorkKind
    subject: str
    part: str
    lane: int
    fair_tag: int
    starts: int
    waits: int
    age: float
    owner: str

    @property
    def about(self) -> About:
        """The table of its subject."""
        return About(self.subject.partition(":")[0])

    @property
    def subject_id(self) -> int:
        """The id of its subject."""
        return int(self.subject.partition(":")[2])


class ClaimRule(NamedTuple):
    """Which works of a kind are not claimed together."""

    in_order: bool = False
    """A work waits for those of its subject that were added before it."""
    one_for_each_part: bool = False
    """A work waits while another of its part is held, so that a recipient that hangs holds one loop."""
    spares_failed: bool = False
    """Works of a part that has failed are left to other loops."""


def _is(state: WorkState) -> ColumnElement[bool]:
    return _state_of(Work, state)


def _state_of(row: Any, *states: WorkState) -> ColumnElement[bool]:  # noqa: ANN401 — the model or an alias of it
    """With literal states, so that the partial indexes serve."""
    return row.state.in_([literal_column(f"'{state}'") for state in states])  # type: ignore[no-any-return]


def is_open(row: Any = Work) -> ColumnElement[bool]:  # noqa: ANN401 — the model or an alias of it
    """Whether the work is still to be done."""
    return _state_of(row, WorkState.DUE, WorkState.HELD)


def has_open(about: About, row_id: InstrumentedAttribute[int], kinds: Collection[WorkKind]) -> ColumnElement[bool]:
    """Whether a row of that table has open work of these kinds."""
    subject = literal_column(f"'{about}:'").concat(row_id)
    return exists().where(Work.kind.in_(kinds), Work.subject == subject, is_open())


def add(connection: Connection, works: Iterable[NewWork], *, again: bool = False) -> None:
    """Add works in the transaction of their cause, and wake the notifiers at its end; one that is there stays.

    With `again`, one that is dead or waits for its time is due at once, and counts as new.
    """
    rows = [work._asdict() for work in works]
    if not rows:
        return
    statement = _INSERTS[connection.dialect.name](Work)
    new = {"state": WorkState.DUE, "due_at": None, "starts": 0, "waits": 0, "error": "", "created_at": utc_now()}
    if again:
        statement = statement.on_conflict_do_update(index_elements=_KEY, set_=new, where=~_is(WorkState.HELD))
    else:
        statement = statement.on_conflict_do_nothing()
    connection.execute(statement, rows)
    notify_ready(connection)


def claim(
    connection: Connection,
    kinds: Sequence[WorkKind],
    owner: str,
    *,
    lease_seconds: float,
    limit: int,
    rule: ClaimRule,
    at_work: Collection[int] = (),
) -> list[Claim]:
    """Take the first works of these kinds that are due and free, in the order of their lanes and fair tags.

    `at_work`: ids that loops of this process are handling. They stay there even if the database clock ends their lease.
    """
    if connection.dialect.name == "postgresql":  # one claim at a time, so that each sees what the others hold
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK, list(WorkKind).index(kinds[0]))))
    values = {"claimed_by": owner, "seconds": lease_seconds, "number": limit, "at_work": [*at_work]}
    rows = connection.execute(_claim_statement(tuple(kinds), rule), values).all()
    claims = [Claim._make([*row, owner])._replace(kind=WorkKind(row[1])) for row in rows]
    return sorted(claims, key=lambda it: (it.lane, it.fair_tag, it.id))


def has_due(
    engine: Engine, kinds: Sequence[WorkKind], *, lease_seconds: float, rule: ClaimRule, at_work: Collection[int] = ()
) -> bool:
    """Whether `claim` would find a work; asked by reading alone, so that an idle loop keeps no writer waiting."""
    with engine.connect().execution_options(sqlite_begin="DEFERRED") as connection:
        values = {"seconds": lease_seconds, "number": 1, "at_work": [*at_work]}
        return connection.execute(_first_due(tuple(kinds), rule), values).first() is not None


@cache
def _first_due(kinds: tuple[WorkKind, ...], rule: ClaimRule, *, locks: bool = False) -> Select[int]:
    length = bindparam("seconds", type_=Float)
    one = aliased(Work)
    conditions = [one.kind.in_([literal_column(f"'{kind}'") for kind in kinds]), is_open(one), _is_free(one, length)]
    conditions.append(one.id.not_in(bindparam("at_work", expanding=True)))
    if rule.in_order:
        before = aliased(Work)
        is_before = before.kind == one.kind, before.subject == one.subject, before.id < one.id, is_open(before)
        conditions.append(~select(before.id).where(*is_before, ~_is_free(before, length)).exists())
    if rule.one_for_each_part:
        other = aliased(Work)
        is_held = other.kind == one.kind, other.part == one.part, _state_of(other, WorkState.HELD)
        conditions.append(~select(other.id).where(*is_held, is_open(other), ~_is_free(other, length)).exists())
    if rule.spares_failed:
        failed = aliased(Work)
        has_failed = failed.kind == one.kind, failed.part == one.part, failed.starts + failed.waits > 0
        conditions.append(~select(failed.id).where(*has_failed, is_open(failed)).exists())
    first = select(one.id).where(*conditions).order_by(one.lane, one.fair_tag, one.id)
    first = first.limit(bindparam("number", type_=Integer))
    return first.with_for_update(of=one, skip_locked=True) if locks else first


@cache
def _claim_statement(kinds: tuple[WorkKind, ...], rule: ClaimRule) -> Executable:
    columns = Work.id, Work.kind, Work.subject, Work.part, Work.lane, Work.fair_tag, Work.starts, Work.waits
    return (
        update(Work)
        .where(Work.id.in_(_first_due(kinds, rule, locks=True).cte("first").select()))
        .values(
            {
                Work.state: WorkState.HELD,
                Work.owner: bindparam("claimed_by"),
                Work.lease_until: utc_now(bindparam("seconds", type_=Float)),
                Work.starts: Work.starts + 1,
            }
        )
        .returning(*columns, seconds_between(Work.created_at, utc_now()))
    )


def _is_free(row: Any, length: ColumnElement[float]) -> ColumnElement[bool]:  # noqa: ANN401 — the model or an alias
    is_due = and_(_state_of(row, WorkState.DUE), or_(row.due_at.is_(None), row.due_at <= utc_now()))
    is_over = or_(row.lease_until <= utc_now(), row.lease_until > utc_now(length))
    return or_(is_due, and_(_state_of(row, WorkState.HELD), is_over))


def renew(connection: Connection, claims: Collection[Claim], *, lease_seconds: float) -> None:
    """Begin the leases of these works anew; those that are in other hands stay there."""
    _change(connection, claims, {Work.lease_until: utc_now(lease_seconds)})


def finish(connection: Connection, claims: Collection[Claim], then: Iterable[NewWork] = ()) -> set[int]:
    """Delete works that are done, and add the works that follow; the ids of those that were still ours."""
    done: set[int] = set()
    if claims:
        done = set(connection.scalars(delete(Work).where(_are_owned(claims)).returning(Work.id)))
    add(connection, then)
    return done


def release(connection: Connection, claim: Claim, seconds: float, error: str = "", *, counts: bool = True) -> bool:
    """Let a work be claimed again in so many seconds; without `counts` its start is given back. False: not ours."""
    values: dict[Any, Any] = {Work.state: WorkState.DUE, Work.due_at: utc_now(seconds) if seconds else None}
    values |= {Work.waits: 0} if counts else {Work.waits: Work.waits + 1, Work.starts: Work.starts - 1}
    return bool(_change(connection, [claim], values | _NO_LEASE | {Work.error: error}))


def bury(connection: Connection, claim: Claim, error: str) -> bool:
    """Give a work up; False: not ours. `error` says why, in French."""
    return bool(_change(connection, [claim], {Work.state: WorkState.DEAD, Work.error: error} | _NO_LEASE))


_NO_LEASE: dict[Any, Any] = {Work.owner: None, Work.lease_until: None}


def _change(connection: Connection, claims: Collection[Claim], values: Mapping[Any, Any]) -> int:
    return connection.execute(update(Work).where(_are_owned(claims)).values(values)).rowcount if claims else 0


def _are_owned(claims: Collection[Claim]) -> ColumnElement[bool]:
    ids, owners = [claim.id for claim in claims], {claim.owner for claim in claims}
    return and_(Work.id.in_(ids), Work.owner.in_(owners), _is(WorkState.HELD))


def free_all(connection: Connection) -> None:
    """Free the works of an earlier process; only where no other process can be at work (the embedded mode)."""
    connection.execute(update(Work).where(_is(WorkState.HELD)).values({Work.state: WorkState.DUE} | _NO_LEASE))


def retry(connection: Connection, *, error: str, since: datetime, kind: str | None = None) -> int:
    """Let dead works whose error contains these words, added since then, be due again; how many they were."""
    conditions = [_is(WorkState.DEAD), Work.error.contains(error, autoescape=True), Work.created_at >= since]
    conditions += [Work.kind == kind] if kind else []
    new = {Work.state: WorkState.DUE, Work.due_at: None, Work.starts: 0, Work.waits: 0, Work.created_at: utc_now()}
    number = connection.execute(update(Work).where(*conditions).values(new)).rowcount
    notify_ready(connection)
    return number


def sweep(connection: Connection, days: float = KEPT_DAYS) -> int:
    """Delete works that were given up so many days ago; how many they were."""
    is_old = Work.created_at < utc_now(-days * 86_400)
    return connection.execute(delete(Work).where(_is(WorkState.DEAD), is_old)).rowcount


class WorkTally(NamedTuple):
    """Works of one kind, in one state, that met the same error."""

    kind: str
    state: str
    error: str
    number: int
    age: float


def count_works(connection: Connection) -> list[WorkTally]:
    """All works, by kind, state and error; the age of the oldest in seconds."""
    keys = Work.kind, Work.state, Work.error
    age = seconds_between(func.min(Work.created_at), utc_now())
    rows = connection.execute(select(*keys, func.count(), age).group_by(*keys).order_by(*keys))
    return [WorkTally(*row) for row in rows]


def find_faults(connection: Connection) -> list[str]:
    """In French: works that were given up, of an unknown kind, or about a row that is gone.

    A message that was given up is the recipient's trouble: the page « Messages » shows it to the clerk.
    """
    is_ours = Work.kind.not_in([WorkKind.MAIL, WorkKind.MESSAGE])
    given_up, unknown = (
        connection.scalar(select(func.count()).select_from(Work).where(condition)) or 0
        for condition in (_is(WorkState.DEAD) & is_ours, Work.kind.not_in(list(WorkKind)))
    )
    known = [Work.subject.startswith(f"{about}:") & _has_subject(about) for about in About]
    gone = connection.scalar(select(func.count()).select_from(Work).where(~or_(*known), is_open())) or 0
    found = ((given_up, "abandonnés"), (unknown, "de nature inconnue"), (gone, "dont l'objet a disparu"))
    return [f"{number} {words}" for number, words in found if number]


def _has_subject(about: About) -> ColumnElement[bool]:
    row = table(about.value, column("id"))
    return exists().where(literal_column(f"'{about}:'").concat(row.c.id) == Work.subject)
