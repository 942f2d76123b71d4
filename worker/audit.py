"""The audit trail: who did what, when. No line holds an elector's data.

The table `audit` is insert-only: the accounts of the services may only insert, and triggers refuse updates and deletes,
except the deletion of old lines that a line of the trail announces. The notifier writes each committed line to its
log. `python -m worker audit verify --log FILE` names each line of that log that the table lacks, or has otherwise
(ADR 0035).

A line refers to names of agents, and to texts that people typed, by a random key. The table `audit_word` beside the
trail has the words until they are forgotten (ADR 0037).
"""

import json
import logging
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Index,
    column,
    delete,
    func,
    insert,
    literal,
    select,
    table,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from common.french import count_of
from schemas.vocabulary import Action
from worker.db.types import Base, Id, Texte, UtcDateTime, empty, rows_where, utc_now


class Audit(Base):
    """Who did what, when: downloads, deposits, purges, changes of rights. No elector's data."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "at"), Index("ix_audit_commune", "code_commune", "at"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    account: Mapped[str] = empty("By the broker's or the system's word; empty before it was kept.")
    actor: Mapped[str] = mapped_column(
        Texte, doc="The agent whom the account may speak for, else the account."
    )
    action: Mapped[str] = mapped_column(Texte)
    code_commune: Mapped[str] = empty()
    export_id: Mapped[int | None] = mapped_column(Id)
    detail: Mapped[str] = empty()


class AuditUnlogged(Base):
    """A line of the trail that the notifier has not yet written to its log; the notifier deletes the row then.

    A trigger of `audit` writes the row: no account of a service may do so.
    """

    __tablename__ = "audit_unlogged"

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False, doc="Of the line.")


class AuditWord(Base):
    """A name or a text for which lines of the trail have a key, until it is forgotten."""

    __tablename__ = "audit_word"
    __table_args__ = (
        Index("uq_audit_word_agent", "words", unique=True, **rows_where("kind = 'agent'")),
    )

    key: Mapped[str] = mapped_column(Texte, primary_key=True, doc="The kind and a random number.")
    kind: Mapped[str] = mapped_column(Texte, doc="agent or texte.")
    words: Mapped[str] = mapped_column(Texte)
    code_commune: Mapped[str] = empty("Of the line of a text.")


NOTIFIER = "notifier"
"""The actor of the notifier's own tasks."""


class Actor(NamedTuple):
    """The actor, and the account that proves the identity; see `record_audit`."""

    name: str
    account: str = ""


class WordKind(StrEnum):
    """The kind of a key, which begins with this word."""

    AGENT = "agent"
    TEXTE = "texte"


class Words(NamedTuple):
    """The name of an agent, or a text that a person typed: a line has its key in the table `audit_word`."""

    kind: WordKind
    words: str


Detail = str | Sequence[str | Words]


def record_audit(
    connection: Connection,
    action: Action,
    *,
    actor: Actor | str,
    code_commune: str = "",
    export_id: int | None = None,
    detail: Detail = "",
) -> None:
    """Add a line to the audit trail, inside the caller's transaction: both happen, or neither.

    `actor` is the system's user of a command, `NOTIFIER`, or the agent for whom an account acts. `detail` is French. It
    may name files and accounts, never an elector; names of agents and texts that a person typed are `Words`.
    """
    who = actor if isinstance(actor, Actor) else Actor(actor)
    name = find_key(connection, who.name)
    if name is None:  # an operator, an account and a program keep their names
        is_agent = (
            connection.scalar(select(_AGENTS.c.name).where(_AGENTS.c.name == who.name).limit(1))
            is not None
        )
        name = _key_of(connection, Words(WordKind.AGENT, who.name), "") if is_agent else who.name
    parts = [detail] if isinstance(detail, str) else detail
    words = (it if isinstance(it, str) else _key_of(connection, it, code_commune) for it in parts)
    values = {
        "id": _next_number(connection),
        "account": who.account if who.account not in {"", who.name} else name,
        "actor": name,
        "action": action.value,
        "code_commune": code_commune,
        "export_id": export_id,
        "detail": "".join(words),
    }
    connection.execute(insert(Audit).inline().values(values))


_LOGGER, _EVENT = "audit", "audit"


def note_removed(by: Actor) -> Callable[[Connection, int], None]:
    """Return a function that records how many electors of former versions of the register are removed."""

    def note(connection: Connection, electeurs: int) -> None:
        detail = count_of(electeurs, "ligne d'électeur", "lignes d'électeur")
        record_audit(connection, Action.VERSIONS_PURGED, actor=by, detail=detail)

    return note


_AGENTS = table("agent", column("name"))
_KEY = re.compile(rf"\b(?:{'|'.join(WordKind)})-[0-9a-f]{{32}}\b")


def _key_of(connection: Connection, named: Words, code_commune: str) -> str:
    """Return the key of an agent, which is the same in all lines, or a new one for a text."""
    if not named.words:
        return ""
    is_agent = named.kind is WordKind.AGENT
    if is_agent and (known := find_key(connection, named.words)) is not None:
        return known
    key = f"{named.kind}-{secrets.token_hex(16)}"
    row = {"key": key, "kind": named.kind.value, "words": named.words}
    row["code_commune"] = "" if is_agent else code_commune
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    # waits for other transactions that insert the same word
    statement = dialect.insert(AuditWord).inline().values(row).on_conflict_do_nothing()
    if connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1:
        return key
    return _key_of(connection, named, code_commune)  # another transaction has just added this agent


def find_key(connection: Connection, agent: str) -> str | None:
    """Return the key of an agent in the trail, or None."""
    kind = literal(WordKind.AGENT.value, literal_execute=True)
    return connection.scalar(
        select(AuditWord.key).where(AuditWord.kind == kind, AuditWord.words == agent)
    )


def forget_words(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Delete these names or texts; return how many. The trail keeps their keys."""
    return connection.execute(delete(AuditWord).where(condition)).rowcount


def _next_number(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT nextval('audit_id_seq')")).scalar_one())
    return int(connection.execute(select(func.coalesce(func.max(Audit.id), 0))).scalar_one()) + 1


class AuditLine(NamedTuple):
    """One line of the trail; `action` is a code, which a newer or older release may have written."""

    id: int
    at: datetime
    account: str
    actor: str
    action: str
    code_commune: str
    export_id: int | None
    detail: str

    @property
    def label(self) -> str:
        """The French label of the action, or its code when this release does not know it."""
        return Action(self.action).label if self.action in set(Action) else self.action

    def in_words(self, words: Mapping[str, str]) -> "AuditLine":
        """Return this line with each known key replaced by its words."""

        def replace(value: str) -> str:
            return _KEY.sub(lambda it: words.get(it[0], it[0]), value)

        return self._replace(
            account=replace(self.account), actor=replace(self.actor), detail=replace(self.detail)
        )

    def for_log(self) -> dict[str, object]:
        """Return the fields of this line as the log has them."""
        return self._asdict() | {"at": self.at.astimezone(UTC).isoformat(timespec="milliseconds")}


def log_lines(engine: Engine) -> None:
    """Write the first lines that `audit_unlogged` names to the log, and delete their rows there.

    If the transaction fails, all rows stay, and the next call writes the lines again.
    """
    logging.getLogger(_LOGGER).setLevel(logging.INFO)  # whatever the level of the other lines
    log = structlog.get_logger(_LOGGER)
    with engine.begin() as connection:
        first = select(AuditUnlogged.id).order_by(AuditUnlogged.id).limit(_MOST_LOGGED)
        numbers = connection.scalars(first).all()  # a join would read the whole trail
        for line in _read_lines(connection, Audit.id.in_(numbers)):
            log.info(_EVENT, **line.for_log())
        if numbers:
            connection.execute(delete(AuditUnlogged).where(AuditUnlogged.id.in_(numbers)))


_MOST_LOGGED = 1000
"""The lines that one call of `log_lines` writes: it is called each second."""


def _read_lines(connection: Connection, *conditions: ColumnElement[bool]) -> Iterator[AuditLine]:
    """Yield lines with their keys, a few at a time: a detail may be long."""
    query = select(*_COLUMNS).where(*conditions).order_by(Audit.id)
    with connection.execute(query.execution_options(yield_per=10)) as rows:
        yield from (AuditLine(*row) for row in rows)


def read_audit(
    connection: Connection,
    *,
    code_commune: str | None = None,
    since: datetime | None = None,
    limit: int,
) -> list[AuditLine]:
    """Return the last lines, the newest first, with the names and texts that are not forgotten."""
    query = select(*_COLUMNS).order_by(Audit.at.desc(), Audit.id.desc()).limit(limit)
    if code_commune is not None:
        query = query.where(Audit.code_commune == code_commune)
    if since is not None:
        query = query.where(Audit.at >= since)
    known = connection.execute(select(AuditWord.key, AuditWord.words))
    words = {row.key: row.words for row in known}
    return [AuditLine(*row).in_words(words) for row in connection.execute(query)]


_COLUMNS = tuple(getattr(Audit, name) for name in AuditLine._fields)

LEAST_DAYS = 30
"""No younger line is deleted; the triggers of the database enforce it too."""


def purge_audit(engine: Engine, days: float, *, actor: str) -> int:
    """Delete the lines of more than `days` days, `LEAST_DAYS` at least; return how many.

    The first transaction announces the deletion in the trail, because the triggers refuse any other deletion. If the
    process ends between the two transactions, the next purge deletes the lines.
    """
    kept = timedelta(days=max(days, LEAST_DAYS))
    with engine.begin() as connection:
        now = connection.execute(select(utc_now())).scalar_one()
        oldest = connection.scalar(select(func.min(Audit.at)))
        before = now - kept
        if oldest is None or oldest >= before:
            return 0
        record_audit(
            connection,
            Action.AUDIT_PURGED,
            actor=actor,
            detail=f"{before:%Y-%m-%d %H:%M:%S}.000 UTC",
        )
    with engine.begin() as connection:
        return _delete_before(connection, before.replace(microsecond=0))


def _delete_before(connection: Connection, before: datetime) -> int:
    if connection.dialect.name == "postgresql":
        return int(
            connection.execute(text("SELECT purge_audit(:before)"), {"before": before}).scalar_one()
        )
    first_kept = (
        select(func.min(Audit.id)).where(Audit.at.between(before, utc_now())).scalar_subquery()
    )
    removed = connection.execute(delete(Audit).where(Audit.id < first_kept)).rowcount
    is_named = (
        select(Audit.id)
        .where(func.instr(Audit.actor + " " + Audit.detail, AuditWord.key) > 0)
        .exists()
    )
    connection.execute(delete(AuditWord).where(~is_named))
    return removed


def verify_audit(
    connection: Connection, logged: Mapping[int, Mapping[str, object]]
) -> dict[int, str]:
    """Compare the table with the lines of a log, by number; return what is wrong with a line, in French.

    A line that the log lacks is no fault: the log may begin later, or end earlier. Lines before the first one of the
    table were purged.
    """
    faults: dict[int, str] = {}
    numbers = []
    for line in _read_lines(connection):
        numbers.append(line.id)
        if line.id in logged and line.for_log() != logged[line.id]:
            faults[line.id] = "autre dans la base que dans le journal du service"
    lost = (number for number in logged.keys() - set(numbers) if number > min(numbers, default=0))
    faults |= dict.fromkeys(lost, "dans le journal du service, absente de la base")
    return dict(sorted(faults.items()))


def read_log(lines: Iterable[str]) -> dict[int, dict[str, object]]:
    """Return the lines of the trail in a log, by number; a prefix that a log collector added is skipped.

    Of two lines with one number the first counts: a line that is written again after a change is a change.
    """
    logged: dict[int, dict[str, object]] = {}
    for line in lines:
        if f'"event": "{_EVENT}"' not in line or "{" not in line:
            continue
        try:
            found = json.loads(line[line.index("{") :])
            logged.setdefault(int(found["id"]), {name: found[name] for name in AuditLine._fields})
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):  # not of a service
            continue
    return logged
