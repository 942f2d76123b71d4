"""The audit trail: who did what, when. No line holds an elector's data.

The table `audit` is append-only: the accounts of the services may only insert, and triggers refuse updates and deletes,
except the deletion of old lines that a line of the trail announces. The notifier copies each line to the log of acts,
with its number, a digest of its contents and the database's account that wrote it. A service also writes the number and
the digest to that log itself, before the commit. `python -m worker audit verify --log FOLDER` compares: a change by the
owner of the database is found, and so is a line that was added with a service's account, but not by a service (ADR
0035).

A line names agents, and texts that people typed, by a pseudonym. The table `audit_word` has the words until they are
forgotten (ADR 0037). A pseudonym is a digest of a random salt and of the words, so that a change of words is found.
"""

import hashlib
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

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
from common.logs import keep_lines
from schemas.vocabulary import Action
from worker.db.types import Base, Id, Texte, UtcDateTime, empty, rows_where, session_user, utc_now
from worker.errors import ConfigurationError


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
    writer: Mapped[str] = mapped_column(
        Texte, server_default=session_user(), doc="The account that wrote the line."
    )


class AuditWord(Base):
    """A name or a text for which lines of the trail have a pseudonym, until it is forgotten."""

    __tablename__ = "audit_word"
    __table_args__ = (
        Index("uq_audit_word_agent", "words", unique=True, **rows_where("kind = 'agent'")),
    )

    pseudonym: Mapped[str] = mapped_column(
        Texte, primary_key=True, doc="The kind, a digest of salt and words."
    )
    salt: Mapped[str] = mapped_column(
        Texte, doc="Random, and deleted with the words, which cannot be guessed then."
    )
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
    """The kind of a pseudonym, which begins with this word."""

    AGENT = "agent"
    TEXTE = "texte"


class Pseudonymised(NamedTuple):
    """The name of an agent, or a text that a person typed: the trail has a pseudonym for it."""

    kind: WordKind
    words: str


Detail = str | Sequence[str | Pseudonymised]


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
    may name files and accounts, never an elector; names of agents and texts that a person typed are `Pseudonymised`.

    Raises:
        OSError: this service cannot write its log of acts (a full volume). No act happens without its line there.
    """
    who = actor if isinstance(actor, Actor) else Actor(actor)
    name = find_pseudonym(connection, who.name)
    if name is None:  # an operator, an account and a program keep their names
        is_agent = (
            connection.scalar(select(_AGENTS.c.name).where(_AGENTS.c.name == who.name).limit(1))
            is not None
        )
        name = (
            _pseudonym_of(connection, Pseudonymised(WordKind.AGENT, who.name), "")
            if is_agent
            else who.name
        )
    parts = [detail] if isinstance(detail, str) else detail
    words = (
        it if isinstance(it, str) else _pseudonym_of(connection, it, code_commune) for it in parts
    )
    at = connection.execute(select(utc_now())).scalar_one()
    line = AuditLine(
        id=_next_number(connection),
        at=at.replace(microsecond=at.microsecond // 1000 * 1000),
        account=who.account if who.account not in {"", who.name} else name,
        actor=name,
        action=action.value,
        code_commune=code_commune,
        export_id=export_id,
        detail="".join(words),
    )
    connection.execute(insert(Audit).inline().values(line._asdict()))
    if logging.getLogger(_LOGGER).handlers:  # of a service, see keep_acts
        structlog.get_logger(_LOGGER).info(_WRITTEN, id=line.id, digest=line.for_log()["digest"])


_LOGGER, _COPIED, _WRITTEN = "audit", "audit", "audit_written"
ACTS = "audit.log"
"""The file of the log of acts; the notifier rotates it."""


def keep_acts(folder: Path) -> None:
    """Keep the log of acts of this service in the folder.

    Raises:
        ConfigurationError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        keep_lines(_LOGGER, folder / ACTS)
    except OSError as error:
        raise ConfigurationError(
            f"Dossier {folder} inutilisable ({os.strerror(error.errno or 0)})."
        ) from None


def note_removed(by: Actor) -> Callable[[Connection, int], None]:
    """Return a function that records how many electors of former versions of the register are removed."""

    def note(connection: Connection, electeurs: int) -> None:
        detail = count_of(electeurs, "ligne d'électeur", "lignes d'électeur")
        record_audit(connection, Action.VERSIONS_PURGED, actor=by, detail=detail)

    return note


_AGENTS = table("agent", column("name"))
_PSEUDONYM = re.compile(rf"\b(?:{'|'.join(WordKind)})-[0-9a-f]{{32}}\b")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _make_pseudonym(kind: str, salt: str, words: str) -> str:
    return f"{kind}-{_digest(f'{salt} {words}')[:32]}"


def _pseudonym_of(connection: Connection, named: Pseudonymised, code_commune: str) -> str:
    """Return the pseudonym of an agent, which is the same in all lines, or a new one for a text."""
    if not named.words:
        return ""
    is_agent = named.kind is WordKind.AGENT
    if is_agent and (known := find_pseudonym(connection, named.words)) is not None:
        return known
    salt = secrets.token_hex(16)
    pseudonym = _make_pseudonym(named.kind, salt, named.words)
    row = {"pseudonym": pseudonym, "salt": salt, "kind": named.kind.value, "words": named.words}
    row["code_commune"] = "" if is_agent else code_commune
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    # waits for other transactions that insert the same word
    statement = dialect.insert(AuditWord).inline().values(row).on_conflict_do_nothing()
    if connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1:
        return pseudonym
    return _pseudonym_of(
        connection, named, code_commune
    )  # another transaction has just added this agent


def find_pseudonym(connection: Connection, agent: str) -> str | None:
    """Return the pseudonym of an agent in the trail, or None."""
    kind = literal(WordKind.AGENT.value, literal_execute=True)
    return connection.scalar(
        select(AuditWord.pseudonym).where(AuditWord.kind == kind, AuditWord.words == agent)
    )


def forget_words(connection: Connection, condition: ColumnElement[bool]) -> list[str]:
    """Delete these names or texts and return their pseudonyms.

    The caller must record the pseudonyms, or `verify_audit` reports them as missing.
    """
    return list(
        connection.scalars(delete(AuditWord).where(condition).returning(AuditWord.pseudonym))
    )


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

    @property
    def pseudonyms(self) -> set[str]:
        """The pseudonyms in the account, the actor and the detail."""
        return {
            it
            for value in (self.account, self.actor, self.detail)
            for it in _PSEUDONYM.findall(value)
        }

    def in_words(self, words: Mapping[str, str]) -> "AuditLine":
        """Return this line with each known pseudonym replaced by its words."""

        def replace(value: str) -> str:
            return _PSEUDONYM.sub(lambda it: words.get(it[0], it[0]), value)

        return self._replace(
            account=replace(self.account), actor=replace(self.actor), detail=replace(self.detail)
        )

    def for_log(self) -> dict[str, Any]:
        """Return the fields of this line for the log: all but the detail, and a digest of the whole."""
        values = self._asdict() | {"at": self.at.astimezone(UTC).isoformat(timespec="milliseconds")}
        digest = _digest(json.dumps(list(values.values()), ensure_ascii=False))
        return {name: value for name, value in values.items() if name != "detail"} | {
            "digest": digest
        }


def log_lines(engine: Engine) -> None:
    """Write the first lines that `audit_unlogged` names to the log and delete their rows.

    If the log cannot be written (OSError), all rows stay; the next call writes them, some of them twice.
    """
    log = structlog.get_logger(_LOGGER)
    first = (
        select(AuditUnlogged.id, AuditUnlogged.writer)
        .order_by(AuditUnlogged.id)
        .limit(_MOST_LOGGED)
    )
    with engine.begin() as connection:
        writers = {
            row.id: row.writer for row in connection.execute(first)
        }  # a join would read the whole trail
        query = select(*_COLUMNS).where(Audit.id.in_(writers)).order_by(Audit.id)
        logged = []
        with connection.execute(
            query.execution_options(yield_per=10)
        ) as rows:  # a line may be long
            for row in rows:
                line = AuditLine(*row)
                log.info(_COPIED, **line.for_log(), writer=writers[line.id])
                logged.append(line.id)
        if logged:
            connection.execute(delete(AuditUnlogged).where(AuditUnlogged.id.in_(logged)))


_MOST_LOGGED = 1000
"""The lines that one call of `log_lines` writes: it is called each second."""


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
    known = connection.execute(select(AuditWord.pseudonym, AuditWord.words))
    words = {row.pseudonym: row.words for row in known}
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
        .where(func.instr(Audit.actor + " " + Audit.detail, AuditWord.pseudonym) > 0)
        .exists()
    )
    connection.execute(delete(AuditWord).where(~is_named))
    return removed


class LoggedActs(NamedTuple):
    """The log of acts: of each line its digest and the database's account that wrote it; what services have written.

    The digest is empty when the log has different ones: the owner, or an account, added another copy of the line.
    """

    digests: dict[int, str]
    writers: dict[int, str]
    written: set[tuple[int, str]]


def verify_audit(connection: Connection, logged: LoggedActs) -> Iterator[tuple[int, str]]:
    """Yield the lines that differ from the log or that no service has written, and those with lost or changed words.

    Of each, the number and the reason. The log may begin after the trail: older lines are not compared.
    """
    words = _check_words(connection)
    waiting = connection.execute(select(AuditUnlogged.id, AuditUnlogged.writer)).all()
    writers = {row.id: row.writer for row in waiting} | logged.writers
    known = {row.id for row in waiting} | logged.digests.keys()
    begin, seen = None, set[int]()
    first, spared = min((number for number, _ in logged.written), default=None), {""}
    if connection.dialect.name == "postgresql":
        spared.add(
            str(
                connection.scalar(
                    text("SELECT tableowner FROM pg_tables WHERE tablename = 'audit'")
                )
            )
        )
    for row in connection.execute(
        select(*_COLUMNS).order_by(Audit.id).execution_options(yield_per=50)
    ):
        line = AuditLine(*row)
        digest = line.for_log()["digest"]
        if (
            begin is None and logged.digests.get(line.id) == digest
        ):  # an account may log a number without its line
            begin, first = line.id, line.id if first is None or not seen else first
        seen.add(line.id)
        if begin is not None and line.id not in known:
            yield (
                line.id,
                f"absente du journal du service, ajoutée à la base ({line.actor}, {line.label})",
            )
        elif logged.digests.get(line.id, digest) != digest:
            copies = (
                "changée : autre que dans"
                if logged.digests[line.id]
                else "deux copies différentes dans"
            )
            yield (line.id, f"{copies} le journal du service")
        elif (
            first is not None
            and line.id >= first
            and (writer := writers.get(line.id, "")) not in spared
            and (line.id, digest) not in logged.written
        ):
            yield (line.id, f"ajoutée avec le compte {writer}, mais par aucun service")
        elif not all(words.get(it) for it in line.pseudonyms):
            yield (
                line.id,
                "un nom ou un texte a changé, ou a disparu sans qu'un effacement soit noté",
            )
    for number in sorted(known - seen):
        if number > min(seen, default=0):
            yield (number, "disparue de la base, où un compte l'avait écrite")


def _check_words(connection: Connection) -> dict[str, bool]:
    """Return by pseudonym whether its words match it, or a line of the trail records that they were forgotten."""
    known = connection.execute(
        select(AuditWord.pseudonym, AuditWord.kind, AuditWord.salt, AuditWord.words)
    )
    words = {
        row.pseudonym: row.pseudonym == _make_pseudonym(row.kind, row.salt, row.words)
        for row in known
    }
    forgotten = select(Audit.detail).where(Audit.action == Action.FORGOTTEN.value)
    return {
        it: True for detail in connection.scalars(forgotten) for it in _PSEUDONYM.findall(detail)
    } | words


def read_log(lines: Iterable[str]) -> LoggedActs:
    """Return the acts in a log; a prefix that a log collector added is skipped."""
    acts = LoggedActs({}, {}, set())
    for line in lines:
        if '"audit' not in line or "{" not in line:
            continue
        try:
            entry: Any = json.loads(line[line.index("{") :])
            number, digest = int(entry["id"]), entry["digest"]
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):  # not of a service
            continue
        if not isinstance(digest, str):
            continue
        if entry.get("event") == _WRITTEN:
            acts.written.add((number, digest))
        elif entry.get("event") == _COPIED:
            acts.digests[number] = digest if acts.digests.get(number, digest) == digest else ""
            acts.writers[number] = str(entry.get("writer", ""))
    return acts
