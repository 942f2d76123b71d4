"""An agent notes what no export of the REU says: the acts of the event `register_note`, each a use case of its own."""

from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import Connection

from common.french import capitalized
from schemas.declarations import (
    AnomaliesHandled,
    BureauDescribed,
    DownloadBegun,
    ElecteurProtected,
    ElecteursSeen,
    LoggedIn,
    MotifsCompleted,
    ProtectionLifted,
    RegisterAct,
    RegisterNoted,
    ReunionNoted,
    ReunionRemoved,
    ScrutinNoted,
    ScrutinRemoved,
    SettingsReported,
    WishesChosen,
)
from schemas.envelope import CloudEvent
from schemas.vocabulary import Liste
from worker.errors import RefusedError
from worker.exports.audit import Actor, note_settings
from worker.handlers import note_register as register
from worker.handlers.declarations.declaration import Declaration, refuse_future
from worker.handlers.requests.authorization import Authorization
from worker.handlers.requests.export_plan import read_data, require_own_register
from worker.handlers.services import Services
from worker.registre.communes import check_commune
from worker.registre.imports.lines import parse_bureau
from worker.registre.protections import find_electeur, find_protection
from worker.registre.scrutins import ALL_LISTS, KnownScrutin, Reunion

_ELSEWHERE = (WishesChosen, ElecteursSeen, AnomaliesHandled, DownloadBegun, LoggedIn, SettingsReported)
"""What is noted beside the register, whoever keeps it."""
_OnRecord = ElecteursSeen | AnomaliesHandled | DownloadBegun | LoggedIn | SettingsReported


@dataclass(frozen=True)
class RegisterNote(Declaration):
    """What an agent says; it is about no file."""

    act: RegisterAct = field(kw_only=True)

    @property
    def _by(self) -> Actor:
        return Actor(self.requested_by, self.account)

    def apply(self, connection: Connection, now: datetime) -> None:
        """Write it down, in the transaction of the request."""
        if isinstance(self.act, ReunionNoted):
            refuse_future(self.act.jour, now, commune=self.commune, field="note.jour")
        try:
            check_commune(connection, self.commune)
            self._write(connection)
        except RefusedError as refusal:
            raise RefusedError(
                f"{capitalized(str(refusal)).rstrip('.')}.",
                commune=self.commune,
                code=refusal.code,
                field=refusal.faults[0].field or "data.note",
            ) from None

    def _write(self, connection: Connection) -> None:
        match self.act:
            case ReunionNoted() | ReunionRemoved() | ScrutinNoted() | ScrutinRemoved() as of_the_calendar:
                self._change_calendar(connection, of_the_calendar)
            case ElecteurProtected() | ProtectionLifted() as of_protections:
                register.require_may_protect(connection, self.commune, self.requested_by)
                self._protect(connection, of_protections)
            case other:
                self._note(connection, other)

    def _change_calendar(
        self, connection: Connection, act: ReunionNoted | ReunionRemoved | ScrutinNoted | ScrutinRemoved
    ) -> None:
        commune, by = self.commune, self._by
        match act:
            case ReunionNoted(liste=liste, jour=jour, replaces=replaces, reason=reason):
                meeting = _reunion(liste, jour)._replace(has_deliberated=act.has_deliberated)
                register.note_reunion(connection, commune, meeting, replaces=replaces, by=by, reason=reason)
            case ReunionRemoved(liste=liste, jour=jour, reason=reason):
                register.forget_reunion(connection, commune, _reunion(liste, jour), by=by, reason=reason)
            case ScrutinNoted(jour=jour, replaces=replaces, reason=reason):
                values = act.model_dump(include=set(KnownScrutin._fields))
                scrutin = KnownScrutin(commune, jour, **values)
                register.note_scrutin(connection, scrutin, replaces=replaces, by=by, reason=reason)
            case ScrutinRemoved(jour=jour, reason=reason):
                register.forget_scrutin(connection, commune, jour, by=by, reason=reason)

    def _protect(self, connection: Connection, act: ElecteurProtected | ProtectionLifted) -> None:
        match act:
            case ElecteurProtected(electeur=electeur):
                found = find_electeur(connection, self.commune, electeur)
                register.protect(connection, self.commune, found, by=self._by)
            case ProtectionLifted(protection=protection):
                found = find_protection(connection, self.commune, protection)
                register.lift_protection(connection, self.commune, found, by=self._by)

    def _note(self, connection: Connection, act: MotifsCompleted | BureauDescribed | WishesChosen | _OnRecord) -> None:
        commune, by = self.commune, self._by
        match act:
            case MotifsCompleted(motifs=motifs):
                register.complete_motifs(connection, commune, motifs, by=by)
            case BureauDescribed(bureau=bureau) as described:
                description = described.model_dump(exclude={"act", "bureau"}, exclude_none=True)
                register.describe_bureau(connection, commune, parse_bureau(bureau), description, by=by)
            case WishesChosen(wishes=wishes):
                register.choose_wishes(connection, commune, wishes, by=by)
            case ElecteursSeen() as seen:
                register.note_seen(connection, commune, seen, by=by)
            case AnomaliesHandled() as handled:
                register.note_handled(connection, commune, handled, by=by)
            case DownloadBegun() as begun:
                register.note_download(connection, commune, begun, by=by)
            case LoggedIn(identity=identity):
                register.note_login(connection, commune, identity, by=by)
            case SettingsReported(settings=settings):
                note_settings(connection, by, settings)


def _reunion(liste: Liste | None, jour: date) -> Reunion:
    return Reunion(liste.value if liste else ALL_LISTS, jour)


def read_note(event: CloudEvent, services: Services, authorization: Authorization) -> RegisterNote:
    """Read what is noted.

    Raises:
        RefusedError: it cannot be recorded, and why.
    """
    asked = read_data(event, RegisterNoted)
    authorization.require(asked.commune)
    if not isinstance(asked.note, _ELSEWHERE):
        require_own_register(services, asked.commune)
    return RegisterNote(asked.commune, asked.requested_by, event.time, act=asked.note)
