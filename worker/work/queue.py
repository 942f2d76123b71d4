"""The table `work` of due work, and its verbs: add, claim, renew, release, finish, bury.

    from    by                                       to
    (none)  add                                      DUE
    DUE     claim                                    HELD
    HELD    finish                                   (deleted)
    HELD    release                                  DUE, not before some time
    HELD    claim, once the lease is over            HELD, by another owner (after the third death: later,
                                                     see REST_SECONDS)
    HELD    give_back                                DUE at once: its process ends
    any     withdraw                                 (deleted): what it is about was cancelled
    HELD    bury                                     DEAD
    DEAD    add with `again`, retry                  DUE
    DEAD    delete_dead, after 90 days               (deleted)

`due_at` is when a work may be claimed; while a work is held, when its lease ends. The clock is the
database's. It may jump ahead and be set back: a work whose `due_at` is further ahead than the wait
that was written with it (`within_seconds`) may be claimed at once.

Only the owner of a work may renew, finish, release or bury it; it learns of the other verbs by its next renewal.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache
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
    case,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Mapped, aliased, mapped_column

from schemas.topology import MOST_TOKENS, QUEUE_LISTES, QUEUE_REGISTRE, QUEUE_TABLEAUX
from schemas.vocabulary import Labelled
from worker.db.engine import notify_ready, reading
from worker.db.types import (
    Base,
    Id,
    Texte,
    UtcDateTime,
    empty,
    insert_into,
    rows_where,
    seconds_between,
    utc_now,
    zero,
)
from worker.errors import LeaseLostError

_OPEN = rows_where("state IN ('due', 'held')")


class WorkState(Labelled):
    """The state of a work; there is no state for done, since the row is deleted."""

    DUE = "due", "à faire"
    HELD = "held", "en cours"
    DEAD = "dead", "abandonné"


class WorkKind(Labelled):
    """The kind of a work, which chooses its handler."""

    REPLY = "reply", "réponse à une demande"
    END = "end", "annonce de la fin"
    """Publish the events of a finished request, a recall or a reminder; add a work for each recipient."""
    MAIL = "mail", "courriel"
    SUMMARY = "summary", "courriel du jour"
    """Send all due messages of one recipient in one mail."""
    WEBHOOK = "webhook", "webhook"
    LISTE = "liste", "fichier de liste"
    TABLEAU = "tableau", "tableau"
    FINGERPRINT = "fingerprint", "empreinte d'un dépôt"
    CERTIFICAT = "certificat", "certificat de publication"
    PREVIEW = "preview", "export du REU"
    """Read an export of the REU that has arrived, import it, or erase it."""


FILES = WorkKind.LISTE, WorkKind.TABLEAU
"""The kinds whose works make files."""

QUEUE_KINDS: Mapping[str, Sequence[WorkKind]] = {
    QUEUE_LISTES: (WorkKind.FINGERPRINT, WorkKind.LISTE),
    QUEUE_TABLEAUX: (WorkKind.CERTIFICAT, WorkKind.TABLEAU),
    QUEUE_REGISTRE: (WorkKind.PREVIEW,),
}
"""The kinds of work that the workers of a queue claim, the first first. Notifiers claim all others."""

QUEUE_OF = {kind: queue for queue, kinds in QUEUE_KINDS.items() for kind in kinds}


class About(StrEnum):
    """The table of the row that a work is about."""

    REQUEST = "request"
    RECALL = "recall"
    REMINDER = "reminder"
    EXPORT = "export"
    PREVIEW = "preview"


PEOPLE, BATCH = 0, 1
"""The two lanes: works for which a person waits are claimed before those of batches."""


def subject_of(about: About, row_id: int) -> str:
    """Return the subject of a work about a row: `request:12`."""
    return f"{about}:{row_id}"


class Work(Base):
    """A task about a subject; `part` distinguishes tasks of one kind: the key of a recipient."""

    __tablename__ = "work"
    __table_args__ = (
        UniqueConstraint("kind", "subject", "part"),
        Index("ix_work_open", "kind", "lane", "fair_tag", "id", **_OPEN),
        Index("ix_work_share", "share", "kind", "lane", "fair_tag", **_OPEN),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(Texte)
    subject: Mapped[str] = mapped_column(Texte, doc="A table and the id of a row: `request:12`.")
    part: Mapped[str] = empty()
    lane: Mapped[int] = zero("0: a person waits. 1: of a batch.")
    share: Mapped[str] = empty("Of a file or an import: whose turn it is. An account or a commune.")
    fair_tag: Mapped[int] = mapped_column(
        BigInteger, default=0, server_default="0", doc="Its place in the order of turns."
    )
    state: Mapped[str] = mapped_column(
        Texte, default=WorkState.DUE, server_default=WorkState.DUE.value
    )
    due_at: Mapped[datetime] = mapped_column(
        UtcDateTime, server_default=utc_now(), doc="When it may be claimed: see above."
    )
    within_seconds: Mapped[float] = mapped_column(
        Float, default=0, server_default="0", doc="How far ahead due_at was when it was written."
    )
    owner: Mapped[str | None] = mapped_column(Texte, doc="The job that holds it.", index=True)
    starts: Mapped[int] = zero("Starts that did not end by themselves, and failed ones.")
    waits: Mapped[int] = zero("For what was away, in a row.")
    error: Mapped[str] = empty("Of the last start, in French.")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())


_KEY = ("kind", "subject", "part")
_LOCK = 0x776F726B  # « work »

_LATE_SECONDS = 1.0
"""How much later than this statement a concurrent claim may have begun."""

REST_SECONDS = {3: 60, 4: 300, 5: 900}
"""How long a work rests whose process died, by its number of starts. A host that is drained kills
three processes within minutes, and that is not the fault of the file."""

MOST_STARTS = 6
"""After so many starts whose process died, the work fails."""

KEPT_DAYS = 90
"""How many days a dead work is kept, so that an operator can retry it."""


class NewWork(NamedTuple):
    """A work to add, due in `seconds`. Of two works of a lane, the one with the lower fair tag is claimed first."""

    kind: WorkKind
    subject: str
    part: str = ""
    lane: int = PEOPLE
    fair_tag: int = 0
    share: str = ""
    seconds: float = 0


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


def _state_is(*states: WorkState, row: Any = Work) -> ColumnElement[bool]:  # noqa: ANN401 — or an alias
    """Compare with literal states, because the partial indexes need literals."""
    return row.state.in_([literal_column(f"'{state}'") for state in states])  # type: ignore[no-any-return]


def is_open(row: Any = Work) -> ColumnElement[bool]:  # noqa: ANN401 — the model or an alias of it
    """Whether the work is not done yet."""
    return _state_is(WorkState.DUE, WorkState.HELD, row=row)


def _is_claimable() -> ColumnElement[bool]:
    """Whether `claim` may take a work: its time or lease is over, or was written while the clock was ahead."""
    rest = case(
        (_state_is(WorkState.HELD), case(REST_SECONDS, value=Work.starts, else_=0)), else_=0
    )
    is_over = Work.due_at <= utc_now(-rest)
    was_ahead = Work.due_at > utc_now(Work.within_seconds + _LATE_SECONDS)
    return and_(is_open(), or_(is_over, was_ahead))


def has_open(
    about: About, row_id: InstrumentedAttribute[int], kinds: Collection[WorkKind]
) -> ColumnElement[bool]:
    """Whether a row of that table has open work of these kinds."""
    subject = literal_column(f"'{about}:'").concat(row_id)
    return exists().where(Work.kind.in_(kinds), Work.subject == subject, is_open())


# The order of turns.


class Turn(NamedTuple):
    """The fair tag of the first new work of a share, and how many works of the share may wait before it."""

    fair_tag: int
    waiting: int


def find_turn(connection: Connection, kind: WorkKind, lane: int, share: str) -> Turn:
    """Return the next turn of a share in a lane (start-time fair queueing).

    It comes after the last work of the share, and not before the first open work of the lane. So
    shares are served in turn, however much one of them has waiting.
    """
    of_lane = select(func.min(Work.fair_tag)).where(Work.kind == kind, Work.lane == lane, is_open())
    of_share = select(func.max(Work.fair_tag)).where(
        Work.share == share, Work.kind == kind, Work.lane == lane, is_open()
    )
    found = select(of_lane.scalar_subquery(), of_share.scalar_subquery())
    first, last = connection.execute(found).one()
    first = first or 0
    fair_tag = first if last is None else max(first, last + 1)
    return Turn(fair_tag, fair_tag - first)


def count_of_share(connection: Connection, kind: WorkKind, lane: int, share: str) -> int:
    """Count the open works of a kind that a share has in a lane."""
    mine = Work.share == share, Work.kind == kind, Work.lane == lane
    return connection.scalar(select(func.count()).where(*mine, is_open())) or 0


MOST_BEFORE = 1000
"""So many works before another are counted at most."""


def count_before(connection: Connection, kind: WorkKind, subject: str) -> int:
    """Return how many open works of its kind and lane are claimed before a work; MOST_BEFORE: or more."""
    own = aliased(Work)
    is_own = own.kind == kind, own.subject == subject
    is_before = tuple_(Work.fair_tag, Work.id) < tuple_(own.fair_tag, own.id)
    before = select(Work.id).join(
        own, and_(Work.kind == own.kind, Work.lane == own.lane, is_before)
    )
    counted = before.where(*is_own, is_open()).limit(MOST_BEFORE).subquery()
    return connection.scalar(select(func.count()).select_from(counted)) or 0


# The verbs.


def add(connection: Connection, works: Iterable[NewWork], *, again: bool = False) -> None:
    """Add works in the transaction of their cause; an existing work is unchanged.

    With `again`, an existing work that is not held is due at once and counts as new. Notifiers are
    woken when the transaction commits. Workers are woken by tokens, which the caller may send.
    """
    works = [*works]
    if not works:
        return
    seconds = bindparam("seconds", type_=Float)
    statement = insert_into(connection, Work).values(
        due_at=utc_now(seconds), within_seconds=seconds
    )
    if again:
        is_idle = ~_state_is(WorkState.HELD)
        statement = statement.on_conflict_do_update(
            index_elements=_KEY, set_=_anew(), where=is_idle
        )
    else:
        statement = statement.on_conflict_do_nothing()
    connection.execute(statement, [work._asdict() for work in works])
    if kinds := {work.kind for work in works if work.kind not in QUEUE_OF}:
        notify_ready(connection, kinds)


def _anew() -> dict[str, Any]:
    return _due(0) | {"starts": 0, "waits": 0, "error": "", "created_at": utc_now()}


def _due(seconds: float) -> dict[str, Any]:
    """Return the columns of a work that no process holds, due in so many seconds."""
    due_at = {"due_at": utc_now(seconds), "within_seconds": seconds}
    return {"state": WorkState.DUE, "owner": None, **due_at}


def claim(
    connection: Connection,
    kind: WorkKind,
    owner: str,
    *,
    lease_seconds: float,
    limit: int = 1,
    lanes: tuple[int, int] = (PEOPLE, BATCH),
    held: Collection[int] = (),
) -> list[Claim]:
    """Claim the first works of a kind that are due, in the order of their lanes and fair tags.

    `lanes`: the first and the last lane to claim from. `held`: ids of works that this process holds;
    they are not claimed, even if the clock of the database jumped to the end of their lease.
    """
    values = {
        "claimed_by": owner,
        "seconds": lease_seconds,
        "number": limit,
        "first_lane": lanes[0],
        "last_lane": lanes[1],
        "held": [*held],
    }
    rows = connection.execute(_claim_statement(kind), values).all()
    claims = [Claim._make([*row, owner])._replace(kind=kind) for row in rows]
    return sorted(claims, key=lambda it: (it.lane, it.fair_tag, it.id))


@cache
def _first_due(kind: WorkKind) -> Select[int]:
    return (
        select(Work.id)
        .where(Work.kind == literal_column(f"'{kind}'"), _is_claimable())
        .where(
            Work.lane.between(bindparam("first_lane"), bindparam("last_lane")),
            Work.id.not_in(bindparam("held", expanding=True)),
        )
        .order_by(Work.lane, Work.fair_tag, Work.id)
        .limit(bindparam("number", type_=Integer))
    )


@cache
def _claim_statement(kind: WorkKind) -> Executable:
    columns = (
        *(Work.id, Work.kind, Work.subject, Work.part, Work.lane, Work.fair_tag),
        *(Work.starts, Work.waits),
    )
    first = _first_due(kind).with_for_update(skip_locked=True).cte("first")
    seconds = bindparam("seconds", type_=Float)
    return (
        update(Work)
        .where(Work.id.in_(first.select()))
        .values(
            {
                Work.state: WorkState.HELD,
                Work.owner: bindparam("claimed_by"),
                Work.due_at: utc_now(seconds),
                Work.within_seconds: seconds,
                Work.starts: Work.starts + 1,
            }
        )
        .returning(*columns, seconds_between(Work.created_at, utc_now()))
    )


def has_due(engine: Engine, kind: WorkKind, *, held: Collection[int] = ()) -> bool:
    """Return whether `claim` would find a work. It only reads: an idle loop blocks no writer."""
    values = {"number": 1, "first_lane": PEOPLE, "last_lane": BATCH, "held": [*held]}
    with reading(engine) as connection:
        return connection.execute(_first_due(kind), values).first() is not None


def claim_together(
    connection: Connection,
    kind: WorkKind,
    owner: str,
    *,
    lease_seconds: float,
    within_seconds: float,
) -> list[Claim]:
    """Claim the first due work of a kind, and all other works of its part that are due soon.

    One process at a time does it, so that two processes never share the works of one part.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    claims = claim(connection, kind, owner, lease_seconds=lease_seconds)
    if not claims:
        return claims
    mine = claims[0]
    is_soon = and_(_state_is(WorkState.DUE), Work.due_at <= utc_now(within_seconds))
    of_part = Work.kind == kind, Work.part == mine.part
    # a dead process may have held several of the part: they stay together
    rest = (
        update(Work)
        .where(*of_part, or_(is_soon, _is_claimable()))
        .values(
            {
                Work.state: WorkState.HELD,
                Work.owner: owner,
                Work.starts: Work.starts + 1,
                Work.due_at: utc_now(lease_seconds),
                Work.within_seconds: lease_seconds,
            }
        )
    )
    columns = Work.id, Work.subject, Work.lane, Work.fair_tag, Work.starts, Work.waits
    age = seconds_between(Work.created_at, utc_now()).label("age")
    rows = connection.execute(rest.returning(*columns, age)).all()
    return [mine, *(mine._replace(**row._mapping) for row in sorted(rows))]  # noqa: SLF001 — its public name


def renew(connection: Connection, claims: Collection[Claim], *, lease_seconds: float) -> int:
    """Renew the leases of these works; return the number of works that their owners still hold."""
    values = {Work.due_at: utc_now(lease_seconds), Work.within_seconds: lease_seconds}
    return _change(connection, claims, values)


def hold(connection: Connection, claim: Claim) -> None:
    """Lock a work until the end of the transaction, so that no other process claims it meanwhile.

    Raises:
        LeaseLostError: another process holds it.
    """
    require_held(connection.scalar(select(Work.id).where(_are_owned([claim])).with_for_update()))


def require_held(held: object) -> None:
    """Raise LeaseLostError if `held` is false: another process holds the work."""
    if not held:
        raise LeaseLostError("the row has another owner")


def finish(connection: Connection, claims: Collection[Claim]) -> set[int]:
    """Delete works that are done; return the ids of those that were held."""
    if not claims:
        return set()
    return set(connection.scalars(delete(Work).where(_are_owned(claims)).returning(Work.id)))


def release(
    connection: Connection, claim: Claim, seconds: float, error: str = "", *, counts: bool = True
) -> bool:
    """Make a work due in `seconds`; without `counts`, its start is not counted, but its wait is.

    Return False when another process holds the work.
    """
    values: dict[Any, Any] = _due(seconds) | {"error": error}
    waited = {"waits": Work.waits + 1, "starts": Work.starts - 1}
    values |= {"waits": 0} if counts else waited
    return bool(_change(connection, [claim], values))


def bury(connection: Connection, claim: Claim, error: str) -> bool:
    """Set a work dead; return False when another process holds it. `error` is the reason, in French."""
    values = _due(0) | {"state": WorkState.DEAD, "error": error}
    return bool(_change(connection, [claim], values))


def _change(connection: Connection, claims: Collection[Claim], values: Mapping[Any, Any]) -> int:
    if not claims:
        return 0
    return connection.execute(update(Work).where(_are_owned(claims)).values(values)).rowcount


def _are_owned(claims: Collection[Claim]) -> ColumnElement[bool]:
    ids, owners = [claim.id for claim in claims], {claim.owner for claim in claims}
    return and_(Work.id.in_(ids), Work.owner.in_(owners), _state_is(WorkState.HELD))


def withdraw(
    connection: Connection, kinds: Collection[WorkKind], subjects: Collection[str]
) -> None:
    """Delete the works about these rows; a process that holds one loses its lease."""
    if subjects:
        connection.execute(
            delete(Work).where(Work.kind.in_(kinds), Work.subject.in_(set(subjects)))
        )


def give_back(connection: Connection, condition: ColumnElement[bool]) -> None:
    """Make held works due again without counting the start; their processes lose their leases."""
    again = _due(0) | {"starts": Work.starts - 1}
    connection.execute(update(Work).where(condition, _state_is(WorkState.HELD)).values(again))


def is_owned_by(owner: str) -> ColumnElement[bool]:
    """Whether a job of this name holds the work: its claim may be committed although no answer came."""
    return Work.owner == owner


def free_all(connection: Connection) -> None:
    """Free the works of an earlier process; only where no other process can run (the embedded mode)."""
    connection.execute(update(Work).where(_state_is(WorkState.HELD)).values(_due(0)))
    at_once = {Work.due_at: utc_now(), Work.within_seconds: 0}
    connection.execute(update(Work).where(Work.kind.in_(QUEUE_OF), is_open()).values(at_once))


def count_due(connection: Connection, queue: str) -> int:
    """Return the number of works that the workers of a queue could claim now; MOST_TOKENS: or more."""
    due = select(Work.id).where(Work.kind.in_(QUEUE_KINDS[queue]), _is_claimable())
    counted = select(func.count()).select_from(due.limit(MOST_TOKENS).subquery())
    return connection.scalar(counted) or 0


def retry(connection: Connection, *, error: str, since: datetime, kind: str | None = None) -> int:
    """Make dead works due whose error contains these words and which were added since then; return how many."""
    conditions = [
        _state_is(WorkState.DEAD),
        Work.error.contains(error, autoescape=True),
        Work.created_at >= since,
    ]
    conditions += [Work.kind == kind] if kind else []
    number = connection.execute(update(Work).where(*conditions).values(_anew())).rowcount
    notify_ready(connection, [kind] if kind else [*WorkKind])
    return number


def delete_dead(engine: Engine, days: float = KEPT_DAYS) -> int:
    """Delete dead works that were added so many days ago; return how many."""
    is_old = Work.created_at < utc_now(-days * 86_400)
    with engine.begin() as connection:
        return connection.execute(delete(Work).where(_state_is(WorkState.DEAD), is_old)).rowcount


def count_works(connection: Connection) -> Sequence[Row[str, str, str, int, float]]:
    """Return kind, state, error, number and age of the oldest in seconds, of all works alike."""
    keys = Work.kind, Work.state, Work.error
    age = seconds_between(func.min(Work.created_at), utc_now())
    return connection.execute(
        select(*keys, func.count(), age).group_by(*keys).order_by(*keys)
    ).all()


def count_dead(connection: Connection) -> int:
    """Count the dead works. A dead message is not counted: the page « Messages » shows it to the clerk."""
    is_ours = Work.kind.not_in([WorkKind.MAIL, WorkKind.WEBHOOK, WorkKind.SUMMARY])
    query = select(func.count()).select_from(Work).where(_state_is(WorkState.DEAD), is_ours)
    return connection.scalar(query) or 0
