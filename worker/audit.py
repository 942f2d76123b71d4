"""The audit trail: who did what, when. No line holds an elector's data.

The table `audit` is append-only: the accounts of the services may only insert, and triggers refuse updates and deletes,
except the deletion of old lines that a line of the trail announces. Each line also goes to the log of the notifier,
with its number and a digest of its contents; `python -m worker audit verify --log FILE` compares both, so that a change
by the owner of the database is found (ADR 0035).

A line names agents, and texts that people typed, by a pseudonym. The table `audit_word` has the words until they are
forgotten (ADR 0039). A pseudonym is a digest of a random salt and of the words, so that a change of words is found.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import structlog
from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Index,
    Integer,
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
from schemas.vocabulary import Labelled
from worker.db.types import Base, Texte, UtcDateTime, utc_now

_Id = BigInteger().with_variant(Integer, "sqlite")
_IS_OF_AGENT = text("kind = 'agent'")


def _empty(doc: str) -> Mapped[str]:
    return mapped_column(Texte, default="", server_default="", doc=doc)


class Audit(Base):
    """Who did what, when: downloads, deposits, purges, changes of rights. No elector's data."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "at"), Index("ix_audit_commune", "code_commune", "at"))

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    account: Mapped[str] = _empty("By the broker's or the system's word; empty before it was kept.")
    actor: Mapped[str] = mapped_column(Texte, doc="The agent whom the account may speak for, else the account.")
    action: Mapped[str] = mapped_column(Texte)
    code_commune: Mapped[str] = mapped_column(Texte, default="", server_default="")
    export_id: Mapped[int | None] = mapped_column(_Id)
    detail: Mapped[str] = mapped_column(Texte, default="", server_default="")


class AuditUnlogged(Base):
    """A line of the trail that the notifier has not yet written to its log; the notifier deletes the row then."""

    __tablename__ = "audit_unlogged"

    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=False, doc="Of the line.")
    line: Mapped[dict[str, Any]] = mapped_column(JSON)


class AuditWord(Base):
    """A name or a text for which lines of the trail have a pseudonym, until it is forgotten."""

    __tablename__ = "audit_word"
    __table_args__ = (
        Index("uq_audit_word_agent", "words", unique=True, postgresql_where=_IS_OF_AGENT, sqlite_where=_IS_OF_AGENT),
    )

    pseudonym: Mapped[str] = mapped_column(Texte, primary_key=True, doc="The kind, a digest of salt and words.")
    salt: Mapped[str] = mapped_column(Texte, doc="Random, and deleted with the words, which cannot be guessed then.")
    kind: Mapped[str] = mapped_column(Texte, doc="agent or texte.")
    words: Mapped[str] = mapped_column(Texte)
    code_commune: Mapped[str] = _empty("Of the line of a text.")


NOTIFIER = "notifier"
"""The actor of the notifier's own tasks."""


class Action(Labelled):
    """The code of an action in the trail, with its French label."""

    FILE_DOWNLOADED = "file_downloaded", "fichier téléchargé"
    DEPOT_DECLARED = "depot_declared", "dépôt déclaré"
    DEPOT_VERDICT = "depot_verdict", "réponse de la plateforme notée"
    PUBLICATION_DECLARED = "publication_declared", "publication notée"
    FILE_PURGED = "file_purged", "fichier purgé"
    FILE_FOUND_WRONG = "file_found_wrong", "fichier trouvé en défaut"
    FILE_RECALLED = "file_recalled", "fichier à refaire"
    IMPORT_UNDONE = "import_undone", "import annulé"
    IMPORT_REDATED = "import_redated", "jour d'un export corrigé"
    SENDER_ALLOWED = "sender_allowed", "compte autorisé à demander"
    SENDER_REMOVED = "sender_removed", "compte retiré"
    LISTENER_ADDED = "listener_added", "écoute ajoutée"
    LISTENER_REMOVED = "listener_removed", "écoute retirée"
    TOKEN_MADE = "token_made", "jeton fait"
    TOKEN_REVOKED = "token_revoked", "jeton révoqué"
    RECIPIENT_ADDED = "recipient_added", "destinataire ajouté"
    RECIPIENT_REMOVED = "recipient_removed", "destinataire retiré"
    RECIPIENT_DISABLED = "recipient_disabled", "destinataire arrêté, sur sa demande"
    DEAD_LETTER_REQUEUED = "dead_letter_requeued", "lettre morte remise en file"
    DEAD_LETTER_DROPPED = "dead_letter_dropped", "lettre morte supprimée"
    DOUBT_DECIDED = "doubt_decided", "doute tranché"
    REUNION_CHANGED = "reunion_changed", "réunion de la commission"
    SCRUTIN_CHANGED = "scrutin_changed", "scrutin"
    MOTIFS_COMPLETED = "motifs_completed", "motifs complétés"
    BUREAU_DESCRIBED = "bureau_described", "bureau complété"
    PROTECTION_CHANGED = "protection_changed", "protection d'un électeur (art. L. 37)"
    WISHES_CHANGED = "wishes_changed", "messages souhaités"
    ELECTEURS_SEEN = "electeurs_seen", "électeurs consultés à l'écran"
    DOWNLOAD_BEGUN = "download_begun", "téléchargement commencé"
    LOGGED_IN = "logged_in", "identification à l'écran"
    LOGIN_REFUSED = "login_refused", "identification par un autre compte"
    SESSIONS_ENDED = "sessions_ended", "sessions d'un agent terminées"
    IDENTITY_FORGOTTEN = "identity_forgotten", "compte d'identification oublié"
    AGENT_CHANGED = "agent_changed", "agent ajouté ou changé"
    AGENT_REMOVED = "agent_removed", "agent retiré"
    ARRIVAL_RECEIVED = "arrival_received", "export du REU déposé"
    ARRIVAL_DROPPED = "arrival_dropped", "export du REU non repris"
    REGISTRE_IMPORTED = "registre_imported", "export du REU ou mouvements repris dans le registre"
    AUDIT_PURGED = "audit_purged", "lignes anciennes du journal effacées"
    FORGOTTEN = "forgotten", "données effacées à la demande"
    VERSIONS_PURGED = "versions_purged", "anciennes versions du registre effacées"
    SETTINGS_CHANGED = "settings_changed", "configuration d'un service"
    ANOMALIES_HANDLED = "anomalies_handled", "anomalies traitées"
    BACKUP_MADE = "backup_made", "sauvegarde"
    BACKUP_RESTORED = "backup_restored", "sauvegarde remise en place"


_LABELS: Mapping[str, str] = {it.value: it.label for it in Action}


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
    """
    who = actor if isinstance(actor, Actor) else Actor(actor)
    name = _name_of_actor(connection, who.name)
    parts = [detail] if isinstance(detail, str) else detail
    words = (it if isinstance(it, str) else _pseudonym_of(connection, it, code_commune) for it in parts)
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
    connection.execute(insert(AuditUnlogged).inline().values(id=line.id, line=line.for_log()))


def note_settings(connection: Connection, who: Actor, settings: str) -> bool:
    """Record the settings of a process, secrets masked, unless the last record has the same; return whether it did."""
    if _last_settings(connection, _name_of_actor(connection, who.name), who.account or who.name) == settings:
        return False
    record_audit(connection, Action.SETTINGS_CHANGED, actor=who, detail=settings)
    return True


def _last_settings(connection: Connection, actor: str, account: str) -> str | None:
    if connection.dialect.name == "postgresql":  # a service may not read the trail
        query, process = text("SELECT last_settings(:process)"), f"{actor} {account}"
        found: str | None = connection.scalar(query, {"process": process})
        return found
    is_it = Audit.action == Action.SETTINGS_CHANGED.value, Audit.actor == actor, Audit.account == account
    return connection.scalar(select(Audit.detail).where(*is_it).order_by(Audit.id.desc()).limit(1))


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


def _name_of_actor(connection: Connection, name: str) -> str:
    """Return the pseudonym of an agent; the name itself of an operator, an account or a program."""
    if (known := find_pseudonym(connection, name)) is not None:
        return known
    is_agent = connection.scalar(select(_AGENTS.c.name).where(_AGENTS.c.name == name).limit(1)) is not None
    return _pseudonym_of(connection, Pseudonymised(WordKind.AGENT, name), "") if is_agent else name


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
    if _insert_if_new(connection, **row, code_commune="" if is_agent else code_commune):
        return pseudonym
    return _pseudonym_of(connection, named, code_commune)  # another transaction has just added this agent


def _insert_if_new(connection: Connection, **values: str) -> bool:
    """Insert a word, waiting for other transactions that insert the same word; return whether it was new."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(AuditWord).inline().values(**values).on_conflict_do_nothing()
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1


def find_pseudonym(connection: Connection, agent: str) -> str | None:
    """Return the pseudonym of an agent in the trail, or None."""
    kind = literal(WordKind.AGENT.value, literal_execute=True)
    return connection.scalar(select(AuditWord.pseudonym).where(AuditWord.kind == kind, AuditWord.words == agent))


def forget_words(connection: Connection, condition: ColumnElement[bool]) -> list[str]:
    """Delete these names or texts and return their pseudonyms.

    The caller must record the pseudonyms, or `verify_audit` reports them as missing.
    """
    return list(connection.scalars(delete(AuditWord).where(condition).returning(AuditWord.pseudonym)))


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
        return _LABELS.get(self.action, self.action)

    @property
    def pseudonyms(self) -> set[str]:
        """The pseudonyms in the account, the actor and the detail."""
        return {it for value in (self.account, self.actor, self.detail) for it in _PSEUDONYM.findall(value)}

    def in_words(self, words: Mapping[str, str]) -> "AuditLine":
        """Return this line with each known pseudonym replaced by its words."""

        def replace(value: str) -> str:
            return _PSEUDONYM.sub(lambda it: words.get(it[0], it[0]), value)

        return self._replace(account=replace(self.account), actor=replace(self.actor), detail=replace(self.detail))

    def for_log(self) -> dict[str, Any]:
        """Return the fields of this line for the log: all but the detail, and a digest of the whole."""
        values = self._asdict() | {"at": self.at.astimezone(UTC).isoformat(timespec="milliseconds")}
        digest = _digest(json.dumps(list(values.values()), ensure_ascii=False))
        return {name: value for name, value in values.items() if name != "detail"} | {"digest": digest}


def log_lines(engine: Engine) -> int:
    """Write the lines of `audit_unlogged` to the log and delete their rows; return how many."""
    log = structlog.get_logger("audit")
    with engine.begin() as connection:
        rows = connection.execute(select(AuditUnlogged.id, AuditUnlogged.line).order_by(AuditUnlogged.id)).all()
        for row in rows:
            log.info("audit", **row.line)
        if rows:
            connection.execute(delete(AuditUnlogged).where(AuditUnlogged.id.in_([row.id for row in rows])))
    return len(rows)


def read_audit(
    connection: Connection, *, code_commune: str | None = None, since: datetime | None = None, limit: int
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
        record_audit(connection, Action.AUDIT_PURGED, actor=actor, detail=f"{before:%Y-%m-%d %H:%M:%S}.000 UTC")
    with engine.begin() as connection:
        return _delete_before(connection, before.replace(microsecond=0))


def _delete_before(connection: Connection, before: datetime) -> int:
    if connection.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT purge_audit(:before)"), {"before": before}).scalar_one())
    first_kept = select(func.min(Audit.id)).where(Audit.at >= before).scalar_subquery()
    removed = connection.execute(delete(Audit).where(Audit.id < first_kept)).rowcount
    is_named = select(Audit.id).where(func.instr(Audit.actor + " " + Audit.detail, AuditWord.pseudonym) > 0).exists()
    connection.execute(delete(AuditWord).where(~is_named))
    return removed


class TrailFault(NamedTuple):
    """A line that was changed, added or deleted; `number` is its number."""

    number: int
    reason: str


def verify_audit(connection: Connection, logged: Mapping[int, str] | None) -> Iterator[TrailFault]:
    """Yield the lines that differ from their digest in the log, and those whose pseudonyms have lost their words.

    The log may begin after the trail: older lines are not compared.
    """
    words = _check_words(connection)
    waiting = connection.execute(select(AuditUnlogged.id, AuditUnlogged.line))
    digests = {row.id: str(row.line["digest"]) for row in waiting} | dict(logged or {})
    begin, seen = min(logged or (), default=None), set[int]()
    for row in connection.execute(select(*_COLUMNS).order_by(Audit.id).execution_options(yield_per=500)):
        line = AuditLine(*row)
        seen.add(line.id)
        if begin is not None and line.id >= begin and line.id not in digests:
            yield TrailFault(line.id, f"absente du journal du service, ajoutée à la base ({line.actor}, {line.label})")
        elif line.id in digests and digests[line.id] != line.for_log()["digest"]:
            yield TrailFault(line.id, "changée : autre que dans le journal du service")
        elif not all(words.get(it) for it in line.pseudonyms):
            yield TrailFault(line.id, "un nom ou un texte a changé, ou a disparu sans qu'un effacement soit noté")
    for number in sorted(digests.keys() - seen):
        if number > min(seen, default=0):
            yield TrailFault(number, "disparue : le journal du service la connaît")


def _check_words(connection: Connection) -> dict[str, bool]:
    """Return by pseudonym whether its words match it, or a line of the trail records that they were forgotten."""
    known = connection.execute(select(AuditWord.pseudonym, AuditWord.kind, AuditWord.salt, AuditWord.words))
    words = {row.pseudonym: row.pseudonym == _make_pseudonym(row.kind, row.salt, row.words) for row in known}
    forgotten = select(Audit.detail).where(Audit.action == Action.FORGOTTEN.value)
    return words | {it: True for detail in connection.scalars(forgotten) for it in _PSEUDONYM.findall(detail)}


def read_log(lines: Iterable[str]) -> dict[int, str]:
    """Return the digests of the trail's lines in a log, by number; a prefix that a log collector added is skipped."""
    digests: dict[int, str] = {}
    for line in lines:
        if '"audit"' not in line or "{" not in line:
            continue
        try:
            entry: Any = json.loads(line[line.index("{") :])
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("event") == "audit" and isinstance(entry.get("digest"), str):
            digests[int(entry["id"])] = entry["digest"]
    return digests
