"""The tables of rights: accounts, listening programs, tokens, agents, chats and webhooks."""

from datetime import date, datetime, timedelta

from sqlalchemy import Date
from sqlalchemy.orm import Mapped, mapped_column

from common.calendrier import civil_day, now
from schemas.rights import EVERY_ACT
from schemas.vocabulary import EVERYTHING
from worker.db.types import Base, Texte, UtcDateTime, empty, flag, utc_now, zero


class Sender(Base):
    """An account of the broker and what it may do for a commune; `*` means every commune."""

    __tablename__ = "sender"

    name: Mapped[str] = mapped_column(Texte, primary_key=True)
    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    speaks_for_agents: Mapped[bool] = flag("Whether the agent that its events name is recorded.")
    acts: Mapped[str] = mapped_column(
        Texte,
        default=EVERY_ACT,
        server_default=EVERY_ACT,
        doc="Words of ACTS, separated by spaces; `*`: every act.",
    )


class Listener(Base):
    """A routing key that the queue of a program is bound by."""

    __tablename__ = "listener"

    name: Mapped[str] = mapped_column(Texte, primary_key=True)
    routing_key: Mapped[str] = mapped_column(Texte, primary_key=True)


TOKEN_DAYS = 365
"""How long a token serves, unless the operator gives another last day."""


def last_day() -> date:
    """Return the last day of a token that is made today."""
    return civil_day(now(), "") + timedelta(TOKEN_DAYS)


class Token(Base):
    """A token with which a program downloads files over HTTP: a row for each commune that it opens, or one for `*`."""

    __tablename__ = "token"

    id: Mapped[str] = mapped_column(Texte, primary_key=True)
    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    name: Mapped[str] = mapped_column(Texte, doc="The actor of the downloads in the audit trail.")
    secret_hash: Mapped[str] = mapped_column(
        Texte, doc="SHA-256 of 32 random bytes: nothing to be guessed."
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    ends_on: Mapped[date] = mapped_column(Date, default=last_day, doc="Its last day.")
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Agent(Base):
    """A person of a town hall, or a service, who may receive mails about a commune. Mails go to agents only."""

    __tablename__ = "agent"

    name: Mapped[str] = mapped_column(Texte, primary_key=True, doc="What `requested_by` names.")
    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    email: Mapped[str] = mapped_column(Texte)
    kinds: Mapped[str] = mapped_column(
        Texte, default=EVERYTHING, server_default=EVERYTHING, doc="Wishes; empty: no mail at all."
    )
    may_protect: Mapped[bool] = flag("Sees and changes who is protected (L. 37).")
    identity: Mapped[str] = empty(
        "The provider's, bound at the first login: SHA-256 of issuer and subject."
    )
    sessions_ended: Mapped[int] = zero(
        "How often; a session of the screen from before the last is over."
    )


class Recipient(Base):
    """A webhook that is notified about a commune, or about all of them (`*`)."""

    __tablename__ = "recipient"

    id: Mapped[str] = mapped_column(
        Texte, primary_key=True, doc="Random: a number would be given twice."
    )
    code_commune: Mapped[str] = mapped_column(Texte)
    channel: Mapped[str] = mapped_column(Texte, doc="webhook.")
    address: Mapped[str] = mapped_column(
        Texte, doc="A secret: its path, its account, or both give the right to write."
    )
    kinds: Mapped[str] = mapped_column(Texte, default=EVERYTHING, server_default=EVERYTHING)
    secret: Mapped[str] = empty(
        "The key that signs a webhook; during a rotation, a space and the former key."
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    disabled_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, doc="When the address answered 410 (gone)."
    )
