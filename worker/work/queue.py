"""The table `work` of due work, and its operations: add, claim, renew, finish, release. Each is one statement.

    from    by                                       to
    (none)  add                                      DUE
    DUE     claim                                    HELD
    HELD    finish                                   (deleted)
    HELD    release                                  DUE, not before some time
    HELD    claim, once the lease is over            HELD, of another owner
    HELD    bury                                     DEAD
    DEAD    add with `again`, retry                  DUE
    DEAD    delete_dead, after 90 days               (deleted)

The clock is the database's. If the clock jumped ahead and was set back, a row may have a lease that ends later than the
longest lease from now: such a row is free. Only the owner of a row may renew, finish, release or bury it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache, partial
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Executable,
    Float,
    Index,
    Integer,
    Row,
    Select,
    UniqueConstraint,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Mapped, aliased, mapped_column

from schemas.vocabulary import Labelled
from worker.db.engine import notify_ready, reading
from worker.db.types import (
    Base,
    Id,
    Texte,
    UtcDateTime,
    empty,
    rows_where,
    seconds_between,
    utc_now,
    zero,
)
from worker.doorbell import Doorbell
from worker.errors import LeaseLostError

_OPEN = rows_where("state IN ('due', 'held')")


class WorkState(Labelled):
    """The state of a row; there is no state for done, since the row is deleted."""

    DUE = "due", "à faire"
    HELD = "held", "en cours"
    DEAD = "dead", "abandonné"


class WorkKind(Labelled):
    """The kind of a task."""

    REPLY = "reply", "réponse à une demande"
    EVENT = "event", "événement"
    """Publish one event: of a file (its part), of the end of a request, of a recalled file, of a deadline."""
    PROGRESS = "progress", "avancement"
    """Publish the progress of the files of a request, each second."""
    RECIPIENTS = "recipients", "liste des destinataires"
    """List the recipients of a message, and add one work for each of them."""
    MAIL = "mail", "courriel"
    SUMMARY = "summary", "courriel du jour"
    """Send all due messages of one recipient in one mail."""
    MESSAGE = "message", "discussion ou webhook"
    LISTE = "liste", "fichier de liste"
    TABLEAU = "tableau", "tableau"
    """Make the file of an export; the fair tag is that of its request."""
    PREVIEW = "preview", "export du REU"
    """Read an export of the REU that has arrived, import it, or erase it."""
    DEFERRED = "deferred", "événement en attente"
    """Check again whether what an event names is known."""


FILES = (WorkKind.LISTE, WorkKind.TABLEAU)
"""The kinds whose works make files."""


class About(StrEnum):
    """The table of the row that a work is about."""

    REQUEST = "request"
    RECALL = "recall"
    REMINDER = "reminder"


BROKERED: Mapping[str, str] = {
    **dict.fromkeys(FILES, "export"),
    WorkKind.PREVIEW: "preview",
    WorkKind.DEFERRED: "deferred_event",
}
"""The kinds whose works start when a worker receives a message, with the tables of their rows."""


def subject_of(about: About | WorkKind, row_id: int) -> str:
    """Return the subject of a work about a row: `request:12`; `about`: a table, or the kind of a work in BROKERED."""
    return f"{BROKERED.get(about, about)}:{row_id}"


class Work(Base):
    """A task about a subject and one part of it: a file, a recipient, a deadline."""

    __tablename__ = "work"
    __table_args__ = (
        UniqueConstraint("kind", "subject", "part"),
        Index("ix_work_open", "kind", "lane", "fair_tag", "id", **_OPEN),
        Index("ix_work_part", "part", "kind", "state", **_OPEN),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(Texte)
    subject: Mapped[str] = mapped_column(Texte, doc="A table and the id of a row: `request:12`.")
    part: Mapped[str] = empty()
    lane: Mapped[int] = zero("0: a person waits. 1: of a batch.")
    fair_tag: Mapped[int] = mapped_column(
        BigInteger, default=0, server_default="0", doc="The turn of its account."
    )
    state: Mapped[str] = mapped_column(Texte, default=WorkState.DUE, server_default=WorkState.DUE)
    due_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, doc="When to try again; empty: now."
    )
    owner: Mapped[str | None] = mapped_column(Texte, doc="The loop that holds the lease.")
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    enqueued_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, doc="When its message went to the broker; empty: not since its last start."
    )
    starts: Mapped[int] = zero()
    waits: Mapped[int] = zero("For what was away, in a row.")
    error: Mapped[str] = empty("Of the last start, in French.")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())


_INSERTS: Mapping[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
_KEY = ("kind", "subject", "part")
_ANEW = {
    "state": WorkState.DUE,
    "due_at": None,
    "starts": 0,
    "waits": 0,
    "error": "",
    "created_at": utc_now(),
}
_LOCK = 0x776F726B  # « work »

_LATE_SECONDS = 1.0
"""How much later than this statement a concurrent claim may have begun."""

LONGEST_LEASE_SECONDS = 60.0
"""A row whose lease ends later than so long from now was claimed while the clock was ahead."""

KEPT_DAYS = 90
"""How many days a dead work is kept, so that an operator can retry it."""


class NewWork(NamedTuple):
    """A work to add. Of two works in one lane, the one with the lower fair tag is claimed first."""

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
    """A work waits for earlier works of its subject."""
    one_for_each_part: bool = False
    """A work waits while another of its part is held: a recipient occupies one loop, a share one process for lists."""
    spares_failed: bool = False
    """Works of a part that has failed are left to other loops."""
    of_message: bool = False
    """Only works of one lane whose message was enqueued, the work of the current message, and those of its part."""
    of_batches: bool = False
    """Only works of batches."""


def _is(state: WorkState) -> ColumnElement[bool]:
    return _state_of(Work, state)


def _state_of(row: Any, *states: WorkState) -> ColumnElement[bool]:  # noqa: ANN401 — the model or an alias of it
    """Compare with literal states, because the partial indexes need literals."""
    return row.state.in_([literal_column(f"'{state}'") for state in states])  # type: ignore[no-any-return]


def is_open(row: Any = Work) -> ColumnElement[bool]:  # noqa: ANN401 — the model or an alias of it
    """Whether the work is not done yet."""
    return _state_of(row, WorkState.DUE, WorkState.HELD)


def has_open(
    about: About, row_id: InstrumentedAttribute[int], kinds: Collection[WorkKind]
) -> ColumnElement[bool]:
    """Whether a row of that table has open work of these kinds."""
    subject = literal_column(f"'{about}:'").concat(row_id)
    return exists().where(Work.kind.in_(kinds), Work.subject == subject, is_open())


MOST_BEFORE = 1000
"""So many works before another are counted at most."""


def count_before(connection: Connection, kind: WorkKind, row_id: int) -> int:
    """Return how many open works of its kind and lane are claimed before a work; MOST_BEFORE: or more."""
    own = aliased(Work)
    is_own = own.kind == kind, own.subject == subject_of(kind, row_id)
    is_before = tuple_(Work.fair_tag, Work.id) < tuple_(own.fair_tag, own.id)
    before = select(Work.id).join(
        own, and_(Work.kind == own.kind, Work.lane == own.lane, is_before)
    )
    counted = before.where(*is_own, is_open()).limit(MOST_BEFORE).subquery()
    return connection.scalar(select(func.count()).select_from(counted)) or 0


def add(
    connection: Connection,
    works: Iterable[NewWork],
    *,
    again: bool = False,
    seconds: float = 0,
    enqueued: bool = False,
) -> None:
    """Add works in the transaction of their cause and wake the notifiers; an existing work is unchanged.

    With `again`, an existing work that is not held is due at once and counts as new. `seconds`: until it is due.
    `enqueued`: the caller sends the message of each work to the broker, after the commit; no notifier is woken.
    """
    rows = [work._asdict() for work in works]
    if not rows:
        return
    statement = _INSERTS[connection.dialect.name](Work)
    if seconds:
        statement = statement.values(due_at=utc_now(seconds))
    if enqueued:
        statement = statement.values(enqueued_at=utc_now())
    if again:
        statement = statement.on_conflict_do_update(
            index_elements=_KEY, set_=_ANEW, where=~_is(WorkState.HELD)
        )
    else:
        statement = statement.on_conflict_do_nothing()
    connection.execute(statement, rows)
    if not enqueued:
        notify_ready(connection)


def claim(
    connection: Connection,
    kind: WorkKind,
    owner: str,
    *,
    lease_seconds: float,
    limit: int,
    rule: ClaimRule,
    at_work: Callable[[], Collection[int]] = tuple,
    of_message: Mapping[str, Any] = {},
) -> list[Claim]:
    """Claim the first works of a kind that are due and free, in the order of their lanes and fair tags.

    `at_work` returns the ids that loops of this process hold. They are not claimed, even if the database clock ends
    their lease. It is called once no other claim runs: each loop adds its claims before it commits them.
    """
    if (
        connection.dialect.name == "postgresql" and not rule.of_message
    ):  # a claim must see what the others hold
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK, list(WorkKind).index(kind))))
    values = {
        "claimed_by": owner,
        "seconds": lease_seconds,
        "number": limit,
        "at_work": [*at_work()],
        **of_message,
    }
    rows = connection.execute(_claim_statement(kind, rule), values).all()
    claims = [Claim._make([*row, owner])._replace(kind=kind) for row in rows]
    return sorted(claims, key=lambda it: (it.lane, it.fair_tag, it.id))


def claim_enqueued(
    connection: Connection, message: Doorbell, owner: str, *, lease_seconds: float, part: str = ""
) -> Claim | None:
    """Claim one work for a message: the first due work of its queue that has a message, or the work of the message.

    Each message claims one work, so that the fair tags give the order, whatever the order of the messages. Works of one
    part are claimed one at a time: where only those wait, their messages are spent, and a sweep sends others.
    `part`: of the work that this message has done. It claims another one while works of that part have no message.
    """
    kind, lane = WorkKind(message.kind), int(message.is_bulk)
    waits = Work.kind == kind, Work.lane == lane, _is(WorkState.DUE)
    if part and not connection.scalar(
        select(exists().where(*waits, Work.part == part, Work.enqueued_at.is_(None)))
    ):
        return None
    about = {
        "of_lane": lane,
        "of_subject": subject_of(kind, message.row_id),
        "of_part": part or None,
    }
    rule = ClaimRule(of_message=True, one_for_each_part=True)
    first = partial(
        claim,
        connection,
        kind,
        owner,
        lease_seconds=lease_seconds,
        limit=1,
        rule=rule,
        of_message=about,
    )
    claims = first()
    if not claims:
        is_blocked = *waits, Work.enqueued_at.is_not(None), _is_part_held(Work)
        connection.execute(update(Work).where(*is_blocked).values(enqueued_at=None))
        claims = first()  # the work that blocked one may have ended between the two statements
    return claims[0] if claims else None


def has_due(engine: Engine, kind: WorkKind, *, rule: ClaimRule, at_work: Collection[int]) -> bool:
    """Return whether `claim` would find a work. It only reads, so that an idle loop blocks no writer."""
    with reading(engine) as connection:
        values = {"number": 1, "at_work": [*at_work]}
        return connection.execute(_first_due(kind, rule), values).first() is not None


@cache
def _first_due(kind: WorkKind, rule: ClaimRule, *, locks: bool = False) -> Select[int]:
    one = aliased(Work)
    conditions = [one.kind == literal_column(f"'{kind}'"), is_open(one), _is_free(one)]
    conditions.append(one.id.not_in(bindparam("at_work", expanding=True)))
    if rule.in_order:
        before = aliased(Work)
        is_before = (
            before.kind == one.kind,
            before.subject == one.subject,
            before.id < one.id,
            is_open(before),
        )
        conditions.append(~select(before.id).where(*is_before, ~_is_free(before)).exists())
    if rule.one_for_each_part:
        conditions.append(~_is_part_held(one))
    if rule.spares_failed:
        failed = aliased(Work)
        has_failed = (
            failed.kind == one.kind,
            failed.part == one.part,
            failed.starts + failed.waits > 0,
        )
        conditions.append(~select(failed.id).where(*has_failed, is_open(failed)).exists())
    if rule.of_batches:
        conditions.append(one.lane > 0)
    if rule.of_message:
        is_own = or_(
            one.subject == bindparam("of_subject"), one.part == bindparam("of_part", type_=Texte)
        )
        conditions += [one.lane == bindparam("of_lane"), or_(one.enqueued_at.is_not(None), is_own)]
    first = select(one.id).where(*conditions).order_by(one.lane, one.fair_tag, one.id)
    first = first.limit(bindparam("number", type_=Integer))
    return first.with_for_update(of=one, skip_locked=True) if locks else first


def _is_part_held(row: Any) -> ColumnElement[bool]:  # noqa: ANN401 — the model or an alias
    other = aliased(Work)
    is_held = (
        other.kind == row.kind,
        other.part == row.part,
        row.part != "",
        _state_of(other, WorkState.HELD),
    )
    return select(other.id).where(*is_held, is_open(other), ~_is_free(other)).exists()


@cache
def _claim_statement(kind: WorkKind, rule: ClaimRule) -> Executable:
    columns = (
        Work.id,
        Work.kind,
        Work.subject,
        Work.part,
        Work.lane,
        Work.fair_tag,
        Work.starts,
        Work.waits,
    )
    return (
        update(Work)
        .where(Work.id.in_(_first_due(kind, rule, locks=True).cte("first").select()))
        .values(
            {
                Work.state: WorkState.HELD,
                Work.owner: bindparam("claimed_by"),
                Work.lease_until: utc_now(bindparam("seconds", type_=Float)),
                Work.starts: Work.starts + 1,
                Work.enqueued_at: None,
            }
        )
        .returning(*columns, seconds_between(Work.created_at, utc_now()))
    )


def _is_free(row: Any) -> ColumnElement[bool]:  # noqa: ANN401 — the model or an alias
    is_due = and_(_state_of(row, WorkState.DUE), or_(row.due_at.is_(None), row.due_at <= utc_now()))
    is_over = or_(
        row.lease_until <= utc_now(),
        row.lease_until > utc_now(LONGEST_LEASE_SECONDS + _LATE_SECONDS),
    )
    return or_(is_due, and_(_state_of(row, WorkState.HELD), is_over))


def claim_rest(connection: Connection, mine: Claim, *, within_seconds: float) -> list[Claim]:
    """Claim for the owner of a held work the other works of its kind and part that are due or soon will be.

    The caller claims by a rule with `one_for_each_part`, so that no other process holds one of them.
    """
    held = aliased(Work)
    is_soon = or_(Work.due_at.is_(None), Work.due_at <= utc_now(within_seconds))
    rest = update(Work).where(
        Work.kind == mine.kind, Work.part == mine.part, _is(WorkState.DUE), is_soon
    )
    rest = rest.values(
        {Work.state: WorkState.HELD, Work.owner: mine.owner, Work.starts: Work.starts + 1}
    )
    columns = Work.id, Work.subject, Work.lane, Work.fair_tag, Work.starts, Work.waits
    age = seconds_between(Work.created_at, utc_now()).label("age")
    rest = rest.values(
        lease_until=select(held.lease_until).where(held.id == mine.id).scalar_subquery()
    )
    rows = connection.execute(rest.returning(*columns, age)).all()
    return [mine._replace(**row._mapping) for row in sorted(rows)]  # noqa: SLF001 — its public name


def renew(connection: Connection, claims: Collection[Claim], *, lease_seconds: float) -> None:
    """Renew the leases of these works, without waiting for a transaction that finishes or releases one of them."""
    held = select(Work.id).where(_are_owned(claims)).with_for_update(skip_locked=True)
    connection.execute(
        update(Work).where(Work.id.in_(held)).values(lease_until=utc_now(lease_seconds))
    )


def renew_row(
    engine: Engine,
    claim: Claim,
    lease_seconds: float,
    progress: InstrumentedAttribute[int],
    number: int,
) -> bool:
    """Renew the lease, and write the progress to a column of the row; return False when another worker holds it."""
    with engine.begin() as connection:
        is_held = bool(_change(connection, [claim], {Work.lease_until: utc_now(lease_seconds)}))
        if is_held:
            table = progress.class_
            connection.execute(
                update(table).where(table.id == claim.subject_id).values({progress: number})
            )
        return is_held


def hold(connection: Connection, claim: Claim) -> None:
    """Lock a work until the end of the transaction, so that no other worker claims it meanwhile.

    Raises:
        LeaseLostError: another worker holds it.
    """
    require_held(connection.scalar(select(Work.id).where(_are_owned([claim])).with_for_update()))


def require_held(held: object) -> None:
    """Raise LeaseLostError if `held` is false: another worker holds the work."""
    if not held:
        raise LeaseLostError("the row has another owner")


def finish(connection: Connection, claims: Collection[Claim]) -> set[int]:
    """Delete works that are done; return the ids of those that were held."""
    if not claims:
        return set()
    return set(connection.scalars(delete(Work).where(_are_owned(claims)).returning(Work.id)))


def release(
    connection: Connection,
    claim: Claim,
    seconds: float,
    error: str = "",
    *,
    counts: bool = True,
    is_new: bool = False,
) -> bool:
    """Make a work due in `seconds`; without `counts`, its start is not counted. Return False when it is not held.

    `is_new`: the error differs from the last one, so that the count of waits begins at one.
    """
    values: dict[Any, Any] = {
        Work.state: WorkState.DUE,
        Work.due_at: utc_now(seconds) if seconds else None,
    }
    waits = 1 if is_new else Work.waits + 1
    values |= {Work.waits: 0} if counts else {Work.waits: waits, Work.starts: Work.starts - 1}
    return bool(_change(connection, [claim], values | _NO_LEASE | {Work.error: error}))


def bury(connection: Connection, claim: Claim, error: str) -> bool:
    """Set a work dead; return False when this process does not hold it. `error` is the reason, in French."""
    return bool(
        _change(connection, [claim], {Work.state: WorkState.DEAD, Work.error: error} | _NO_LEASE)
    )


_NO_LEASE: dict[Any, Any] = {Work.owner: None, Work.lease_until: None}


def _change(connection: Connection, claims: Collection[Claim], values: Mapping[Any, Any]) -> int:
    return (
        connection.execute(update(Work).where(_are_owned(claims)).values(values)).rowcount
        if claims
        else 0
    )


def _are_owned(claims: Collection[Claim]) -> ColumnElement[bool]:
    ids, owners = [claim.id for claim in claims], {claim.owner for claim in claims}
    return and_(Work.id.in_(ids), Work.owner.in_(owners), _is(WorkState.HELD))


def withdraw(connection: Connection, kinds: Collection[WorkKind], row_ids: Iterable[int]) -> None:
    """Delete the works of these rows; a worker that holds one loses its lease."""
    subjects = {subject_of(kind, row_id) for row_id in row_ids for kind in kinds}
    if subjects:
        connection.execute(delete(Work).where(Work.kind.in_(kinds), Work.subject.in_(subjects)))


def give_back(connection: Connection, condition: ColumnElement[bool]) -> None:
    """Make held works due again without counting the interrupted start; their workers lose their leases."""
    again = {Work.state: WorkState.DUE, Work.starts: Work.starts - 1} | _NO_LEASE
    connection.execute(update(Work).where(condition, _is(WorkState.HELD)).values(again))


def count_enqueued(connection: Connection, grace_seconds: float) -> dict[tuple[str, bool], int]:
    """Count the due works with a message, by queue, where one of them has waited for longer than the grace."""
    query = (
        select(Work.kind, Work.lane, func.count())
        .where(Work.kind.in_(BROKERED), is_open(), _is_free(Work), Work.enqueued_at.is_not(None))
        .group_by(Work.kind, Work.lane)
        .having(func.min(Work.enqueued_at) <= utc_now(-grace_seconds))
    )
    return {(kind, bool(lane)): number for kind, lane, number in connection.execute(query)}


def mark_enqueued(
    connection: Connection,
    lost: Mapping[tuple[str, bool], int],
    *,
    grace_seconds: float,
    limit: int,
) -> list[Doorbell]:
    """Mark due works that have no message, and of each queue the oldest works, as many as the queue has lost messages.

    At most `limit` of each, and none of a part of which one is held. They are marked before their messages are sent, so
    that no other sweep sends them too.
    """
    lacks_message, is_silent = (
        Work.enqueued_at.is_(None),
        Work.enqueued_at <= utc_now(-grace_seconds),
    )
    groups = [(and_(Work.kind.in_(BROKERED), lacks_message, ~_is_part_held(Work)), limit)]
    for (kind, is_bulk), number in lost.items():
        groups.append(
            (and_(Work.kind == kind, Work.lane == int(is_bulk), is_silent), min(number, limit))
        )
    doorbells = set[Doorbell]()
    for condition, number in groups:
        first = (
            select(Work.id)
            .where(condition, is_open(), _is_free(Work))
            .order_by(Work.enqueued_at.nulls_first(), Work.lane, Work.fair_tag, Work.id)
            .limit(number)
            .with_for_update(skip_locked=True)
            .cte("first")
        )
        marked = update(Work).where(Work.id.in_(first.select())).values(enqueued_at=utc_now())
        rows = connection.execute(marked.returning(Work.subject, Work.kind, Work.lane))
        doorbells |= {
            Doorbell(int(subject.partition(":")[2]), kind, bool(lane))
            for subject, kind, lane in rows
        }
    return sorted(doorbells)


def take_back_enqueued(engine: Engine, doorbells: Iterable[Doorbell]) -> None:
    """Record that the broker did not accept these messages: the next sweep sends them."""
    subjects = [subject_of(WorkKind(it.kind), it.row_id) for it in doorbells if it.kind in BROKERED]
    with engine.begin() as connection:
        of_messages = Work.kind.in_(BROKERED), Work.subject.in_(subjects)
        connection.execute(update(Work).where(*of_messages).values(enqueued_at=None))


def free_all(connection: Connection) -> None:
    """Free the works of an earlier process; only where no other process can run (the embedded mode)."""
    connection.execute(
        update(Work).where(_is(WorkState.HELD)).values({Work.state: WorkState.DUE} | _NO_LEASE)
    )
    connection.execute(
        update(Work).where(Work.kind.in_(BROKERED), is_open()).values(enqueued_at=None, due_at=None)
    )


def retry(connection: Connection, *, error: str, since: datetime, kind: str | None = None) -> int:
    """Make dead works due whose error contains these words and which were added since then; return how many."""
    conditions = [
        _is(WorkState.DEAD),
        Work.error.contains(error, autoescape=True),
        Work.created_at >= since,
    ]
    conditions += [Work.kind == kind] if kind else []
    number = connection.execute(update(Work).where(*conditions).values(_ANEW)).rowcount
    notify_ready(connection)
    return number


def delete_dead(engine: Engine, days: float = KEPT_DAYS) -> int:
    """Delete dead works that were added so many days ago; return how many."""
    is_old = Work.created_at < utc_now(-days * 86_400)
    with engine.begin() as connection:
        return connection.execute(delete(Work).where(_is(WorkState.DEAD), is_old)).rowcount


def count_works(connection: Connection) -> Sequence[Row[str, str, str, int, float]]:
    """Return kind, state, error, number and age of the oldest in seconds, of all works alike."""
    keys = Work.kind, Work.state, Work.error
    age = seconds_between(func.min(Work.created_at), utc_now())
    return connection.execute(
        select(*keys, func.count(), age).group_by(*keys).order_by(*keys)
    ).all()


def count_dead(connection: Connection) -> int:
    """Count the dead works. A dead message is not counted: the page « Messages » shows it to the clerk."""
    is_ours = Work.kind.not_in([WorkKind.MAIL, WorkKind.MESSAGE, WorkKind.SUMMARY])
    return (
        connection.scalar(
            select(func.count()).select_from(Work).where(_is(WorkState.DEAD), is_ours)
        )
        or 0
    )
