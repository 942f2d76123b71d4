"""« Vos demandes »: the requests of a commune, from the view `demandes`, and the card of each.

Events that an agent has just sent are kept in the session until a worker has read them: until then, no view has a row.

The session is a cookie, and browsers drop a cookie that is too large: the oldest entries are removed first.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid5

from sqlalchemy import Connection, Row, Select, select
from starlette.requests import Request
from starlette.responses import Response

from common.french import count_of
from producers.errors import ProducerError
from producers.state import State, newest_first, to_record, view_of
from producers.web.exports.query import DERNIERS_EXPORTS, AskedFile, read_files, select_latest
from producers.web.forms import FormRefused, read_once
from producers.web.page_context import PageContext
from producers.web.security import is_partial
from schemas.cures import REFUSALS, Link, Refusal, facts_of_file, find_cure
from schemas.declarations import DeclarationNoted, FileNote, RegisterNote
from schemas.envelope import CloudEvent, Data
from schemas.file_state import FileState
from schemas.screen_notes import ScreenNote, ScreenNoted
from schemas.topology import (
    REQUEST_CANCEL,
    REQUEST_LISTE_EXPORT,
    REQUEST_RETRY,
    REQUEST_TABLEAUX_RENDER,
)
from schemas.vocabulary import ExportStatus, RequestOutcome, Toned

_WITHOUT_FILES = {
    REQUEST_LISTE_EXPORT: "Fichiers de la liste électorale",
    REQUEST_TABLEAUX_RENDER: "Tableaux",
    REQUEST_RETRY: "Nouvel essai",
    REQUEST_CANCEL: "Annulation",
    "deposited": "Dépôt déclaré",
    "verdict": "Réponse de la plateforme",
    "published": "Publication notée",
    "doubt": "Doute tranché",
}
"""Words of a request without files, by its type or the kind of its note; a clerk sees the refusals of these."""


class Stage(Toned):
    REFUSED = "refused", "refusée", "error"
    QUEUED = "queued", "en attente", "queued"
    RUNNING = "running", "en cours", "running"
    READY = "ready", "prête", "ready"
    FAILED = "failed", "en échec", "failed"
    CANCELLED = "cancelled", "annulée", "cancelled"


_OF_FILES = {
    FileState.REJECTED: "rejetée",
    FileState.TO_REDO: "à refaire",
    FileState.MISSING: "introuvable",
    FileState.ALTERED: "altérée",
    FileState.TO_CORRECT: "à corriger",
    FileState.PROVISOIRE: "provisoire",
    FileState.TO_COMPLETE: "à compléter",
    FileState.OUTDATED: "ancienne",
}
"""The label of a request from the state of one of its files, worst first."""


@dataclass(frozen=True)
class DemandeState:
    """One request, with its files in the order of the request."""

    request_id: int
    source: str
    event_id: str
    event_type: str
    kind: str
    code_commune: str
    requested_by: str
    requested_at: datetime
    outcome: RequestOutcome
    reason: str
    code: str = ""
    files: tuple[AskedFile, ...] = ()

    @property
    def cure(self) -> Link | None:
        """What cures its refusal; None for one that is not refused."""
        if not self.is_refused:
            return None
        again = Refusal.TABLEAU if self.home == "tableaux" else Refusal.LISTE
        code = self.code if self.code in REFUSALS else again
        return find_cure(code, facts_of_file(0, self.code_commune, "", "", {}))

    @property
    def is_refused(self) -> bool:
        return self.outcome is RequestOutcome.REFUSED

    @property
    def stage(self) -> Stage:
        if self.is_refused:
            return Stage.REFUSED
        states = {file.status for file in self.files}
        if not all(status.is_terminal for status in states):
            return Stage.QUEUED if states == {ExportStatus.QUEUED} else Stage.RUNNING
        if ExportStatus.FAILED in states:
            return Stage.FAILED
        return Stage.READY if ExportStatus.READY in states else Stage.CANCELLED

    @property
    def words(self) -> str:
        """What was asked for: `Liste électorale, 3 fichiers`, `Tableau des vingt jours, 1 fichier`."""
        if not self.files:
            return _WITHOUT_FILES.get(self.kind or self.event_type, "Demande")
        titres = {file.titre if file.is_tableau else "Liste électorale" for file in self.files}
        what = titres.pop() if len(titres) == 1 else "Tableaux"
        return f"{what}, {count_of(len(self.files), 'fichier', 'fichiers')}"

    @property
    def tone(self) -> str:
        return (self._worst or self.stage).tone

    @property
    def label(self) -> str:
        """The label of its state; a request with an unusable file is not called ready."""
        return _OF_FILES[self._worst] if self._worst else self.stage.label

    @property
    def _worst(self) -> FileState | None:
        if self.stage is not Stage.READY:
            return None
        states = {file.state for file in self.files}
        return next((state for state in _OF_FILES if state in states), None)

    @property
    def home(self) -> Literal["listes", "tableaux"]:
        is_of_tableaux = self.event_type == REQUEST_TABLEAUX_RENDER or any(
            it.is_tableau for it in self.files
        )
        return "tableaux" if is_of_tableaux else "listes"

    @property
    def asks_for_files(self) -> bool:
        return self.event_type in {REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER, REQUEST_RETRY}

    @property
    def may_hide(self) -> bool:
        return self.stage in {Stage.REFUSED, Stage.FAILED, Stage.CANCELLED}

    @property
    def may_cancel(self) -> bool:
        return any(not file.status.is_terminal for file in self.files)

    @property
    def to_retry(self) -> tuple[AskedFile, ...]:
        return tuple(file for file in self.files if file.is_to_make_again)


_DEMANDES = view_of("demandes", DemandeState, "sender")
_REQUESTS = select(*(it for it in _DEMANDES.c if it.name not in {"files", "sender"}))


def read_recent(state: State, commune: str) -> tuple[list[DemandeState], list[AskedFile], int]:
    """Return the requests with a recent file or a refusal, newest first; « Derniers exports »; the newest number."""
    view = DERNIERS_EXPORTS.c
    with state.reading() as connection:
        recent = newest_first(
            connection, select(DERNIERS_EXPORTS), view.code_commune, view.export_id, commune
        )
        files = read_files(connection, recent.limit(100))  # a request has about fifty files at most
        ids = {file.request_id for file in files}
        requests = connection.execute(
            _newest(connection, _REQUESTS, commune).limit(200)
        ).all()  # each download is one
        taken = [row for row in requests if row.outcome != RequestOutcome.REFUSED]
        latest_taken = {row.kind or row.event_type: row.request_id for row in reversed(taken)}
        refused = [
            row
            for row in requests
            if row.outcome == RequestOutcome.REFUSED
            and (what := row.kind or row.event_type) in _WITHOUT_FILES
            and row.request_id > latest_taken.get(what, 0)  # otherwise a later one was accepted
        ]
        asked = (
            connection.execute(_REQUESTS.where(_DEMANDES.c.request_id.in_(ids))).all()
            if ids
            else ()
        )
        demandes = sorted(_join((*refused, *asked), files), key=lambda it: -it.request_id)
        return (
            demandes,
            select_latest(connection, commune),
            requests[0].request_id if requests else 0,
        )


def read_request(state: State, commune: str, request_id: int) -> DemandeState | None:
    query = _REQUESTS.where(
        _DEMANDES.c.code_commune == commune, _DEMANDES.c.request_id == request_id
    )
    with state.reading() as connection:
        found = read_files(
            connection, select(DERNIERS_EXPORTS).where(DERNIERS_EXPORTS.c.request_id == request_id)
        )
        files = [
            file for file in found if file.code_commune == commune
        ]  # not in SQL: SQLite would read them all
        return next(iter(_join(connection.execute(query).all(), files)), None)


def read_newest_request(state: State, commune: str) -> int:
    with state.reading() as connection:
        return (
            connection.scalar(_newest(connection, select(_DEMANDES.c.request_id), commune).limit(1))
            or 0
        )


def find_commune(state: State, request_id: int) -> str:
    query = select(_DEMANDES.c.code_commune).where(_DEMANDES.c.request_id == request_id)
    return next((row.code_commune for row in state.read(query)), "")


def find_requests(
    state: State, sender: str, source: str, event_ids: Collection[str]
) -> dict[str, DemandeState]:
    """Return the requests of these events of a sender that a worker has read, by id, without files."""
    if not event_ids:
        return {}
    query = _REQUESTS.where(_DEMANDES.c.source == source, _DEMANDES.c.event_id.in_(event_ids))
    query = query.where(_DEMANDES.c.sender == sender)
    query = query.order_by(_DEMANDES.c.outcome.desc())  # accepted last: the first of two is kept
    return {it.event_id: it for it in _join(state.read(query), ())}


def _newest(connection: Connection, query: Select[Any], commune: str) -> Select[Any]:
    return newest_first(
        connection, query, _DEMANDES.c.code_commune, _DEMANDES.c.request_id, commune
    )


def _join(requests: Iterable[Row[Any]], files: Iterable[AskedFile]) -> list[DemandeState]:
    ordered = sorted(files, key=lambda file: file.export_id)
    return [
        to_record(
            DemandeState,
            row,
            files=tuple(file for file in ordered if file.request_id == row.request_id),
        )
        for row in requests
    ]


SHOWN_ONCE_FAILED = timedelta(days=7)
"""How long a failure stays visible, unless the file is requested again."""


def build_cards(
    demandes: Collection[DemandeState], now: datetime, hidden: Collection[int] = ()
) -> list[DemandeState]:
    """Return the unfinished or unsuccessful requests, newest first, except those that the agent hid.

    Finished files are in « Derniers exports » only.
    """
    latest_by_content: dict[tuple[str, ...], int] = {}
    for demande in demandes:
        for file in demande.files:
            if file.status is not ExportStatus.CANCELLED:
                latest_by_content[file.same_as] = max(
                    file.export_id, latest_by_content.get(file.same_as, 0)
                )
    shown = (demande for demande in demandes if _is_shown(demande, latest_by_content, now))
    return [demande for demande in shown if not (demande.may_hide and demande.request_id in hidden)]


def just_ended(demandes: Iterable[DemandeState], now: datetime) -> list[AskedFile]:
    """Return the files to announce to a screen reader, ready or failed, in the order of their end.

    A page that polls announces a file for longer than it waits between polls.
    """
    event = {ExportStatus.READY, ExportStatus.FAILED}
    ended = [
        it for demande in demandes for it in demande.files if it.status in event and it.finished_at
    ]
    recent = [it for it in ended if it.finished_at and now - it.finished_at < timedelta(minutes=1)]
    return sorted(recent, key=lambda it: (it.finished_at or now, it.export_id))


def _is_shown(
    demande: DemandeState, latest_by_content: dict[tuple[str, ...], int], now: datetime
) -> bool:
    stage = demande.stage
    if stage is Stage.REFUSED:
        shown = timedelta(hours=1) if demande.event_type == REQUEST_CANCEL else SHOWN_ONCE_FAILED
        return now - demande.requested_at < shown
    if stage in {Stage.QUEUED, Stage.RUNNING}:
        return True
    if stage is Stage.FAILED:
        failed = [file for file in demande.files if file.status is ExportStatus.FAILED]
        stands = any(latest_by_content[file.same_as] == file.export_id for file in failed)
        return stands and now - _ended_at(demande) < SHOWN_ONCE_FAILED
    return stage is Stage.CANCELLED and now - _ended_at(demande) < timedelta(minutes=15)


def _ended_at(demande: DemandeState) -> datetime:
    return max(
        (file.finished_at for file in demande.files if file.finished_at),
        default=demande.requested_at,
    )


REQUESTS = "demandes"
"""The page of « Vos demandes », shown on two tabs."""

DEPOT = "depot"
"""The page of deposits; it also shows notes of publications."""

_MOST_BYTES = 2400
"""Bytes of the entries; a cookie holds 4096 with the rest of the session (RFC 6265, section 6.1)."""

_KEY = "envoyees"


@dataclass(frozen=True)
class Sent:
    """An event that the agent sent from the page.

    `about` holds the files or rows that a note names. `demande` is set once a worker has read the event. `is_kept`: the
    screen has spooled the event, since the broker refuses messages for now.
    """

    event_id: str
    words: str
    sent_at: datetime
    about: tuple[int, ...] = ()
    demande: DemandeState | None = None
    is_kept: bool = False

    @property
    def refusal(self) -> str:
        return self.demande.reason if self.demande else ""

    def is_late(self, now: datetime) -> bool:
        """Whether no worker has read it for so long that the page shows a possible cause."""
        return now - self.sent_at > timedelta(minutes=1)


@dataclass(frozen=True)
class PendingDeclarations:
    """Requests or notes of a page, newest first: unread by a worker, or just recorded or refused (shown once)."""

    waiting: tuple[Sent, ...] = ()
    recorded: tuple[Sent, ...] = ()
    refused: tuple[Sent, ...] = ()

    def words_about(self, number: int) -> str:
        """Return the words of a pending note about a file or a row; empty if there is none."""
        return next((it.words for it in self.waiting if number in it.about), "")


def send_request(
    context: PageContext, data: Data, words: str, *, page: str = REQUESTS, about: Iterable[int] = ()
) -> None:
    """Publish the event of a form, once, and remember it for a page until a worker has read it.

    Raises:
        FormRefused: the event was not sent; the reason is for the administrator.
    """
    event = CloudEvent.wrap(data, source=context.services.settings.source)
    once = uuid5(
        UUID(read_once(context.form)), json.dumps(event.data, sort_keys=True)
    )  # same form, same content
    event = event.model_copy(update={"id": str(once), "correlationid": str(once)})
    try:
        context.publish(event)
    except ProducerError as error:
        raise FormRefused({}, failure=str(error)) from None
    remember(context.request, event, words, commune=context.commune.code, page=page, about=about)


def send_note(
    context: PageContext,
    page: str,
    note: FileNote | RegisterNote | ScreenNote,
    words: str,
    about: Iterable[int] = (),
    *,
    query: str = "",
    seen: str | None = None,
) -> Response:
    """Publish the note of a form of that page, once, as `send_request` does; return to the page, with the `query`.

    `about` holds the files of the note, or the rows that the page marks until the note is recorded. `seen`: what the
    agent saw of the notes that this one replaces, for the worker; None: not compared.
    """
    about = list(about)
    who = {"commune": context.commune.code, "requested_by": context.agent.name}
    data: Data
    if isinstance(note, ScreenNote):
        data = ScreenNoted(note=note, **who)
    else:
        data = DeclarationNoted(
            note=note, exports=about if isinstance(note, FileNote) else None, seen=seen, **who
        )
    send_request(context, data, words, page=page, about=about)
    return context.redirect(page, f"{query}#enregistrement")


def note_page(
    context: PageContext,
    template: str,
    pending: PendingDeclarations,
    *,
    is_waiting: bool = False,
    **values: Any,  # noqa: ANN401 — for the template
) -> Response:
    """Render a page with what the agent has sent from it; it polls while a note is pending, or if `is_waiting`.

    The caller reads `pending` before the values: a note recorded meanwhile is still pending, and the page polls again,
    or it is already in the values.
    """
    response = context.render(template, pending=pending, is_waiting=is_waiting, **values)
    is_done = not (pending.waiting or is_waiting)
    # `screen.js` announces typed text by a header: the page then shows a link to itself instead.
    if is_done and is_partial(context.request) and "x-written" not in context.request.headers:
        response.headers["HX-Refresh"] = "true"
    return response


def remember(
    request: Request,
    event: CloudEvent,
    words: str,
    *,
    commune: str,
    page: str,
    about: Iterable[int] = (),
) -> None:
    """Store a sent event in the session; a duplicate replaces its entry."""
    others = [it for it in request.session.get(_KEY, []) if it[0] != event.id]
    entries = [*others, [event.id, commune, page, words, event.time.isoformat(), list(about)]]
    while len(entries) > 1 and len(json.dumps(entries)) > _MOST_BYTES:
        del entries[0]
    request.session[_KEY] = entries


def read_declarations(context: PageContext, page: str) -> PendingDeclarations:
    """Return what the agent has sent from a page.

    Events that a worker has read, or refused, are removed from the session once a whole page has shown them.
    """
    here = _look(context, page)
    waiting = tuple(it for it in here if it.demande is None)
    refused = tuple(it for it in here if it.demande and it.demande.is_refused)
    recorded = tuple(it for it in here if it.demande and not it.demande.is_refused)
    session, kept = context.request.session, {it.event_id for it in waiting}
    entries = session.get(_KEY, [])
    left = [it for it in entries if it[0] in kept or (it[1], it[2]) != (context.commune.code, page)]
    if len(left) != len(entries) and not is_partial(
        context.request
    ):  # partial responses may overtake each other
        session[_KEY] = left
    return PendingDeclarations(waiting, recorded, refused)


def _look(context: PageContext, page: str) -> list[Sent]:
    services, here = context.services, [context.commune.code, page]
    entries = [it for it in reversed(context.request.session.get(_KEY, [])) if it[1:3] == here]
    known = find_requests(
        services.state, services.sender, services.settings.source, {it[0] for it in entries}
    )
    since = services.clock() - timedelta(hours=12)
    sent = [
        Sent(
            number,
            words,
            datetime.fromisoformat(at),
            tuple(about),
            known.get(number),
            services.spool.holds(number),
        )
        for number, _, _, words, at, about in entries
    ]
    return [it for it in sent if it.demande or it.sent_at > since]
