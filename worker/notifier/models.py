"""The tables of notifications and reminders."""

from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from worker.db.types import Base, Id, Texte, UtcDateTime, empty, utc_now, zero


class Reminder(Base):
    """The reminder of one commune on one day."""

    __tablename__ = "reminder"
    __table_args__ = (UniqueConstraint("code_commune", "day"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    code_commune: Mapped[str] = mapped_column(Texte)
    day: Mapped[date] = mapped_column(Date, doc="In France.")


class ReminderEcheance(Base):
    """One deadline of a reminder. Its key prevents a second reminder of the same deadline and number of days.

    A meeting may be held until `until`; a withdrawal is reminded of until then.
    """

    __tablename__ = "reminder_echeance"

    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    echeance: Mapped[str] = mapped_column(Texte, primary_key=True, doc="A type of tableau, `commission` or `retrait`.")
    due_on: Mapped[date] = mapped_column(Date, primary_key=True)
    days: Mapped[int] = mapped_column(Integer, primary_key=True, doc="Of PREFECTURE_REMINDER_DAYS.")
    until: Mapped[date] = mapped_column(Date, doc="The last day that it is reminded of.")
    scrutin: Mapped[date | None] = mapped_column(Date, doc="None: a withdrawal, or no poll calls for it.")
    libelle: Mapped[str] = empty("What the poll is called; of a withdrawal, the tableaux.")
    reminder_id: Mapped[int] = mapped_column(ForeignKey("reminder.id"), index=True)

    @property
    def part(self) -> str:
        """The key of its reminder in a commune: the part of the work for its event."""
        return f"{self.echeance} {self.due_on} {self.days}"


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
    recipient: Mapped[str] = mapped_column(Texte, doc="`courriel:` and the address in small letters, or an id.")
    code_commune: Mapped[str] = mapped_column(Texte)
    subject: Mapped[str] = empty("What was said, in a line.")
    kind: Mapped[str] = mapped_column(Texte, doc="A Topic.")
    channel: Mapped[str] = mapped_column(Texte)
    address: Mapped[str] = mapped_column(Texte, doc="As the screen may show it: of chats and webhooks, the host only.")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    attempts: Mapped[int] = zero()
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, doc="When it was sent, refused or given up.")
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refusal: Mapped[str] = empty("Why it will never be sent.")
