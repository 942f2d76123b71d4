"""What was sent to whom: the view `envois`, a page at a time."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, column, func, select, table

from producers.state import State, to_instant

PAGE = 50

_NAMES = ("request_id", "subject", "kind", "channel", "address", "created_at", "sent_at", "refusal", "attempts")
_VIEW = table("envois", column("code_commune"), *(column(name) for name in _NAMES))
FATES = {
    "envoye": _VIEW.c.sent_at.is_not(None),
    "refuse": _VIEW.c.refusal != "",
    "attente": _VIEW.c.sent_at.is_(None) & (_VIEW.c.refusal == ""),
}
"""What became of a message: the name in the address, the condition."""


@dataclass(frozen=True)
class Envoi:
    """One message to one recipient; without `request_id` it is a reminder of a deadline."""

    request_id: int | None
    subject: str
    kind: str
    channel: str
    address: str
    created_at: datetime | None
    sent_at: datetime | None
    refusal: str
    attempts: int

    @property
    def fate(self) -> str:
        """What became of it, as a key of `FATES`."""
        if self.sent_at:
            return "envoye"
        return "refuse" if self.refusal else "attente"


def read_envois(
    state: State, commune: str, *, channel: str = "", fate: str = "", kind: str = "", page: int = 1
) -> tuple[list[Envoi], int]:
    """The messages of a page, the newest first, and how many there are in all; `fate` is a key of `FATES`.

    Raises:
        StateAwayError: the database did not answer.
    """
    view = _VIEW.c
    conditions = [view.code_commune == commune]
    if channel:
        conditions.append(view.channel == channel)
    if kind:
        conditions.append(view.kind == kind)
    if fate:
        conditions.append(FATES[fate])
    query = select(*(view[name] for name in _NAMES)).where(*conditions)
    query = query.order_by(view.created_at.desc(), view.request_id.desc(), view.address)
    with state.reading() as connection:
        total: int = connection.execute(select(func.count()).select_from(_VIEW).where(*conditions)).scalar_one()
        rows = connection.execute(query.limit(PAGE).offset((page - 1) * PAGE)).all()
    return [_to_envoi(row) for row in rows], total


def _to_envoi(row: Row[tuple[object, ...]]) -> Envoi:
    values = dict(row._mapping)  # noqa: SLF001 — the public name, underscored so as not to hide a column
    instants = {name: to_instant(values[name]) for name in ("created_at", "sent_at")}
    return Envoi(**values | instants)
