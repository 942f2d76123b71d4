"""The tables of rights: accounts, listening programs, tokens, agents, chats and webhooks."""

from datetime import datetime

from sqlalchemy import Boolean, Integer, false
from sqlalchemy.orm import Mapped, mapped_column

from schemas.vocabulary import EVERY_WISH, join_wishes
from worker.db.types import Base, Texte, UtcDateTime, utc_now

EVERY_COMMUNE = "*"
_ALL = join_wishes(EVERY_WISH)


def _empty(doc: str) -> Mapped[str]:
    return mapped_column(Texte, default="", server_default="", doc=doc)


class Sender(Base):
    """An account of the broker that may ask for a commune's files; `*` means every commune."""

    __tablename__ = "sender"

    name: Mapped[str] = mapped_column(Texte, primary_key=True)
    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    speaks_for_agents: Mapped[bool] = mapped_column(
        Boolean, default=False, server_default=false(), doc="Whether the agent that its events name is recorded."
    )


class Listener(Base):
    """A routing key that the queue of a program is bound by."""

    __tablename__ = "listener"

    name: Mapped[str] = mapped_column(Texte, primary_key=True)
    routing_key: Mapped[str] = mapped_column(Texte, primary_key=True)


class Token(Base):
    """A token with which a program downloads files over HTTP: a row for each commune that it opens, or one for `*`."""

    __tablename__ = "token"

    id: Mapped[str] = mapped_column(Texte, primary_key=True)
    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    name: Mapped[str] = mapped_column(Texte, doc="The actor of the downloads in the audit trail.")
    secret_hash: Mapped[str] = mapped_column(Texte, doc="SHA-256 of 32 random bytes: nothing to be guessed.")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Agent(Base):
    """A person of a town hall, or a service, who may receive mails about a commune. Mails go to agents only."""

    __tablename__ = "agent"

    name: Mapped[str] = mapped_column(Texte, primary_key=True, doc="What `requested_by` names.")
    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    email: Mapped[str] = mapped_column(Texte)
    kinds: Mapped[str] = mapped_column(Texte, default=_ALL, server_default=_ALL, doc="Wishes; empty: no mail at all.")
    may_protect: Mapped[bool] = mapped_column(
        Boolean, default=False, server_default=false(), doc="Sees and changes who is protected (L. 37)."
    )
    identity: Mapped[str] = _empty("The provider's, bound at the first login: SHA-256 of issuer and subject.")
    sessions_ended: Mapped[int] = mapped_column(
        Integer, default=0, server_default="0", doc="How often; a session of the screen from before the last is over."
    )


class Recipient(Base):
    """A chat or a webhook that is notified about a commune, or about all of them (`*`)."""

    __tablename__ = "recipient"

    id: Mapped[str] = mapped_column(Texte, primary_key=True, doc="Random: a number would be given twice.")
    code_commune: Mapped[str] = mapped_column(Texte)
    channel: Mapped[str] = mapped_column(Texte, doc="discussion or webhook.")
    address: Mapped[str] = mapped_column(Texte, doc="A secret: its path, its account, or both give the right to write.")
    kinds: Mapped[str] = mapped_column(Texte, default=_ALL, server_default=_ALL)
    secret: Mapped[str] = _empty("The key that signs a webhook.")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime, doc="When the address answered 410 (gone).")
