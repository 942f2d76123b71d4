"""What was sent to whom: mails, chats, webhooks; what went, what was refused, what waits; the view `envois`."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, column, func, select, table
from starlette.responses import Response

from producers.state import State, to_instant
from producers.web.forms import Paging, page_number
from producers.web.page_context import PageContext

FILTERS = {
    "canal": {"courriel": "Courriel", "discussion": "Discussion", "webhook": "Autre logiciel (webhook)"},
    "objet": {
        "pret": "Fichiers prêts",
        "echec": "Échec",
        "refus": "Demande refusée",
        "annule": "Demande annulée",
        "a_refaire": "Fichiers à refaire",
        "echeance": "Rappel d'échéance",
    },
    "etat": {"envoye": "Envoyé", "refuse": "Refusé", "attente": "En attente"},
}
"""What one can look for: the name in the address, the codes of the view and what a clerk reads."""

PAGE = 25

_NAMES = ("request_id", "subject", "kind", "channel", "address", "created_at", "sent_at", "refusal", "attempts")
_VIEW = table("envois", column("code_commune"), column("notification_id"), *(column(name) for name in _NAMES))
FATES = {
    "envoye": _VIEW.c.sent_at.is_not(None),
    "refuse": _VIEW.c.refusal != "",
    "attente": _VIEW.c.sent_at.is_(None) & (_VIEW.c.refusal == ""),
}
"""What became of a message: the name in the address, the condition."""


def show(context: PageContext) -> Response:
    """The page."""
    asked = {name: context.query.get(name, "") for name in FILTERS}
    chosen = {name: value if value in FILTERS[name] else "" for name, value in asked.items()}
    page = page_number(context.query.get("page", ""))
    found, total = read_envois(
        context.services.state,
        context.commune.code,
        channel=chosen["canal"],
        kind=chosen["objet"],
        fate=chosen["etat"],
        page=page,
    )
    return context.render(
        "journal/envois.html",
        envois=found,
        total=total,
        chosen=chosen,
        filters=FILTERS,
        paging=Paging.of(context.url("envois"), chosen, page=page, total=total, size=PAGE),
    )


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
    query = query.order_by(view.created_at.desc(), view.notification_id.desc())
    with state.reading() as connection:
        total: int = connection.execute(select(func.count()).select_from(_VIEW).where(*conditions)).scalar_one()
        rows = connection.execute(query.limit(PAGE).offset((page - 1) * PAGE)).all()
    return [_to_envoi(row) for row in rows], total


def _to_envoi(row: Row[tuple[object, ...]]) -> Envoi:
    values = dict(row._mapping)  # noqa: SLF001 — the public name, underscored so as not to hide a column
    instants = {name: to_instant(values[name]) for name in ("created_at", "sent_at")}
    return Envoi(**values | instants)
