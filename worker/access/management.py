"""The commands of an operator on rights and recipients: add, remove, list. The audit trail records each change."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, and_, delete, func, insert, literal, select, true, update
from sqlalchemy.orm import InstrumentedAttribute

from common.calendrier import civil_day, now
from schemas.http import TOKEN_ACTOR, TOKEN_PREFIX, digest_secret
from schemas.rights import EVERY_ACT, EVERY_COMMUNE
from schemas.topology import SCREEN_ACCOUNT, listener_key
from schemas.vocabulary import EVERYTHING, Action, Channel
from worker.access.models import Agent, Listener, Recipient, Sender, Token, last_day
from worker.audit import Detail, WordKind, Words, record_audit
from worker.db.types import utc_now
from worker.errors import RefusedError
from worker.exports.models import Request
from worker.registre.communes import check_commune


def name_communes(code: str) -> str:
    """Return the French text for the scope of a right."""
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

    `may_protect`, unless None, grants or removes the right to see protected electors (art. L. 37).

    Raises:
        RefusedError: the commune is unknown.
    """
    check_commune(connection, code)
    is_it = (Agent.name == name) & (Agent.code_commune == code)
    # the columns that are equal in all rows of an agent: the row of a new commune copies them
    rows = connection.execute(
        select(Agent.identity, Agent.sessions_ended).where(Agent.name == name)
    ).all()
    columns = {
        "identity": {it.identity for it in rows},
        "sessions_ended": {it.sessions_ended for it in rows},
    }
    known: dict[str, Any] = {
        column: known.pop() for column, known in columns.items() if len(known) == 1
    }
    given = {"kinds": kinds, "may_protect": may_protect, **known}
    values = {"email": email} | {
        column: value for column, value in given.items() if value is not None
    }
    if not connection.execute(update(Agent).where(is_it).values(values)).rowcount:
        connection.execute(insert(Agent).values(name=name, code_commune=code, **values))
    rights = {
        None: "",
        True: ", voit les électeurs protégés",
        False: ", ne voit pas les électeurs protégés",
    }
    detail: Detail = [Words(WordKind.AGENT, name), rights[may_protect]]
    record_audit(connection, Action.AGENT_CHANGED, actor=actor, code_commune=code, detail=detail)
    return connection.execute(select(Agent.kinds).where(is_it)).scalar_one()


def end_sessions(
    connection: Connection, name: str, *, forgets_identity: bool = False, actor: str
) -> None:
    """End every session of an agent on the screen.

    `forgets_identity`: also unbind the agent from the identity of the provider; the next login binds another one.

    Raises:
        RefusedError: no agent has this name.
    """
    values = {"sessions_ended": Agent.sessions_ended + 1} | (
        {"identity": ""} if forgets_identity else {}
    )
    if not connection.execute(update(Agent).where(Agent.name == name).values(values)).rowcount:
        raise RefusedError(f"aucun agent de ce nom : {name}")
    action = Action.IDENTITY_FORGOTTEN if forgets_identity else Action.SESSIONS_ENDED
    record_audit(connection, action, actor=actor, detail=[Words(WordKind.AGENT, name)])


def remove_agent(connection: Connection, name: str, code: str | None, *, actor: str) -> set[str]:
    """Remove an agent from one commune, or from all; return the mail addresses that no agent has any more.

    Raises:
        RefusedError: no agent has this name.
    """
    is_it = and_(Agent.name == name, Agent.code_commune == code) if code else Agent.name == name
    addresses = {
        address.casefold() for address in connection.scalars(select(Agent.email).where(is_it))
    }
    if not connection.execute(delete(Agent).where(is_it)).rowcount:
        raise RefusedError(f"aucun agent de ce nom : {name}")
    left = addresses - {address.casefold() for address in connection.scalars(select(Agent.email))}
    detail = [Words(WordKind.AGENT, name)]
    record_audit(
        connection, Action.AGENT_REMOVED, actor=actor, code_commune=code or "", detail=detail
    )
    return left


def list_agents(connection: Connection, code: str | None) -> Sequence[Row[Any]]:
    """Return the rows of every agent, or of the agents of a commune."""
    query = select(Agent.__table__).order_by(Agent.code_commune, Agent.name)
    return connection.execute(query.where(Agent.code_commune == code) if code else query).all()


def allow_sender(
    connection: Connection,
    name: str,
    code: str,
    *,
    actor: str,
    speaks_for_agents: bool | None = None,
    acts: Sequence[str] = (),
) -> bool:
    """Allow an account to do these acts for a commune, or for all; return whether the account may act for agents.

    `speaks_for_agents` None and empty `acts` keep the values of the row. A new account may do every act, and acts for
    agents only if it is the screen's.

    Raises:
        RefusedError: the commune is unknown.
    """
    check_heard_commune(connection, code)
    is_it = (Sender.name == name) & (Sender.code_commune == code)
    row = connection.execute(
        select(Sender.speaks_for_agents, Sender.acts).where(is_it)
    ).one_or_none()
    speaks, allowed = row or (name == SCREEN_ACCOUNT, EVERY_ACT)
    speaks = speaks if speaks_for_agents is None else speaks_for_agents
    allowed = " ".join(acts) or allowed
    values = {"speaks_for_agents": speaks, "acts": allowed}
    if row is None:
        connection.execute(insert(Sender).values(name=name, code_commune=code, **values))
    elif row != (speaks, allowed):
        connection.execute(update(Sender).where(is_it).values(values))
    if row != (speaks, allowed):
        how = (
            ", parle pour les agents"
            if speaks
            else ", parle pour lui-même"
            if row and row[0]
            else ""
        )
        limited = f", actes : {allowed}" if acts else ""
        detail = f"{name} pour {name_communes(code)}{how}{limited}"
        record_audit(connection, Action.SENDER_ALLOWED, actor=actor, detail=detail)
    return speaks


def remove_sender(
    connection: Connection, name: str, codes: Sequence[str], *, actor: str
) -> Sequence[str]:
    """Remove the right of an account to ask for these communes, or for all when none is named; return the communes.

    Raises:
        RefusedError: the account has no such right.
    """
    removed = _remove_scopes(connection, Sender.code_commune, name, codes, "autorisation")
    for gone in removed:
        record_audit(
            connection,
            Action.SENDER_REMOVED,
            actor=actor,
            detail=f"{name} pour {name_communes(gone)}",
        )
    return removed


def _remove_scopes(
    connection: Connection,
    column: InstrumentedAttribute[str],
    name: str,
    scopes: Sequence[str],
    what: str,
) -> Sequence[str]:
    table = column.class_
    statement = delete(table).where(table.name == name, column.in_(scopes) if scopes else true())
    if removed := sorted(connection.scalars(statement.returning(column))):
        return removed
    raise RefusedError(f"aucune {what} à ce nom : {name}")


def list_senders(connection: Connection) -> Sequence[Row[Any]]:
    """Return the rows of every account that may ask, one for each commune."""
    return connection.execute(
        select(Sender.__table__).order_by(Sender.name, Sender.code_commune)
    ).all()


def add_listener(connection: Connection, name: str, key: str, *, actor: str) -> None:
    """Record that a program listens to a routing key, unless the row exists. The caller declares the queue.

    Raises:
        RefusedError: the key names an unknown commune.
    """
    code = key.rpartition(".")[2]
    if key == listener_key(commune=code):
        check_heard_commune(connection, code)
    is_it = (Listener.name == name) & (Listener.routing_key == key)
    if connection.scalar(select(Listener.name).where(is_it)) is None:
        connection.execute(insert(Listener).values(name=name, routing_key=key))
        record_audit(connection, Action.LISTENER_ADDED, actor=actor, detail=f"{name} : {key}")


def remove_listener(
    connection: Connection, name: str, keys: Sequence[str], *, actor: str
) -> Sequence[str]:
    """Remove these routing keys of a program, or all when none is named; return the removed keys.

    Raises:
        RefusedError: the program listens to none of them.
    """
    removed = _remove_scopes(connection, Listener.routing_key, name, keys, "écoute")
    for gone in removed:
        record_audit(connection, Action.LISTENER_REMOVED, actor=actor, detail=f"{name} : {gone}")
    return removed


def list_listeners(connection: Connection) -> Mapping[str, Sequence[str]]:
    """Return the routing keys that the queue of each program is bound by."""
    heard: dict[str, list[str]] = {}
    for row in connection.execute(select(Listener).order_by(Listener.name, Listener.routing_key)):
        heard.setdefault(row.name, []).append(row.routing_key)
    return heard


def make_token(
    connection: Connection,
    name: str,
    codes: Sequence[str],
    acts: Sequence[str],
    *,
    actor: str,
    until: date | None = None,
) -> str:
    """Create a token that opens the files of these communes and return it; the database keeps only its digest.

    The token may send events of these acts: it is a sender, named with TOKEN_ACTOR. Its last day is `until`, or that
    of `last_day`.

    Raises:
        RefusedError: a commune is unknown, another token has this name, or its last day is over.
    """
    until = until or last_day()
    if until < civil_day(now(), ""):
        raise RefusedError("le dernier jour d'un jeton n'est pas passé : donnez --until plus tard")
    for code in codes:
        check_heard_commune(connection, code)
    if connection.scalar(select(Token.id).where(Token.name == name).limit(1)) is not None:
        raise RefusedError(f"un jeton a déjà ce nom : {name}")
    token_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    values = {"id": token_id, "name": name, "secret_hash": digest_secret(secret), "ends_on": until}
    connection.execute(insert(Token), [values | {"code_commune": code} for code in codes])
    for code in codes if acts else ():
        allow_sender(connection, f"{TOKEN_ACTOR}{name}", code, acts=acts, actor=actor)
    opened = ", ".join(map(name_communes, codes))
    record_audit(
        connection, Action.TOKEN_MADE, actor=actor, detail=f"{token_id}, {name} : {opened}"
    )
    return f"{TOKEN_PREFIX}{token_id}_{secret}"


def revoke_token(connection: Connection, token_id: str, *, actor: str) -> str:
    """Revoke a token and return its name.

    Raises:
        RefusedError: no token in use has this id.
    """
    is_it = (Token.id == token_id) & Token.revoked_at.is_(None)
    names = connection.scalars(
        update(Token).where(is_it).values(revoked_at=utc_now()).returning(Token.name)
    ).all()
    if not names:
        raise RefusedError(f"aucun jeton en service de ce numéro : {token_id}")
    connection.execute(delete(Sender).where(Sender.name == f"{TOKEN_ACTOR}{names[0]}"))
    record_audit(connection, Action.TOKEN_REVOKED, actor=actor, detail=f"{token_id}, {names[0]}")
    return names[0]


def list_tokens(connection: Connection) -> Sequence[Sequence[Row[Any]]]:
    """Return the rows of every token, also of revoked ones, by token: one row for each commune that it opens.

    `last_used` is when a worker last recorded a request or a download of the token: a program that reads its feed only
    writes nothing.
    """
    of_token = Request.requested_by == literal(TOKEN_ACTOR) + Token.name
    last_used = select(func.max(Request.created_at)).where(of_token).scalar_subquery()
    query = select(Token.__table__, last_used.label("last_used"))
    query = query.order_by(Token.created_at, Token.id, Token.code_commune)
    return [list(rows) for _, rows in groupby(connection.execute(query), attrgetter("id"))]


def check_heard_commune(connection: Connection, code: str) -> None:
    """Check the commune of a right, which may also be `*`.

    Raises:
        RefusedError: the commune is unknown.
    """
    if code != EVERY_COMMUNE:
        check_commune(connection, code)


def add_recipient(
    connection: Connection,
    channel: Channel,
    code: str,
    address: str,
    *,
    kinds: str | None,
    secret: str,
    actor: str,
) -> Row[Any]:
    """Add a webhook; `kinds` None subscribes it to everything. The caller has checked the address."""
    values = {
        "id": secrets.token_hex(4),
        "code_commune": code,
        "channel": channel,
        "address": address,
        "kinds": EVERYTHING if kinds is None else kinds,
        "secret": secret,
    }
    connection.execute(insert(Recipient).values(**values))
    row = find_recipient(connection, values["id"])
    _record(connection, Action.RECIPIENT_ADDED, row, actor=actor)
    return row


def remove_recipient(connection: Connection, recipient_id: str, *, actor: str) -> None:
    """Remove a webhook.

    Raises:
        RefusedError: no recipient has this id.
    """
    row = find_recipient(connection, recipient_id)
    connection.execute(delete(Recipient).where(Recipient.id == recipient_id))
    _record(connection, Action.RECIPIENT_REMOVED, row, actor=actor)


def change_secret(connection: Connection, recipient_id: str, secret: str, *, actor: str) -> None:
    """Sign a webhook with this secret and the present one; without a secret, with the newer of the two only.

    Raises:
        RefusedError: no webhook has this id.
    """
    row = find_recipient(connection, recipient_id)
    if row.channel != Channel.WEBHOOK:
        raise RefusedError(f"aucun webhook de ce numéro : {recipient_id}")
    keys = " ".join(filter(None, [secret, row.secret.split()[0]]))
    connection.execute(update(Recipient).where(Recipient.id == recipient_id).values(secret=keys))
    _record(connection, Action.RECIPIENT_CHANGED, row, actor=actor)


def find_recipient(connection: Connection, recipient_id: str) -> Row[Any]:
    """Return a webhook.

    Raises:
        RefusedError: no recipient has this id.
    """
    is_it = Recipient.id == recipient_id
    if (row := connection.execute(select(Recipient.__table__).where(is_it)).one_or_none()) is None:
        raise RefusedError(f"aucun destinataire de ce numéro : {recipient_id}")
    return row


def list_recipients(connection: Connection, code: str | None) -> Sequence[Row[Any]]:
    """Return every webhook, or those that are notified about a commune."""
    query = select(Recipient.__table__).order_by(
        Recipient.code_commune, Recipient.channel, Recipient.id
    )
    if code:
        query = query.where(Recipient.code_commune.in_([code, EVERY_COMMUNE]))
    return connection.execute(query).all()


def shown_address(address: str) -> str:
    """Return the part of a webhook's address that is no secret: `https://hooks.example.org`."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "…"
    is_topic = parts.scheme.startswith("ntfy") and not parts.path.strip("/")
    has_token_first = parts.scheme in {"slack", "discord"}  # in place of the host
    has_host = parts.hostname and not has_token_first and not is_topic
    return f"{parts.scheme}://{parts.hostname if has_host else '…'}"


def _record(connection: Connection, action: Action, row: Row[Any], *, actor: str) -> None:
    code = "" if row.code_commune == EVERY_COMMUNE else row.code_commune
    detail = f"{row.channel} {row.id}, {shown_address(row.address)}"
    record_audit(connection, action, actor=actor, code_commune=code, detail=detail)
