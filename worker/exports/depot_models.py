"""The table of deposits: what agents say that they did with a file, and what the platform answered."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from worker.db.base import Base
from worker.db.types import Texte, UtcDateTime, utc_now


def _texte(doc: str) -> Mapped[str]:
    return mapped_column(Texte, default="", server_default="", doc=doc)


class Depot(Base):
    """The deposit of one file on e-listelec, as it was last declared; the audit trail has every declaration."""

    __tablename__ = "depot"
    __table_args__ = (CheckConstraint("verdict IN ('', 'accepte', 'rejete')", name="verdict"),)

    export_id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), ForeignKey("export.id"), primary_key=True
    )
    deposited_on: Mapped[date] = mapped_column(Date)
    deposited_by: Mapped[str] = mapped_column(Texte, doc="The agent who said so.")
    remarque: Mapped[str] = _texte("What she noted.")
    declared_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now(), doc="First, not last.")
    verdict: Mapped[str] = _texte("accepte or rejete; empty while the platform has not answered.")
    verdict_on: Mapped[date | None] = mapped_column(Date)
    verdict_by: Mapped[str] = _texte("The agent who said so.")
    answer: Mapped[str] = _texte("Pasted by a person: it may name electors, and is erased when the file is purged.")
    fingerprint_reason: Mapped[str] = _texte("Why there is no fingerprint, in French; empty when there is one.")
    fingerprint_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary, doc="See worker.domain.fingerprint.")
