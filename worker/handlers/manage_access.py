"""Who may ask for the files of a commune, and who is told of them: what an operator adds, removes and looks up.

Three tables: accounts of the broker, agents (mails), chats and webhooks. What gives or takes a right is on record.
"""

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.orm import Session

from worker.errors import RefusedError
from worker.exports.audit import Action, record_audit
from worker.exports.models import EVERY_COMMUNE, Sender
from worker.notifier.dispatch import shown_address
from worker.notifier.kinds import EVERY_WISH, Channel, join_wishes
from worker.notifier.models import Agent, Recipient
from worker.registre.communes import check_commune


class KnownAgent(NamedTuple):
    """An agent of a commune, and what she wants to be told of."""

    name: str
    code_commune: str
    email: str
    kinds: str


class AllowedSender(NamedTuple):
    """An account of the broker and a commune whose files it may ask for; `*` for all."""

    name: str
    code_commune: str


def name_communes(code: str) -> str:
    """How the commune of a right is called."""
    return "toutes les communes" if code == EVERY_COMMUNE else code


def add_agent(connection: Connection, name: str, code: str, email: str, kinds: str | None) -> str:
    """Add an agent to a commune, or change her address; what she is told of now, which `kinds` changes unless None.

    Raises:
        RefusedError: the commune is unknown.
    """
    check_commune(connection, code)
    is_it = (Agent.name == name) & (Agent.code_commune == code)
    values = {"email": email} | ({} if kinds is None else {"kinds": kinds})
    if not connection.execute(update(Agent).where(is_it).values(values)).rowcount:
        connection.execute(insert(Agent).values(name=name, code_commune=code, **values))
    return connection.execute(select(Agent.kinds).where(is_it)).scalar_one()


def remove_agent(connection: Connection, name: str, code: str | None) -> None:
    """Remove an agent from one commune, or from all.

    Raises:
        RefusedError: there is none of this name.
    """
    statement = delete(Agent).where(Agent.name == name)
    if not connection.execute(statement.where(Agent.code_commune == code) if code else statement).rowcount:
        raise RefusedError(f"aucun agent de ce nom : {name}")


def list_agents(connection: Connection, code: str | None) -> Sequence[KnownAgent]:
    """Every agent, or those of a commune."""
    columns = Agent.name, Agent.code_commune, Agent.email, Agent.kinds
    query = select(*columns).order_by(Agent.code_commune, Agent.name)
    return [KnownAgent(*row) for row in connection.execute(query.where(Agent.code_commune == code) if code else query)]


def allow_sender(connection: Connection, name: str, code: str, *, actor: str) -> None:
    """Let an account of the broker ask for the files of a commune, or of all; once is enough.

    Raises:
        RefusedError: the commune is unknown.
    """
    if code != EVERY_COMMUNE:
        check_commune(connection, code)
    is_it = (Sender.name == name) & (Sender.code_commune == code)
    if connection.scalar(select(Sender.name).where(is_it)) is None:
        connection.execute(insert(Sender).values(name=name, code_commune=code))
        record_audit(connection, Action.SENDER_ALLOWED, actor=actor, detail=f"{name} pour {name_communes(code)}")


def remove_sender(connection: Connection, name: str, code: str | None, *, actor: str) -> Sequence[str]:
    """Take back the right of an account, for one commune or all that it has; the communes.

    Raises:
        RefusedError: it had none.
    """
    statement = delete(Sender).where(Sender.name == name).returning(Sender.code_commune)
    removed = connection.scalars(statement.where(Sender.code_commune == code) if code else statement).all()
    if not removed:
        raise RefusedError(f"aucune autorisation à ce nom : {name}")
    for gone in removed:
        record_audit(connection, Action.SENDER_REMOVED, actor=actor, detail=f"{name} pour {name_communes(gone)}")
    return sorted(removed)


def list_senders(connection: Connection, code: str | None) -> Sequence[AllowedSender]:
    """Every right, or those that concern a commune."""
    query = select(Sender.name, Sender.code_commune).order_by(Sender.name, Sender.code_commune)
    if code:
        query = query.where(Sender.code_commune.in_([code, EVERY_COMMUNE]))
    return [AllowedSender(*row) for row in connection.execute(query)]


def count_senders(connection: Connection) -> int:
    """How many accounts may ask for something."""
    return connection.scalar(select(func.count(Sender.name.distinct()))) or 0


def check_recipient_commune(connection: Connection, code: str) -> None:
    """See that a recipient can be added for a commune, before its address is asked for.

    Raises:
        RefusedError: the commune is unknown.
    """
    if code != EVERY_COMMUNE:
        check_commune(connection, code)


def add_recipient(
    connection: Connection, channel: Channel, code: str, address: str, *, kinds: str | None, secret: str, actor: str
) -> Recipient:
    """Add a chat or a webhook, whose address was checked; it is told of everything when `kinds` is None."""
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
    """Every chat and webhook, or those that are told about a commune."""
    query = select(Recipient).order_by(Recipient.code_commune, Recipient.channel, Recipient.id)
    if code:
        query = query.where(Recipient.code_commune.in_([code, EVERY_COMMUNE]))
    with Session(connection) as session:
        rows = session.scalars(query).all()
        session.expunge_all()
    return rows


def _record(connection: Connection, action: Action, row: Recipient, *, actor: str) -> None:
    code = "" if row.code_commune == EVERY_COMMUNE else row.code_commune
    detail = f"{row.channel} {row.id}, {shown_address(row.address)}"
    record_audit(connection, action, actor=actor, code_commune=code, detail=detail)
