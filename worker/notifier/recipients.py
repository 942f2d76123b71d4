"""Who is told about a commune: its agents by mail, and the chats and webhooks that the operator added."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.exports.models import EVERY_COMMUNE
from worker.notifier.delivery import Addressee
from worker.notifier.kinds import Channel, Wish, split_wishes
from worker.notifier.models import Agent, Recipient

_TOKEN_FIRST = frozenset({"slack", "discord"})
"""Where others have a host."""


def read_addressees(session: Session, code_commune: str) -> dict[str, Addressee]:
    """By key: whoever may be told about a commune, mails first, since nobody waits for a chat."""
    return {one.key: one for one in (*_agents(session, code_commune), *_others(session, code_commune))}


def shown_address(address: str) -> str:
    """What may be shown of a chat's or a webhook's address, which is a secret: `https://hooks.example.org`."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "…"
    is_topic = parts.scheme.startswith("ntfy") and not parts.path.strip("/")
    has_host = parts.hostname and parts.scheme not in _TOKEN_FIRST and not is_topic
    return f"{parts.scheme}://{parts.hostname if has_host else '…'}"


def _agents(session: Session, code_commune: str) -> Iterator[Addressee]:
    """One mail per address, whoever many agents share it."""
    rows = session.execute(select(Agent.email, Agent.kinds).where(Agent.code_commune == code_commune))
    emails: dict[str, tuple[str, frozenset[Wish]]] = {}
    for email, kinds in sorted(rows):
        first, wishes = emails.get(email.casefold(), (email, frozenset()))
        emails[email.casefold()] = first, wishes | split_wishes(kinds)
    for key, (email, wishes) in emails.items():
        yield Addressee(f"{Channel.MAIL}:{key}", Channel.MAIL, email, email, wishes)


def _others(session: Session, code_commune: str) -> Iterator[Addressee]:
    concerned = Recipient.code_commune.in_([code_commune, EVERY_COMMUNE]), Recipient.disabled_at.is_(None)
    for row in session.scalars(select(Recipient).where(*concerned).order_by(Recipient.channel, Recipient.id)):
        yield make_addressee(row)


def make_addressee(row: Recipient) -> Addressee:
    """The chat or the webhook of a row."""
    return Addressee(
        row.id, Channel(row.channel), row.address, shown_address(row.address), split_wishes(row.kinds), row.secret
    )
