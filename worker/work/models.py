"""The table `work`: one row for each task that is to be done; a row that is done is deleted."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.db.types import Base, Texte, UtcDateTime, utc_now

IS_OPEN = text("state IN ('due', 'held')")


class WorkState(StrEnum):
    """The state of a row; there is no state for done, since the row is deleted."""

    DUE = "due"
    HELD = "held"
    DEAD = "dead"


class WorkKind(StrEnum):
    """The kind of a task."""

    REPLY = "reply"
    """Publish the reply to an event."""
    EVENT = "event"
    """Publish one event: of a file (its part), of the end of a request, of a recalled file, of a deadline."""
    PROGRESS = "progress"
    """Publish the progress of the files of a request, each second."""
    RECIPIENTS = "recipients"
    """List the recipients of a message, and add one work for each of them."""
    MAIL = "mail"
    """Send a mail to one recipient."""
    MESSAGE = "message"
    """Send a message to one chat or webhook."""
    LISTE = "liste"
    TABLEAU = "tableau"
    """Make the file of an export; the fair tag is that of its request."""
    PREVIEW = "preview"
    """Read an export of the REU that has arrived, import it, or erase it."""
    DEFERRED = "deferred"
    """Check again whether what an event names is known."""


FILES = (WorkKind.LISTE, WorkKind.TABLEAU)
"""The kinds whose works make files."""


class About(StrEnum):
    """The table of the row that a work is about."""

    REQUEST = "request"
    RECALL = "recall"
    REMINDER = "reminder"


BROKERED: Mapping[str, str] = {
    **dict.fromkeys(FILES, "export"),
    WorkKind.PREVIEW: "preview",
    WorkKind.DEFERRED: "deferred_event",
}
"""The kinds whose works start when a worker receives a message, with the tables of their rows."""


def subject_of(about: About | WorkKind, row_id: int) -> str:
    """Return the subject of a work about a row: `request:12`; `about`: a table, or the kind of a work in BROKERED."""
    return f"{BROKERED.get(about, about)}:{row_id}"


class Work(Base):
    """A task about a subject and one part of it: a file, a recipient, a deadline."""

    __tablename__ = "work"
    __table_args__ = (
        UniqueConstraint("kind", "subject", "part"),
        Index("ix_work_open", "kind", "lane", "fair_tag", "id", postgresql_where=IS_OPEN, sqlite_where=IS_OPEN),
        Index("ix_work_part", "part", "kind", postgresql_where=IS_OPEN, sqlite_where=IS_OPEN),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    kind: Mapped[str] = mapped_column(Texte)
    subject: Mapped[str] = mapped_column(Texte, doc="A table and the id of a row: `request:12`.")
    part: Mapped[str] = mapped_column(Texte, default="", server_default="")
    lane: Mapped[int] = mapped_column(Integer, default=0, server_default="0", doc="0: a person waits. 1: of a batch.")
    fair_tag: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0", doc="The turn of its account.")
    state: Mapped[str] = mapped_column(Texte, default=WorkState.DUE, server_default=WorkState.DUE)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime, doc="When to try again; empty: now.")
    owner: Mapped[str | None] = mapped_column(Texte, doc="The loop that holds the lease.")
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    enqueued_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, doc="When its message went to the broker; empty: not since its last start."
    )
    starts: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    waits: Mapped[int] = mapped_column(Integer, default=0, server_default="0", doc="For what was away, in a row.")
    error: Mapped[str] = mapped_column(Texte, default="", server_default="", doc="Of the last start, in French.")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
