"""The cards of « Vos demandes »: which requests are shown, their state, their words, and the files ahead."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jinja2 import Environment

from common.french import count_of
from producers.records import FileState, Toned
from producers.web.exports.query import AskedFile
from producers.web.forms import once_for
from producers.web.suivi.query import DemandeState, RecentActivity
from schemas.topology import (
    REQUEST_CANCEL,
    REQUEST_LISTE_EXPORT,
    REQUEST_RETRY,
    REQUEST_TABLEAUX_RENDER,
)
from schemas.vocabulary import ExportStatus

SHOWN_ONCE_DONE = timedelta(minutes=15)
"""How long a cancelled request stays visible, and the end of a file is announced."""

SHOWN_ONCE_FAILED = timedelta(days=7)
"""How long a failure stays visible, unless the file is requested again."""

SHOWN_ONCE_NOT_CANCELLED = timedelta(hours=1)

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
    FileState.TO_CORRECT: "à corriger",
    FileState.PROVISOIRE: "provisoire",
    FileState.TO_COMPLETE: "à compléter",
    FileState.OUTDATED: "ancienne",
}
"""The label of a request from the state of one of its files, worst first."""


@dataclass(frozen=True)
class RequestCard:
    demande: DemandeState
    stage: Stage
    ahead: int | None = None
    """Other requests' files before its first queued one; None if it is not queued, or in a batch."""

    @property
    def tone(self) -> str:
        """The tone of its badge, a class of the style sheet."""
        return (self._worst or self.stage).tone

    @property
    def label(self) -> str:
        """The label of its state; a request with an unusable file is not called ready."""
        return _OF_FILES[self._worst] if self._worst else self.stage.label

    @property
    def _worst(self) -> FileState | None:
        """The worst later state of a successful request's files; None if all are usable."""
        if self.stage is not Stage.READY:
            return None
        states = {file.state for file in self.demande.files}
        return next((state for state in _OF_FILES if state in states), None)

    @property
    def is_about_tableaux(self) -> bool:
        return self.demande.event_type == REQUEST_TABLEAUX_RENDER or any(it.is_tableau for it in self.demande.files)

    @property
    def asks_for_files(self) -> bool:
        """Whether it produces files; else it records a note."""
        return self.demande.event_type in {REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER, REQUEST_RETRY}

    @property
    def may_hide(self) -> bool:
        """Whether its state is final and it can be hidden."""
        return self.stage in {Stage.REFUSED, Stage.FAILED, Stage.CANCELLED}

    @property
    def may_cancel(self) -> bool:
        return any(not file.status.is_terminal for file in self.demande.files)

    @property
    def to_retry(self) -> tuple[AskedFile, ...]:
        again = {ExportStatus.FAILED, ExportStatus.CANCELLED}
        return tuple(file for file in self.demande.files if file.status in again)


def build_cards(recent: RecentActivity, now: datetime, hidden: Collection[int] = ()) -> tuple[RequestCard, ...]:
    """Return the unfinished or unsuccessful requests, newest first, except those that the agent hid.

    Finished files are in « Derniers exports » only.
    """
    latest_by_content: dict[tuple[str, ...], int] = {}
    for demande in recent.demandes:
        for file in demande.files:
            if file.status is not ExportStatus.CANCELLED:
                latest_by_content[file.same_as] = max(file.export_id, latest_by_content.get(file.same_as, 0))
    cards = (
        make_card(demande, recent.waiting) for demande in recent.demandes if _is_shown(demande, latest_by_content, now)
    )
    return tuple(card for card in cards if not (card.may_hide and card.demande.request_id in hidden))


def make_card(demande: DemandeState, waiting: Sequence[int] = ()) -> RequestCard:
    """Return the card of one request, with the number of `waiting` files ahead."""
    return RequestCard(demande, stage_of(demande), _count_ahead(demande.files, waiting))


def stage_of(demande: DemandeState) -> Stage:
    if demande.is_refused:
        return Stage.REFUSED
    states = {file.status for file in demande.files}
    if not all(status.is_terminal for status in states):
        return Stage.QUEUED if states == {ExportStatus.QUEUED} else Stage.RUNNING
    if ExportStatus.FAILED in states:
        return Stage.FAILED
    return Stage.READY if ExportStatus.READY in states else Stage.CANCELLED


def just_ended(demandes: Iterable[DemandeState], now: datetime) -> list[AskedFile]:
    """Return the files to announce, ready or failed, in the order of their end."""
    event = {ExportStatus.READY, ExportStatus.FAILED}
    ended = [it for demande in demandes for it in demande.files if it.status in event and it.finished_at]
    recent = [it for it in ended if it.finished_at and now - it.finished_at < SHOWN_ONCE_DONE]
    return sorted(recent, key=lambda it: (it.finished_at or now, it.export_id))


def _is_shown(demande: DemandeState, latest_by_content: dict[tuple[str, ...], int], now: datetime) -> bool:
    stage = stage_of(demande)
    if stage is Stage.REFUSED:
        shown = SHOWN_ONCE_NOT_CANCELLED if demande.event_type == REQUEST_CANCEL else SHOWN_ONCE_FAILED
        return now - demande.requested_at < shown
    if stage in {Stage.QUEUED, Stage.RUNNING}:
        return True
    if stage is Stage.FAILED:
        failed = [file for file in demande.files if file.status is ExportStatus.FAILED]
        stands = any(latest_by_content[file.same_as] == file.export_id for file in failed)
        return stands and now - _ended_at(demande) < SHOWN_ONCE_FAILED
    return stage is Stage.CANCELLED and now - _ended_at(demande) < SHOWN_ONCE_DONE


def _ended_at(demande: DemandeState) -> datetime:
    return max((file.finished_at for file in demande.files if file.finished_at), default=demande.requested_at)


def _count_ahead(files: Sequence[AskedFile], waiting: Sequence[int]) -> int | None:
    queued = [file.export_id for file in files if file.status is ExportStatus.QUEUED]
    if not queued or any(file.is_bulk for file in files):
        return None
    own = {file.export_id for file in files}
    return sum(1 for number in waiting if number < min(queued) and number not in own)


def request_words(demande: DemandeState) -> str:
    """Return the words of a request: `Liste électorale, 3 fichiers`, `Tableau des vingt jours, 1 fichier`."""
    if not demande.files:
        return _WITHOUT_FILES.get(demande.kind or demande.event_type, "Demande")
    first, number = demande.files[0], count_of(len(demande.files), "fichier", "fichiers")
    if not first.is_tableau:
        what = "Liste électorale"
    else:
        titres = {file.titre for file in demande.files}
        what = first.titre if len(titres) == 1 else "Tableaux"
    return f"{what}, {number}"


def wait_words(card: RequestCard) -> str:
    if any(file.is_bulk for file in card.demande.files):
        return "Elle fait partie d'un lot, et passe après ce que les communes demandent une à une."
    if card.ahead:
        before = count_of(card.ahead, "fichier d'une autre demande passe", "fichiers d'autres demandes passent")
        return f"{before} avant elle."
    return "Elle est la prochaine : un service la prendra dès qu'il sera libre."


def add_request_words(environment: Environment) -> None:
    environment.filters.update(request_words=request_words, wait_words=wait_words)
    environment.globals["once_for"] = once_for
