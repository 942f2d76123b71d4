"""The tables of notifications and reminders."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import JSON, Date, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from worker.db.types import Base, Id, Texte, UtcDateTime, empty, utc_now, zero


@dataclass
class Deadline:
    """One deadline of a reminder. A meeting may be held until `until`; a withdrawal is reminded of until then."""

    echeance: str
    """A type of tableau, `commission` or `retrait`."""
    due_on: date
    until: date
    """The last day that it is reminded of."""
    scrutin: date | None = None
    """None: a withdrawal, or no poll calls for it."""
    libelle: str = ""
    """What the poll is called; of a withdrawal, the tableaux."""
    days: int = 0
    """Of PREFECTURE_REMINDER_DAYS."""

    @property
    def part(self) -> str:
        """The key of its reminder in a commune."""
        return f"{self.echeance} {self.due_on} {self.days}"


DEADLINES = TypeAdapter(list[Deadline])
"""Reads and writes `Reminder.echeances`."""


class Reminder(Base):
    """The reminder of one commune on one day."""

    __tablename__ = "reminder"
    __table_args__ = (UniqueConstraint("code_commune", "day"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    code_commune: Mapped[str] = mapped_column(Texte)
    day: Mapped[date] = mapped_column(Date, doc="In France.")
    echeances: Mapped[list[dict[str, Any]]] = mapped_column(
        JSON, default=list, server_default="[]", doc="What it reminds of: see Deadline."
    )


class Notification(Base):
    """One message to one recipient, about one request, one reminder or one recall: it is sent once."""

    __tablename__ = "notification"
    __table_args__ = (
        UniqueConstraint("request_id", "recipient"),
        UniqueConstraint("reminder_id", "recipient"),
        Index("ix_notification_recall_recipient", "recall_id", "recipient", unique=True),
        Index("ix_notification_ended_at", "ended_at"),
        Index("ix_notification_commune", "code_commune", "created_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    request_id: Mapped[int | None] = mapped_column(ForeignKey("request.id"))
    reminder_id: Mapped[int | None] = mapped_column(ForeignKey("reminder.id"))
    recall_id: Mapped[int | None] = mapped_column(Id)
    recipient: Mapped[str] = mapped_column(
        Texte, doc="`courriel:` and the address in small letters, or an id."
    )
    code_commune: Mapped[str] = mapped_column(Texte)
    subject: Mapped[str] = empty("What was said, in a line.")
    kind: Mapped[str] = mapped_column(Texte, doc="A Topic.")
    channel: Mapped[str] = mapped_column(Texte)
    address: Mapped[str] = mapped_column(
        Texte, doc="As the screen may show it: of webhooks, the host only."
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    attempts: Mapped[int] = zero()
    ended_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, doc="When it was sent, refused or given up."
    )
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refusal: Mapped[str] = empty("Why it will never be sent.")


TO_EVERYBODY = "*"
"""The account of a deadline in the feed: all who have a right for its commune."""


class Answer(Base):
    """An event that was published: what a program reads over HTTP (`GET /events`), each once, in this order."""

    __tablename__ = "answer"
    __table_args__ = (
        Index("uq_answer_event", "account", "event_id", unique=True),
        Index("ix_answer_account", "account", "id"),
        Index("ix_answer_commune", "code_commune", "id"),
        Index("ix_answer_request", "request_id"),
        Index("ix_answer_created_at", "created_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True, doc="In the order of the commits.")
    account: Mapped[str] = empty(
        "Whose request it answers; TO_EVERYBODY of a deadline; empty of the embedded screen."
    )
    code_commune: Mapped[str] = empty("The commune of its routing key, if any.")
    request_id: Mapped[int | None] = mapped_column(Id)
    event_id: Mapped[str] = mapped_column(Texte)
    event: Mapped[str] = mapped_column(Texte, doc="As it was published: JSON.")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
