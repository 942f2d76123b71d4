"""The pages « Journal » (audit trail) and « Messages » (notifications)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, column, not_, or_, select, table
from starlette.responses import Response

from common.french import capitalized
from common.instant import UtcDateTime
from common.texte import fold
from producers.state import State
from producers.web.exports.query import midnight
from producers.web.forms import read_day
from producers.web.page_context import PageContext
from schemas.vocabulary import Action, Channel

ACTIONS = {it.value: capitalized(it.label) for it in Action}
"""French labels of the actions of the audit trail; an unknown code is shown as it is."""

_BEGUN = Action.DOWNLOAD_BEGUN.value
"""Shown only to who looks for it by its whole label: a completed download has a line of its own."""

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


_JOURNAL = table(
    "journal",
    column("at", UtcDateTime),
    *map(column, ("line_id", "actor", "action", "code_commune", "export_id", "detail")),
)
_NEWEST = (
    _JOURNAL.c.at.desc(),
    _JOURNAL.c.line_id.desc(),
)  # lines of one transaction have the same instant
_EXPORTS = table("derniers_exports", column("export_id"), column("label"))
_ENVOIS = table(
    "envois",
    *(column(name, UtcDateTime) for name in ("created_at", "sent_at")),
    *map(
        column,
        (
            "notification_id",
            "request_id",
            "subject",
            "kind",
            "channel",
            "address",
            "refusal",
            "attempts",
        ),
    ),
    column("code_commune"),
)
_FATE = case(
    (_ENVOIS.c.sent_at.is_not(None), "envoye"), (_ENVOIS.c.refusal != "", "refuse"), else_="attente"
)


def show(context: PageContext) -> Response:
    """Show the trail of the commune; `cherche` selects agents and actions, `jour` one day."""
    asked = {name: context.query.get(name, "").strip() for name in ("cherche", "jour")}
    where = [_JOURNAL.c.code_commune == context.commune.code, _find(asked["cherche"])]
    if day := read_day(asked["jour"]):
        first, after = (midnight(it, context.commune.code) for it in (day, day + timedelta(days=1)))
        where += [_JOURNAL.c.at >= first, _JOURNAL.c.at < after]
    query = select(_JOURNAL).where(*where).order_by(*_NEWEST)
    entries, paging = context.read_page(query, PAGE, asked)
    numbers = {it.export_id for it in entries if it.export_id}
    files = select(_EXPORTS).where(
        _EXPORTS.c.export_id.in_(numbers)
    )  # with a join, SQLite would read all files
    labels = {it.export_id: it.label for it in context.services.state.read(files)}
    return context.render(
        "journal/journal.html",
        entries=entries,
        labels=labels,
        asked=asked,
        is_unread=bool(asked["jour"]) and day is None,
        actions=ACTIONS,
        paging=paging,
    )


def _find(words: str) -> ColumnElement[bool]:
    """Select the lines whose agent or action contains these words, without regard to accents in actions."""
    named = fold(words)
    found = [it for it, label in ACTIONS.items() if named in fold(label)]
    if named != fold(ACTIONS[_BEGUN]):
        found = [it for it in found if it != _BEGUN]
    is_begun = _JOURNAL.c.action == _BEGUN
    by_agent = and_(_JOURNAL.c.actor.icontains(words, autoescape=True), not_(is_begun))
    return or_(by_agent, _JOURNAL.c.action.in_(found))


def show_envois(context: PageContext) -> Response:
    asked = {name: context.query.get(name, "") for name in FILTERS}
    chosen = {name: value if value in FILTERS[name] else "" for name, value in asked.items()}
    view = _ENVOIS.c
    columns = {"canal": view.channel, "objet": view.kind, "etat": _FATE}
    conditions = (columns[name] == value for name, value in chosen.items() if value)
    query = select(_ENVOIS, _FATE.label("fate")).where(
        view.code_commune == context.commune.code, *conditions
    )
    newest_first = query.order_by(view.created_at.desc(), view.notification_id.desc())
    envois, paging = context.read_page(newest_first, PAGE, chosen)
    return context.render(
        "journal/envois.html", envois=envois, chosen=chosen, filters=FILTERS, paging=paging
    )


def read_history(state: State, commune: str, export_id: int) -> Sequence[Row[Any]]:
    view = _JOURNAL.c
    query = select(_JOURNAL).where(
        view.code_commune == commune, view.export_id == export_id, view.action != _BEGUN
    )
    return state.read(query.order_by(*_NEWEST).limit(200))
