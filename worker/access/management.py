"""What an operator adds, removes and looks up: the rights to ask for files of a commune, and the recipients.

The audit trail has each change: accounts of the broker, programs that listen to it, tokens, agents, chats and webhooks.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import Connection, and_, delete, insert, select, true, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from schemas.http import TOKEN_PREFIX, digest_secret
from schemas.topology import listener_key
from schemas.vocabulary import EVERY_WISH, Channel, join_wishes
from worker.access.models import EVERY_COMMUNE, Agent, Listener, Recipient, Sender, Token
from worker.audit import Action, Detail, Pseudonymised, WordKind, record_audit
from worker.db.types import utc_now
from worker.errors import RefusedError
from worker.registre.communes import check_commune

_TOKEN_FIRST = frozenset({"slack", "discord"})
"""The schemes of addresses that have a token where others have a host."""


class KnownAgent(NamedTuple):
    """An agent of a commune, and what the agent is notified of."""

    name: str
    code_commune: str
    email: str
    kinds: str
    may_protect: bool
    """Sees and changes who is protected. Code électoral, art. L. 37."""


class AllowedSender(NamedTuple):
    """An account of the broker and a commune whose files it may ask for; `*` for all."""

    name: str
    code_commune: str
    speaks_for_agents: bool


def name_communes(code: str) -> str:
    """How the commune of a right is called."""
    return "toutes les communes" if code == EVERY_COMMUNE else code


def add_agent(
    connection: Connection,
    name: str,
    code: str,
    email: str,
    kinds: str | None,
    *,
    actor: str,
    may_protect: bool | None = None,
) -> str:
    """Add an agent to a commune, or change the address; return the message kinds, which `kinds` changes unless None.

    `may_protect`, unless None, gives or takes the right to see who is protected (L. 37).

    Raises:
        RefusedError: the commune is unknown.
    """
    check_commune(connection, code)
    is_it = (Agent.name == name) & (Agent.code_commune == code)
    given = {"kinds": kinds, "may_protect": may_protect, **_known_of(connection, name)}
    values = {"email": email} | {column: value for column, value in given.items() if value is not None}
    if not connection.execute(update(Agent).where(is_it).values(values)).rowcount:
        connection.execute(insert(Agent).values(name=name, code_commune=code, **values))
    rights = {None: "", True: ", voit les électeurs protégés", False: ", ne voit pas les électeurs protégés"}
    detail: Detail = [Pseudonymised(WordKind.AGENT, name), rights[may_protect]]
    record_audit(connection, Action.AGENT_CHANGED, actor=actor, code_commune=code, detail=detail)
    return connection.execute(select(Agent.kinds).where(is_it)).scalar_one()


def _known_of(connection: Connection, name: str) -> dict[str, Any]:
    """What an agent has in all communes: a new one begins with it."""
    row = connection.execute(select(Agent.identity, Agent.sessions_ended).where(Agent.name == name)).first()
    return dict(row._mapping) if row else {}  # noqa: SLF001 — SQLAlchemy's public name for it


def end_sessions(connection: Connection, name: str, *, actor: str) -> None:
    """End every session of an agent on the screen: the agent logs in again, if that is still allowed.

    Raises:
        RefusedError: there is none of this name.
    """
    _change_everywhere(connection, name, Action.SESSIONS_ENDED, actor, sessions_ended=Agent.sessions_ended + 1)


def forget_identity(connection: Connection, name: str, *, actor: str) -> None:
    """Let an agent be bound to another identity of the provider, at the next login; all sessions end.

    Raises:
        RefusedError: there is none of this name.
    """
    anew = {"identity": "", "sessions_ended": Agent.sessions_ended + 1}
    _change_everywhere(connection, name, Action.IDENTITY_FORGOTTEN, actor, **anew)


def _change_everywhere(connection: Connection, name: str, action: Action, actor: str, **values: Any) -> None:  # noqa: ANN401 — columns
    if not connection.execute(update(Agent).where(Agent.name == name).values(**values)).rowcount:
        raise RefusedError(f"aucun agent de ce nom : {name}")
    record_audit(connection, action, actor=actor, detail=[Pseudonymised(WordKind.AGENT, name)])


def remove_agent(connection: Connection, name: str, code: str | None, *, actor: str) -> set[str]:
    """Remove an agent from one commune, or from all; return the mail addresses that no agent has any more.

    Raises:
        RefusedError: there is none of this name.
    """
    is_it = and_(Agent.name == name, Agent.code_commune == code) if code else Agent.name == name
    addresses = {address.casefold() for address in connection.scalars(select(Agent.email).where(is_it))}
    if not connection.execute(delete(Agent).where(is_it)).rowcount:
        raise RefusedError(f"aucun agent de ce nom : {name}")
    left = addresses - {address.casefold() for address in connection.scalars(select(Agent.email))}
    detail = [Pseudonymised(WordKind.AGENT, name)]
    record_audit(connection, Action.AGENT_REMOVED, actor=actor, code_commune=code or "", detail=detail)
    return left


def list_agents(connection: Connection, code: str | None) -> Sequence[KnownAgent]:
    """Every agent, or those of a commune."""
    columns = Agent.name, Agent.code_commune, Agent.email, Agent.kinds, Agent.may_protect
    query = select(*columns).order_by(Agent.code_commune, Agent.name)
    return [KnownAgent(*row) for row in connection.execute(query.where(Agent.code_commune == code) if code else query)]


SCREEN_ACCOUNT = "ecran"
"""The account of the screen in `deploy/`: it speaks for its agents unless an operator changes that."""


def allow_sender(
    connection: Connection, name: str, code: str, *, actor: str, speaks_for_agents: bool | None = None
) -> bool:
    """Let an account of the broker ask for the files of a commune, or of all; once is enough.

    Whether it is believed about the agent who acts by it: `speaks_for_agents`, else as it was, else the screen's is.

    Raises:
        RefusedError: the commune is unknown.
    """
    if code != EVERY_COMMUNE:
        check_commune(connection, code)
    is_it = (Sender.name == name) & (Sender.code_commune == code)
    before = connection.scalar(select(Sender.speaks_for_agents).where(is_it))
    speaks = speaks_for_agents
    if speaks is None:
        speaks = name == SCREEN_ACCOUNT if before is None else before
    if before is None:
        connection.execute(insert(Sender).values(name=name, code_commune=code, speaks_for_agents=speaks))
    elif before is not speaks:
        connection.execute(update(Sender).where(is_it).values(speaks_for_agents=speaks))
    if before is not speaks:
        how = ", parle pour les agents" if speaks else ", parle pour lui-même" if before else ""
        detail = f"{name} pour {name_communes(code)}{how}"
        record_audit(connection, Action.SENDER_ALLOWED, actor=actor, detail=detail)
    return speaks


def remove_sender(connection: Connection, name: str, codes: Sequence[str], *, actor: str) -> Sequence[str]:
    """Remove the right of an account to ask for these communes, or for all when none is named; return the communes.

    Raises:
        RefusedError: the account has no such right.
    """
    removed = _remove_scopes(connection, Sender.code_commune, name, codes)
    if not removed:
        raise RefusedError(f"aucune autorisation à ce nom : {name}")
    for gone in removed:
        record_audit(connection, Action.SENDER_REMOVED, actor=actor, detail=f"{name} pour {name_communes(gone)}")
    return removed


def _remove_scopes(
    connection: Connection, column: InstrumentedAttribute[str], name: str, scopes: Sequence[str]
) -> Sequence[str]:
    """Delete the rows of a name, of these scopes only when some are given; return what `column` had."""
    table = column.class_
    statement = delete(table).where(table.name == name, column.in_(scopes) if scopes else true())
    return sorted(connection.scalars(statement.returning(column)))


def list_senders(connection: Connection) -> Sequence[AllowedSender]:
    """Every right of an account, by name and commune."""
    columns = Sender.name, Sender.code_commune, Sender.speaks_for_agents
    return [AllowedSender(*row) for row in connection.execute(select(*columns).order_by(*columns[:2]))]


def add_listener(connection: Connection, name: str, key: str, *, actor: str) -> None:
    """Record that a program listens to a routing key; a second time does nothing. The caller declares the queue.

    Raises:
        RefusedError: the key is of an unknown commune.
    """
    code = key.rpartition(".")[2]
    if key == listener_key(commune=code):
        check_heard_commune(connection, code)
    is_it = (Listener.name == name) & (Listener.routing_key == key)
    if connection.scalar(select(Listener.name).where(is_it)) is None:
        connection.execute(insert(Listener).values(name=name, routing_key=key))
        record_audit(connection, Action.LISTENER_ADDED, actor=actor, detail=f"{name} : {key}")


def remove_listener(connection: Connection, name: str, keys: Sequence[str], *, actor: str) -> Sequence[str]:
    """Remove these keys from what a program listens to, or all when none is named; return the removed keys.

    Raises:
        RefusedError: the program listens to none of them.
    """
    removed = _remove_scopes(connection, Listener.routing_key, name, keys)
    if not removed:
        raise RefusedError(f"aucune écoute à ce nom : {name}")
    for gone in removed:
        record_audit(connection, Action.LISTENER_REMOVED, actor=actor, detail=f"{name} : {gone}")
    return removed


def list_listeners(connection: Connection) -> Mapping[str, Sequence[str]]:
    """Every program that listens, by name, and the keys that it hears."""
    heard: dict[str, list[str]] = {}
    for row in connection.execute(select(Listener).order_by(Listener.name, Listener.routing_key)):
        heard.setdefault(row.name, []).append(row.routing_key)
    return heard


class KnownToken(NamedTuple):
    """A token, as far as it can be shown again."""

    id: str
    name: str
    communes: Sequence[str]
    created_at: datetime
    revoked_at: datetime | None


def make_token(connection: Connection, name: str, codes: Sequence[str], *, actor: str) -> str:
    """Make a token that opens the files of these communes and return it; the database keeps its digest only.

    Raises:
        RefusedError: a commune is unknown, or another token has this name.
    """
    for code in codes:
        check_heard_commune(connection, code)
    if connection.scalar(select(Token.id).where(Token.name == name).limit(1)) is not None:
        raise RefusedError(f"un jeton a déjà ce nom : {name}")
    token_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    values = {"id": token_id, "name": name, "secret_hash": digest_secret(secret)}
    connection.execute(insert(Token), [values | {"code_commune": code} for code in codes])
    opened = ", ".join(map(name_communes, codes))
    record_audit(connection, Action.TOKEN_MADE, actor=actor, detail=f"{token_id}, {name} : {opened}")
    return f"{TOKEN_PREFIX}{token_id}_{secret}"


def revoke_token(connection: Connection, token_id: str, *, actor: str) -> str:
    """Revoke a token and return its name.

    Raises:
        RefusedError: no token in use has this id.
    """
    is_it = (Token.id == token_id) & Token.revoked_at.is_(None)
    names = connection.scalars(update(Token).where(is_it).values(revoked_at=utc_now()).returning(Token.name)).all()
    if not names:
        raise RefusedError(f"aucun jeton en service de ce numéro : {token_id}")
    record_audit(connection, Action.TOKEN_REVOKED, actor=actor, detail=f"{token_id}, {names[0]}")
    return names[0]


def list_tokens(connection: Connection) -> Sequence[KnownToken]:
    """Every token, the revoked ones too, by the time it was made."""
    query = select(Token.__table__).order_by(Token.created_at, Token.id, Token.code_commune)
    return [
        KnownToken(rows[0].id, rows[0].name, [it.code_commune for it in rows], rows[0].created_at, rows[0].revoked_at)
        for rows in (list(some) for _, some in groupby(connection.execute(query), attrgetter("id")))
    ]


def check_heard_commune(connection: Connection, code: str) -> None:
    """See that a recipient, or a program that listens, can be added for a commune.

    Raises:
        RefusedError: the commune is unknown.
    """
    if code != EVERY_COMMUNE:
        check_commune(connection, code)


def add_recipient(
    connection: Connection, channel: Channel, code: str, address: str, *, kinds: str | None, secret: str, actor: str
) -> Recipient:
    """Add a chat or a webhook, whose address was checked; it is notified of everything when `kinds` is None."""
    values = {
        "id": secrets.token_hex(4),
        "code_commune": code,
        "channel": channel,
        "address": address,
        "kinds": join_wishes(EVERY_WISH) if kinds is None else kinds,
        "secret": secret,
    }
    connection.execute(insert(Recipient).values(**values))
    row = find_recipient(connection, values["id"])
    _record(connection, Action.RECIPIENT_ADDED, row, actor=actor)
    return row


def remove_recipient(connection: Connection, recipient_id: str, *, actor: str) -> None:
    """Remove a chat or a webhook.

    Raises:
        RefusedError: there is none of this number.
    """
    row = find_recipient(connection, recipient_id)
    connection.execute(delete(Recipient).where(Recipient.id == recipient_id))
    _record(connection, Action.RECIPIENT_REMOVED, row, actor=actor)


def find_recipient(connection: Connection, recipient_id: str) -> Recipient:
    """A chat or a webhook.

    Raises:
        RefusedError: there is none of this number.
    """
    with Session(connection) as session:
        if (row := session.get(Recipient, recipient_id)) is None:
            raise RefusedError(f"aucun destinataire de ce numéro : {recipient_id}")
        session.expunge(row)
    return row


def list_recipients(connection: Connection, code: str | None) -> Sequence[Recipient]:
    """Every chat and webhook, or those that are notified about a commune."""
    query = select(Recipient).order_by(Recipient.code_commune, Recipient.channel, Recipient.id)
    if code:
        query = query.where(Recipient.code_commune.in_([code, EVERY_COMMUNE]))
    with Session(connection) as session:
        rows = session.scalars(query).all()
        session.expunge_all()
    return rows


def shown_address(address: str) -> str:
    """What may be shown of a chat's or a webhook's address, which is a secret: `https://hooks.example.org`."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "…"
    is_topic = parts.scheme.startswith("ntfy") and not parts.path.strip("/")
    has_host = parts.hostname and parts.scheme not in _TOKEN_FIRST and not is_topic
    return f"{parts.scheme}://{parts.hostname if has_host else '…'}"


def _record(connection: Connection, action: Action, row: Recipient, *, actor: str) -> None:
    code = "" if row.code_commune == EVERY_COMMUNE else row.code_commune
    detail = f"{row.channel} {row.id}, {shown_address(row.address)}"
    record_audit(connection, action, actor=actor, code_commune=code, detail=detail)
