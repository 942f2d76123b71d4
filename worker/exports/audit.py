"""The audit trail: who did what, when. Lines are added, never changed; none holds an elector's data.

A line is written last, when its transaction commits: then the end of the chain is held for a moment only, and whoever
waits for it holds nothing that others wait for. Each line has the SHA-256 of the one before and of itself, and is
copied to the log. Whoever changes, removes or forges lines in the database (its owner may, without the triggers) would
have to change the log too, which is kept elsewhere: `python -m worker audit verify --log FILE` compares them.

Agents, and what people write in their own words, stand in a line by a sign only; the table of words has them until they
are forgotten (ADR 0039). A sign is the digest of a salt and of the words: nobody gives it others.
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
    ColumnElement,
    Connection,
    Engine,
    column,
    delete,
    event,
    func,
    insert,
    literal,
    or_,
    select,
    table,
    text,
    update,
)

from common.french import count_of
from worker.db.types import utc_now
from worker.exports.models import Audit, AuditHead, AuditWord, Process

NOTIFIER = "notifier"
"""The actor of what the notifier does by its own clock."""


class Action(StrEnum):
    """What is put on record; each part of the program has its own, with a label below."""

    FILE_DOWNLOADED = "file_downloaded"
    DEPOT_DECLARED = "depot_declared"
    DEPOT_VERDICT = "depot_verdict"
    PUBLICATION_DECLARED = "publication_declared"
    FILE_PURGED = "file_purged"
    FILE_FOUND_WRONG = "file_found_wrong"
    FILE_RECALLED = "file_recalled"
    IMPORT_UNDONE = "import_undone"
    IMPORT_REDATED = "import_redated"
    SENDER_ALLOWED = "sender_allowed"
    SENDER_REMOVED = "sender_removed"
    LISTENER_ADDED = "listener_added"
    LISTENER_REMOVED = "listener_removed"
    TOKEN_MADE = "token_made"  # noqa: S105 — what was done
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 — likewise
    RECIPIENT_ADDED = "recipient_added"
    RECIPIENT_REMOVED = "recipient_removed"
    RECIPIENT_DISABLED = "recipient_disabled"
    DEAD_LETTER_REQUEUED = "dead_letter_requeued"
    DEAD_LETTER_DROPPED = "dead_letter_dropped"
    DOUBT_DECIDED = "doubt_decided"
    REUNION_CHANGED = "reunion_changed"
    SCRUTIN_CHANGED = "scrutin_changed"
    MOTIFS_COMPLETED = "motifs_completed"
    BUREAU_DESCRIBED = "bureau_described"
    PROTECTION_CHANGED = "protection_changed"
    WISHES_CHANGED = "wishes_changed"
    ELECTEURS_SEEN = "electeurs_seen"
    DOWNLOAD_BEGUN = "download_begun"
    LOGGED_IN = "logged_in"
    LOGIN_REFUSED = "login_refused"
    SESSIONS_ENDED = "sessions_ended"
    IDENTITY_FORGOTTEN = "identity_forgotten"
    AGENT_CHANGED = "agent_changed"
    AGENT_REMOVED = "agent_removed"
    ARRIVAL_RECEIVED = "arrival_received"
    ARRIVAL_DROPPED = "arrival_dropped"
    REGISTRE_IMPORTED = "registre_imported"
    AUDIT_PURGED = "audit_purged"
    FORGOTTEN = "forgotten"
    VERSIONS_PURGED = "versions_purged"
    SETTINGS_CHANGED = "settings_changed"
    ANOMALIES_HANDLED = "anomalies_handled"
    BACKUP_MADE = "backup_made"
    BACKUP_RESTORED = "backup_restored"

    @property
    def label(self) -> str:
        """What an operator reads."""
        return _LABELS[self]


_LABELS = {
    Action.FILE_DOWNLOADED: "fichier téléchargé",
    Action.DEPOT_DECLARED: "dépôt déclaré",
    Action.DEPOT_VERDICT: "réponse de la plateforme notée",
    Action.PUBLICATION_DECLARED: "publication notée",
    Action.FILE_PURGED: "fichier purgé",
    Action.FILE_FOUND_WRONG: "fichier trouvé en défaut",
    Action.FILE_RECALLED: "fichier à refaire",
    Action.IMPORT_UNDONE: "import annulé",
    Action.IMPORT_REDATED: "jour d'un export corrigé",
    Action.SENDER_ALLOWED: "compte autorisé à demander",
    Action.SENDER_REMOVED: "compte retiré",
    Action.LISTENER_ADDED: "écoute ajoutée",
    Action.LISTENER_REMOVED: "écoute retirée",
    Action.TOKEN_MADE: "jeton fait",
    Action.TOKEN_REVOKED: "jeton révoqué",
    Action.RECIPIENT_ADDED: "destinataire ajouté",
    Action.RECIPIENT_REMOVED: "destinataire retiré",
    Action.RECIPIENT_DISABLED: "destinataire arrêté, sur sa demande",
    Action.DEAD_LETTER_REQUEUED: "lettre morte remise en file",
    Action.DEAD_LETTER_DROPPED: "lettre morte supprimée",
    Action.DOUBT_DECIDED: "doute tranché",
    Action.REUNION_CHANGED: "réunion de la commission",
    Action.SCRUTIN_CHANGED: "scrutin",
    Action.MOTIFS_COMPLETED: "motifs complétés",
    Action.BUREAU_DESCRIBED: "bureau complété",
    Action.PROTECTION_CHANGED: "protection d'un électeur (art. L. 37)",
    Action.WISHES_CHANGED: "messages souhaités",
    Action.ELECTEURS_SEEN: "électeurs consultés à l'écran",
    Action.DOWNLOAD_BEGUN: "téléchargement commencé",
    Action.LOGGED_IN: "identification à l'écran",
    Action.LOGIN_REFUSED: "identification par un autre compte",
    Action.SESSIONS_ENDED: "sessions d'un agent terminées",
    Action.IDENTITY_FORGOTTEN: "compte d'identification oublié",
    Action.AGENT_CHANGED: "agent ajouté ou changé",
    Action.AGENT_REMOVED: "agent retiré",
    Action.ARRIVAL_RECEIVED: "export du REU déposé",
    Action.ARRIVAL_DROPPED: "export du REU non repris",
    Action.REGISTRE_IMPORTED: "export du REU ou mouvements repris dans le registre",
    Action.AUDIT_PURGED: "lignes anciennes du journal effacées",
    Action.FORGOTTEN: "données effacées à la demande",
    Action.VERSIONS_PURGED: "anciennes versions du registre effacées",
    Action.SETTINGS_CHANGED: "configuration d'un service",
    Action.ANOMALIES_HANDLED: "anomalies traitées",
    Action.BACKUP_MADE: "sauvegarde",
    Action.BACKUP_RESTORED: "sauvegarde remise en place",
}


class Actor(NamedTuple):
    """Who acts, and the account that proves it; see `record_audit`."""

    name: str
    account: str = ""


class WordKind(StrEnum):
    """What stands in a line by a sign, which begins with this word."""

    AGENT = "agent"
    TEXTE = "texte"


class Aside(NamedTuple):
    """A name, or a text that a person wrote: what must be able to leave the trail without breaking it."""

    kind: WordKind
    said: str


Detail = str | Sequence[str | Aside]


def record_audit(
    connection: Connection,
    action: Action,
    *,
    actor: str,
    account: str = "",
    code_commune: str = "",
    export_id: int | None = None,
    detail: Detail = "",
) -> None:
    """Add a line to the audit trail, inside the caller's transaction: both happen, or neither.

    `actor` is the system's user of a command, `NOTIFIER`, or the agent who acts by `account`, whom it may speak for;
    without `account` the actor is its own. `detail` is French, and may name files and accounts, never an elector; what
    names an agent, or somebody wrote freely, is given as `Aside`.
    """
    who = {"account": account or actor, "actor": actor}
    line = who | {"action": action.value, "code_commune": code_commune, "export_id": export_id, "detail": detail}
    if _PENDING not in connection.info:
        connection.info[_PENDING] = []
        event.listen(connection, "commit", _write_pending)
        event.listen(connection, "rollback", _forget_pending)
    connection.info[_PENDING].append(line)


def note_settings(connection: Connection, who: Actor, said: str) -> bool:
    """Put on record what a process runs with, secrets masked, unless it is what was last said; whether it was not."""
    name, digest = f"{who.name} {who.account}".strip(), hashlib.sha256(said.encode()).hexdigest()
    connection.execute(select(AuditHead.id).with_for_update())  # several processes of a kind start together
    known = connection.scalar(select(Process.settings_hash).where(Process.name == name))
    if known == digest:
        return False
    if known is None:
        connection.execute(insert(Process).values(name=name, settings_hash=digest))
    else:
        connection.execute(update(Process).where(Process.name == name).values(settings_hash=digest))
    record_audit(connection, Action.SETTINGS_CHANGED, actor=who.name, account=who.account, detail=said)
    return True


def note_removed(by: Actor) -> Callable[[Connection, int], None]:
    """What puts on record that so many electors of former versions of the register are removed."""

    def note(connection: Connection, electeurs: int) -> None:
        who: dict[str, Any] = {"actor": by.name, "account": by.account}
        said = count_of(electeurs, "ligne d'électeur", "lignes d'électeur")
        record_audit(connection, Action.VERSIONS_PURGED, **who, detail=said)

    return note


_PENDING = "audit"
"""Where a connection keeps the lines of its transaction."""

_log = structlog.get_logger("audit")


def _forget_pending(connection: Connection) -> None:
    connection.info.pop(_PENDING, None)


def _write_pending(connection: Connection) -> None:
    """Add the lines of a transaction to the chain, before its commit is sent, and copy them to the log."""
    pending = connection.info.pop(_PENDING, ())
    if not pending:
        return
    before = connection.execute(select(AuditHead.chain).with_for_update()).scalar_one()
    signs = _Signs(connection)
    at = connection.execute(select(utc_now())).scalar_one()
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    for values in pending:
        line = AuditLine(_next_number(connection), at, **signs.write(values))
        before = line.chained_to(before)
        connection.execute(insert(Audit).inline().values(**line._asdict(), chain=before))
        if structlog.is_configured():  # a service: an operator's command has no log that is kept
            copied = {name: value for name, value in line._asdict().items() if name not in {"detail", "at"}}
            _log.info("audit", **copied, chain=before, at=_iso(line.at))
    connection.execute(update(AuditHead).values(chain=before))


_AGENTS = table("agent", column("name"))
"""Only their names: who is none has no sign, as an operator or a program."""

_SIGN = re.compile(rf"\b(?:{'|'.join(WordKind)})-[0-9a-f]{{32}}\b")


def _sign_of(kind: str, salt: str, said: str) -> str:
    return f"{kind}-{hashlib.sha256(f'{salt} {said}'.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


class _Signs:
    """The signs of what the lines of a transaction say; whoever adds one holds the end of the chain."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[Aside, str], str] = {}

    def write(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The columns of a line, with signs for names and texts."""
        actor, account, detail = values["actor"], values["account"], values["detail"]
        sign = self._of_actor(actor)
        parts = [detail] if isinstance(detail, str) else detail
        said = "".join(it if isinstance(it, str) else self._of(it, values["code_commune"]) for it in parts)
        return {**values, "actor": sign, "account": sign if account == actor else account, "detail": said}

    def _of_actor(self, name: str) -> str:
        words = Aside(WordKind.AGENT, name)
        if (words, "") not in self._known:
            sign = find_sign(self._connection, name)
            is_agent = select(_AGENTS.c.name).where(_AGENTS.c.name == name).limit(1)
            if sign is not None or self._connection.scalar(is_agent) is None:
                self._known[words, ""] = sign or name
        return self._of(words, "")

    def _of(self, words: Aside, code_commune: str) -> str:
        key = words, "" if words.kind is WordKind.AGENT else code_commune
        if words.said and key not in self._known:
            sign = find_sign(self._connection, words.said) if words.kind is WordKind.AGENT else None
            self._known[key] = sign or self._add(*key)
        return self._known.get(key, "")

    def _add(self, words: Aside, code_commune: str) -> str:
        salt = secrets.token_hex(16)
        sign = _sign_of(words.kind, salt, words.said)
        row = {"sign": sign, "salt": salt, "kind": words.kind.value, "said": words.said, "code_commune": code_commune}
        self._connection.execute(insert(AuditWord).inline().values(row))
        return sign


def find_sign(connection: Connection, agent: str) -> str | None:
    """By which sign the lines name an agent; nothing when none does."""
    is_hers = AuditWord.kind == literal(WordKind.AGENT.value, literal_execute=True), AuditWord.said == agent
    return connection.scalar(select(AuditWord.sign).where(*is_hers))


def forget_words(connection: Connection, condition: ColumnElement[bool]) -> list[str]:
    """Let go of names or texts; their signs, which whoever calls puts on record: without that, `verify` asks why."""
    return list(connection.scalars(delete(AuditWord).where(condition).returning(AuditWord.sign)))


def count_naming(connection: Connection, agent: str) -> tuple[int, datetime | None]:
    """How many lines from before there were signs have her name, and when the last one was written."""
    named = or_(Audit.actor == agent, Audit.account == agent, Audit.detail.contains(agent, autoescape=True))
    number, last = connection.execute(select(func.count(), func.max(Audit.at)).where(named)).one()
    return number, last


def _read_words(connection: Connection, said: Iterable[str]) -> dict[str, str]:
    """What the signs in these texts stand for."""
    signs = sorted({sign for it in said for sign in _SIGN.findall(it)})
    found: dict[str, str] = {}
    for at in range(0, len(signs), _AT_ONCE):
        some = select(AuditWord.sign, AuditWord.said).where(AuditWord.sign.in_(signs[at : at + _AT_ONCE]))
        found |= {row.sign: row.said for row in connection.execute(some)}
    return found


_AT_ONCE = 500


def _next_number(connection: Connection) -> int:
    """From the sequence where there is one, so that the release before goes on counting where we end."""
    if connection.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT nextval('audit_id_seq')")).scalar_one())
    return int(connection.execute(select(func.coalesce(func.max(Audit.id), 0))).scalar_one()) + 1


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


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
        """What was done, as an operator reads it."""
        try:
            return Action(self.action).label
        except ValueError:
            return self.action

    @property
    def signs(self) -> set[str]:
        """What stands in it by a sign."""
        return {sign for said in (self.account, self.actor, self.detail) for sign in _SIGN.findall(said)}

    def in_words(self, words: Mapping[str, str]) -> "AuditLine":
        """With what its signs stand for."""
        said: dict[str, Any] = {
            name: _SIGN.sub(lambda it: words.get(it[0], it[0]), getattr(self, name)) for name in _WITH_SIGNS
        }
        return self._replace(**said)

    def chained_to(self, before: str) -> str:
        """The digest of this line after that of the line before."""
        said = json.dumps([before, *self._replace(at=_iso(self.at))], ensure_ascii=False)  # type: ignore[arg-type]
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


_WITH_SIGNS = "account", "actor", "detail"


def read_audit(
    connection: Connection, *, code_commune: str | None = None, since: datetime | None = None, limit: int
) -> list[AuditLine]:
    """The last lines, the newest first, with the names and texts that are not forgotten."""
    query = select(*_COLUMNS).where(*_about(code_commune, since)).order_by(Audit.at.desc(), Audit.id.desc())
    lines = [AuditLine(*row) for row in connection.execute(query.limit(limit))]
    words = _read_words(connection, (said for it in lines for said in (it.actor, it.detail)))
    return [it.in_words(words) for it in lines]


def count_audit(connection: Connection, *, code_commune: str | None = None, since: datetime | None = None) -> int:
    """How many lines there are of what `read_audit` shows the last of."""
    return connection.scalar(select(func.count()).select_from(Audit).where(*_about(code_commune, since))) or 0


def _about(code_commune: str | None, since: datetime | None) -> list[ColumnElement[bool]]:
    of_commune = [] if code_commune is None else [Audit.code_commune == code_commune]
    return of_commune if since is None else [*of_commune, Audit.at >= since]


_COLUMNS = tuple(getattr(Audit, name) for name in AuditLine._fields)

LEAST_DAYS = 30
"""No line is purged before; the triggers of the database hold it too (migration 0032)."""


def purge_audit(engine: Engine, days: float, *, actor: str) -> int:
    """Remove the lines of more than `days` days, `LEAST_DAYS` at least; how many there were.

    What is removed is itself on record, and that first: the database lets go only of what a line says is purged. A
    purge that was killed in between is finished by the next one.
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
        return _remove_before(connection, before.replace(microsecond=0))


def _remove_before(connection: Connection, before: datetime) -> int:
    if connection.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT purge_audit(:before)"), {"before": before}).scalar_one())
    first_kept = select(func.min(Audit.id)).where(Audit.at >= before).scalar_subquery()
    last = select(Audit.chain).where(Audit.id < first_kept).order_by(Audit.id.desc()).limit(1)
    if (anchor := connection.scalar(last)) is not None:
        connection.execute(update(AuditHead).values(anchor=anchor))
    removed = connection.execute(delete(Audit).where(Audit.id < first_kept)).rowcount
    left = connection.execute(select(Audit.actor, Audit.detail))
    kept = {sign for row in left for said in row for sign in _SIGN.findall(said)}
    for sign in set(connection.scalars(select(AuditWord.sign))) - kept:
        connection.execute(delete(AuditWord).where(AuditWord.sign == sign))
    return removed


class TrailFault(NamedTuple):
    """A line that is not as it was written; `number` is that of the row, or of the row that is not there."""

    number: int
    said: str


def verify_audit(connection: Connection, copies: Mapping[int, str]) -> Iterator[TrailFault]:
    """What is wrong with the trail: by its own chain, and by the digests of the lines that logs have.

    A line that no log has is said too when logs have others of its time: it was forged, or written by a command of the
    operator, whose log nobody keeps.
    """
    head = connection.execute(select(AuditHead.chain, AuditHead.anchor)).one()
    known = connection.execute(select(AuditWord.sign, AuditWord.kind, AuditWord.salt, AuditWord.said))
    words = {sign: sign == _sign_of(kind, salt, said) for sign, kind, salt, said in known}
    forgotten = select(Audit.detail).where(Audit.action == Action.FORGOTTEN.value)
    words |= {sign: True for detail in connection.scalars(forgotten) for sign in _SIGN.findall(detail)}
    before, seen, oldest = head.anchor, set[int](), min(copies, default=None)
    for row in connection.execute(select(*_COLUMNS, Audit.chain).order_by(Audit.id).execution_options(yield_per=500)):
        line, chain = AuditLine(*row[:-1]), row[-1]
        seen.add(line.id)
        if line.chained_to(before) != chain:
            yield TrailFault(
                line.id, "changée, forgée, ou la ligne d'avant a disparu" if chain else "hors de la chaîne : forgée"
            )
        elif line.id in copies and copies[line.id] != chain:
            yield TrailFault(line.id, "autre que dans le journal du service")
        elif oldest is not None and line.id > oldest and line.id not in copies:
            who = f"{line.actor}, {line.label}"
            yield TrailFault(line.id, f"absente du journal du service : forgée, ou écrite par une commande ({who})")
        elif not all(words.get(sign) for sign in line.signs):
            yield TrailFault(line.id, "un nom ou un texte a changé, ou a disparu sans qu'un effacement soit noté")
        before = chain or before
    if before != head.chain:
        yield TrailFault(max(seen, default=0) + 1, "la fin a disparu")
    first = min(seen, default=0)
    for number in sorted(copies.keys() - seen):
        if number > first:
            yield TrailFault(number, "disparue : le journal du service la connaît")


def read_copies(lines: Iterable[str]) -> dict[int, str]:
    """The digests of the lines that a log has, by their numbers; whatever a collector wrote before each is passed."""
    copies: dict[int, str] = {}
    for line in lines:
        if '"audit"' not in line:
            continue
        try:
            said: Any = json.loads(line[line.index("{") :])
        except ValueError:
            continue
        if isinstance(said, dict) and said.get("event") == "audit" and isinstance(said.get("id"), int):
            copies[said["id"]] = str(said.get("chain", ""))
    return copies
