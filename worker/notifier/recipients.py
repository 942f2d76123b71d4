"""The recipients of a commune: its agents by mail, and the webhooks of the table `recipient`."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    String,
    and_,
    case,
    cast,
    delete,
    literal,
    select,
    update,
)

from schemas.rights import EVERY_COMMUNE
from schemas.vocabulary import Channel, Wish, split_wishes
from worker.access.models import Agent, Recipient
from worker.notifier.channels.delivery import Addressee
from worker.notifier.models import Notification
from worker.work.queue import Work, WorkState


def read_addressees(connection: Connection, code: str) -> dict[str, Addressee]:
    """Return the recipients of a commune, by key: one for each mail address, however many agents share it.

    A shared address gets one mail a day if all its agents chose that.
    """
    found = dict[str, Addressee]()
    agents = select(Agent).where(Agent.code_commune == code).order_by(Agent.email, Agent.name)
    for row in connection.execute(agents):
        key = f"{Channel.MAIL}:{row.email.casefold()}"
        one = Addressee(key, Channel.MAIL, row.email, split_wishes(row.kinds), agent=row.name)
        if known := found.get(key):
            daily = {Wish.DAILY} & known.wishes & one.wishes
            wishes = (known.wishes | one.wishes) - {Wish.DAILY} | daily
            one = replace(known, wishes=wishes, agent="")
        found[key] = one
    concerned = Recipient.code_commune.in_([code, EVERY_COMMUNE]), Recipient.disabled_at.is_(None)
    for other in connection.execute(select(Recipient).where(*concerned).order_by(Recipient.id)):
        found[other.id] = make_addressee(other)
    return found


ERASED = "[effacé]"
"""Replaces an erased name or address."""


def mask_addresses(connection: Connection, condition: ColumnElement[bool]) -> None:
    """Erase the addresses of these messages, except those that are not sent yet."""
    unique = literal(f"{ERASED} ").concat(cast(Notification.id, String))
    told = and_(condition, Notification.ended_at.is_not(None))
    addresses = select(Notification.recipient).where(told)
    connection.execute(delete(Work).where(Work.part.in_(addresses), Work.state == WorkState.DEAD))
    values = {
        "address": ERASED,
        "recipient": unique,
        "refusal": case((Notification.refusal != "", ERASED), else_=""),
    }
    connection.execute(update(Notification).where(told).values(values))


def mask_mail_addresses(connection: Connection, addresses: Iterable[str]) -> None:
    """Erase these mail addresses from messages that were sent to them."""
    mask_addresses(
        connection,
        Notification.recipient.in_([f"{Channel.MAIL}:{address}" for address in addresses]),
    )


def make_addressee(row: Recipient | Row[Any]) -> Addressee:
    """Return the webhook of a row."""
    return Addressee(row.id, Channel(row.channel), row.address, split_wishes(row.kinds), row.secret)
