"""The event `screen.note`: the screen's records about its agents. Only the account of the screen may send it."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select, update

from common.french import count_of
from schemas.envelope import CloudEvent
from schemas.screen_notes import (
    AnomaliesHandled,
    DownloadBegun,
    ElecteursSeen,
    LoggedIn,
    ScreenNote,
    ScreenNoted,
    SettingsReported,
    WishesChosen,
)
from schemas.vocabulary import Piece, Wish, join_wishes, split_wishes
from worker.access.authorization import Authorization
from worker.access.models import Agent
from worker.audit import Action, Actor, note_settings, record_audit
from worker.errors import RefusedError
from worker.exports.models import Export
from worker.handlers.declarations.file_notes import Declaration
from worker.handlers.requests.export_plan import read_data
from worker.services import Services


@dataclass(frozen=True)
class ScreenDeclaration(Declaration):
    """One note of the screen."""

    note: ScreenNote = field(kw_only=True)

    def apply(self, connection: Connection, now: datetime) -> None:  # noqa: ARG002 — no note has a day
        """Write the note in the audit trail; write a login and wishes to the table of agents too."""
        match self.note:
            case SettingsReported(settings=settings):
                note_settings(connection, Actor(self.requested_by, self.account), settings)
            case LoggedIn(identity=identity):
                self._record(connection, self._bind(connection, identity), "")
            case WishesChosen(wishes=wishes):
                self._record(connection, Action.WISHES_CHANGED, self._choose(connection, join_wishes(wishes)))
            case ElecteursSeen(page=page, electeurs=electeurs, export=export):
                said = f"{page.label} : {count_of(electeurs, 'électeur')}"
                said += f", {self._name_of(connection, export)}" if export is not None else ""
                self._record(connection, Action.ELECTEURS_SEEN, said, export)
            case AnomaliesHandled(export=export, lines=lines, is_handled=is_handled):
                self._name_of(connection, export)
                numbers = ", ".join(map(str, sorted(set(lines))))  # producers.web.anomalies.page parses this text
                said = f"{'traité' if is_handled else 'à traiter'}, lignes du rapport : {numbers}"
                self._record(connection, Action.ANOMALIES_HANDLED, said, export)
            case DownloadBegun(export=export, piece=piece):
                said = self._name_of(connection, export) + ("" if piece is Piece.FICHIER else f" ({piece})")
                self._record(connection, Action.DOWNLOAD_BEGUN, said, export)

    def _bind(self, connection: Connection, identity: str) -> Action:
        is_agent = Agent.name == self.requested_by
        bound = connection.scalars(select(Agent.identity).where(is_agent).with_for_update()).all()
        if not bound:
            raise self._unknown_agent()
        if not set(bound) <= {"", identity}:
            return Action.LOGIN_REFUSED
        connection.execute(update(Agent).where(is_agent).values(identity=identity))
        return Action.LOGGED_IN

    def _choose(self, connection: Connection, kinds: str) -> str:
        is_it = Agent.name == self.requested_by, Agent.code_commune == self.commune
        if not connection.execute(update(Agent).where(*is_it).values(kinds=kinds)).rowcount:
            raise self._unknown_agent()
        return ", ".join(wish.label for wish in Wish if wish in split_wishes(kinds)) or "rien"

    def _unknown_agent(self) -> RefusedError:
        reason = "Cet agent n'est pas inscrit pour la commune."
        return RefusedError(reason, code="agent_inconnu", field="data.requested_by")

    def _name_of(self, connection: Connection, export_id: int) -> str:
        is_it = Export.id == export_id, Export.code_commune == self.commune
        if (name := connection.scalar(select(Export.file_name).where(*is_it))) is None:
            raise RefusedError(
                f"Fichier inconnu : un des numéros n'est pas celui d'un fichier de {self.commune}.",
                code="fichier_inconnu",
                field="data.note.export",
            )
        return name

    def _record(self, connection: Connection, action: Action, detail: str, export_id: int | None = None) -> None:
        by = Actor(self.requested_by, self.account)
        record_audit(connection, action, actor=by, code_commune=self.commune, export_id=export_id, detail=detail)


def read_screen_note(event: CloudEvent, services: Services, authorization: Authorization) -> ScreenDeclaration:  # noqa: ARG001
    """Read the note of an event.

    Raises:
        RefusedError: the sender is not the screen, or the note cannot be recorded.
    """
    asked = read_data(event, ScreenNoted)
    authorization.require_screen(asked.commune)
    return ScreenDeclaration(asked.commune, asked.requested_by, event.time, note=asked.note)
