"""The pages « Journal » (audit trail) and « Messages » (notifications)."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, column, select, table
from starlette.responses import Response

from common.french import capitalized
from producers.state import State, to_record
from producers.web.page_context import PageContext
from schemas.vocabulary import Action, Channel

ACTIONS = {it.value: capitalized(it.label) for it in Action}
"""French labels of the actions of the audit trail; an unknown code is shown as it is."""

_BEGUN = Action.DOWNLOAD_BEGUN.value
"""Shown only if selected: a completed download has a line of its own."""

FILTERS = {
    "canal": {it.value: it.label for it in Channel},
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
"""Filters of messages: parameter of the URL, codes of the view, French labels."""

PAGE = 25


@dataclass(frozen=True)
class JournalEntry:
    """One line of the audit trail; `action` is a code, `label` the label of its file, if any."""

    line_id: int
    at: datetime | None
    actor: str
    action: str
    export_id: int | None
    detail: str
    label: str | None = None


@dataclass(frozen=True)
class Envoi:
    """One message to one recipient; without `request_id`, a reminder of a deadline."""

    notification_id: int
    request_id: int | None
    subject: str
    kind: str
    channel: str
    address: str
    created_at: datetime | None
    sent_at: datetime | None
    refusal: str
    attempts: int
    fate: str


_JOURNAL = table("journal", *map(column, ("line_id", "at", "actor", "action", "code_commune", "export_id", "detail")))
_NEWEST = _JOURNAL.c.at.desc(), _JOURNAL.c.line_id.desc()  # lines of one transaction have the same instant
_EXPORTS = table("derniers_exports", column("export_id"), column("label"))
_ENVOIS = table("envois", *(column(it.name) for it in fields(Envoi) if it.name != "fate"), column("code_commune"))
_FATE = case((_ENVOIS.c.sent_at.is_not(None), "envoye"), (_ENVOIS.c.refusal != "", "refuse"), else_="attente")


def show(context: PageContext) -> Response:
    action = context.query.get("action", "")
    action = action if action in ACTIONS else ""
    view = _JOURNAL.c
    is_asked = view.action == action if action else view.action != _BEGUN
    query = select(_JOURNAL).where(view.code_commune == context.commune.code, is_asked).order_by(*_NEWEST)
    rows, paging = context.read_page(query, PAGE, {"action": action})
    entries = _to_entries(context.services.state, rows)
    return context.render("journal/journal.html", entries=entries, action=action, actions=ACTIONS, paging=paging)


def show_envois(context: PageContext) -> Response:
    asked = {name: context.query.get(name, "") for name in FILTERS}
    chosen = {name: value if value in FILTERS[name] else "" for name, value in asked.items()}
    view = _ENVOIS.c
    columns = {"canal": view.channel, "objet": view.kind, "etat": _FATE}
    conditions = (columns[name] == value for name, value in chosen.items() if value)
    query = select(_ENVOIS, _FATE.label("fate")).where(view.code_commune == context.commune.code, *conditions)
    rows, paging = context.read_page(query.order_by(view.created_at.desc(), view.notification_id.desc()), PAGE, chosen)
    envois = [to_record(Envoi, row) for row in rows]
    return context.render("journal/envois.html", envois=envois, chosen=chosen, filters=FILTERS, paging=paging)


def read_history(state: State, commune: str, export_id: int) -> list[JournalEntry]:
    view = _JOURNAL.c
    query = select(_JOURNAL).where(view.code_commune == commune, view.export_id == export_id, view.action != _BEGUN)
    return _to_entries(state, state.read(query.order_by(*_NEWEST).limit(200)))


def _to_entries(state: State, rows: Sequence[Row[Any]]) -> list[JournalEntry]:
    """Convert rows to entries. Labels need a query of their own: with a join, SQLite would read all files."""
    numbers = {row.export_id for row in rows if row.export_id}
    query = select(_EXPORTS.c.export_id, _EXPORTS.c.label).where(_EXPORTS.c.export_id.in_(numbers))
    labels = {row.export_id: row.label for row in state.read(query)} if numbers else {}
    return [to_record(JournalEntry, row, label=labels.get(row.export_id)) for row in rows]
