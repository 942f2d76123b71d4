"""Who is told, and what was told to whom."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from worker.db.base import Base
from worker.db.types import Texte, UtcDateTime


class Agent(Base):
    """A person of a town hall, or a service, who may be written to about a commune. Mails go to nobody else."""

    __tablename__ = "agent"

    name: Mapped[str] = mapped_column(Texte, primary_key=True, doc="What `requested_by` names.")
    code_commune: Mapped[str] = mapped_column(Texte, primary_key=True)
    email: Mapped[str] = mapped_column(Texte)


class Notification(Base):
    """One mail about one request to one address."""

    __tablename__ = "notification"

    request_id: Mapped[int] = mapped_column(ForeignKey("request.id"), primary_key=True)
    email: Mapped[str] = mapped_column(Texte, primary_key=True)
    message_id: Mapped[str] = mapped_column(Texte, doc="Stable: a copy sent twice is recognised by mail readers.")
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refusal: Mapped[str] = mapped_column(Texte, default="", server_default="", doc="The server's 5xx answer.")
