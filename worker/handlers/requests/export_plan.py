"""Requests for files, for their retry and for their cancellation: reads each event and checks it.

The readers raise RefusedError when the request cannot be fulfilled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session, selectinload

from common.calendrier import civil_day, is_poll_day, now
from common.french import short_date
from common.regimes import read_regimes
from schemas.envelope import CloudEvent
from schemas.faults import explain, list_faults
from schemas.requests import (
    COPIE_MOST_DAYS,
    CancelRequested,
    Contract,
    CopieAsked,
    ListeExportRequested,
    RequestReference,
    RetryRequested,
    TableauPart,
    TableauxRenderRequested,
)
from schemas.rights import name_act
from schemas.topology import REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import (
    WITHOUT_KEY,
    Action,
    CopieFile,
    ExportKind,
    ExportStatus,
    FileFormat,
    Liste,
)
from worker.access.authorization import Authorization
from worker.arrivals import drop
from worker.audit import Actor, record_audit
from worker.db.engine import end_if_frozen, reading
from worker.db.types import utc_now
from worker.domain.tableau.demande import Calendrier, Demande, DemandeInvalide, dates_of
from worker.errors import ExportError, RefusedError
from worker.exports.models import Copie, EarlyCancel, Export, Request
from worker.exports.records import cancel, cancelled_by
from worker.registre.communes import read_commune
from worker.registre.imports.history import read_basis
from worker.registre.scrutins import read_calendrier
from worker.registre.secteurs import others_of
from worker.services import Services
from worker.work.queue import BATCH, NewWork

Asked = TypeVar("Asked", bound=Contract)

_DEMANDE = TypeAdapter(Demande)
_COLUMNS = {"type", "presentation", "edition", "secteur", "requested_at"}
"""Fields that are columns of the row."""

QUOTA = "quota"
"""The code of the refusal of a request when too much waits."""

_AGAIN = {ExportStatus.FAILED, ExportStatus.CANCELLED}
_MAKES = {
    ExportKind.LISTE: name_act(REQUEST_LISTE_EXPORT),
    ExportKind.TABLEAU: name_act(REQUEST_TABLEAUX_RENDER),
}
_COPIED = (
    "part",
    "kind",
    "liste",
    "format",
    "type_tableau",
    "presentation",
    "edition",
    "secteur",
    "parameters",
)


@dataclass(frozen=True)
class ExportPlan:
    """The files that a request asks for: the columns of a row each."""

    commune: str
    requested_by: str
    files: Sequence[Mapping[str, Any]]
    is_bulk: bool = False
    """Whether the request belongs to a batch."""

    @property
    def kind(self) -> ExportKind:
        """The kind of all its files."""
        return (
            ExportKind(self.files[0].get("kind", ExportKind.LISTE))
            if self.files
            else ExportKind.LISTE
        )


@dataclass(frozen=True)
class CopiePlan(ExportPlan):
    """An act about a copy of a list for an elector: its record, and the files that it makes."""

    copie: CopieAsked = field(kw_only=True)
    liste: Liste = field(kw_only=True)

    def record(self, connection: Connection, request: Request) -> Sequence[Mapping[str, Any]]:
        """Write the act in the table `copie` and in the trail, which names the number alone."""
        it, edition = self.copie, self.copie.edition
        if it.numero is None:
            asked = {
                "code_commune": self.commune,
                "liste": self.liste,
                "bureau": it.bureau,
                "recue_on": it.recue_on,
            }
            statement: Any = insert(Copie).values(
                **asked, demandeur=it.demandeur, qualite=it.qualite
            )
        else:
            values = {"decision": edition, "engagement_on": it.engagement_on, "motif": it.refus}
            today = civil_day(request.created_at, self.commune)
            is_it = (
                Copie.id == it.numero,
                Copie.code_commune == self.commune,
                Copie.liste == self.liste,
            )
            connection.execute(
                select(Copie.id).where(*is_it).with_for_update()
            )  # another answer waits here
            of_it = (
                Export.code_commune == self.commune,
                Export.parameters["copie"].as_integer() == it.numero,
            )
            stands = (
                Export.edition == Copie.decision,
                Export.status.not_in(_AGAIN),
                Export.recall_id.is_(None),
            )
            statement = (
                update(Copie)
                .where(*is_it, ~exists().where(*of_it, *stands))
                .values(**values, decided_on=today)
            )
        row = connection.execute(statement.returning(Copie.id, Copie.liste, Copie.recue_on)).first()
        if row is None or (it.engagement_on and it.engagement_on < row.recue_on):
            reason = "Demande de copie close, effacée, d'une autre liste, ou reçue après le jour de l'engagement."
            raise RefusedError(
                reason, commune=self.commune, code="copie_inconnue", field="data.copie.numero"
            )
        actor, number = Actor(request.requested_by, request.sender), f"{self.commune}-{row.id}"
        detail = f"n° {number} : {edition.label.lower()}"
        record_audit(
            connection, Action.COPIE_NOTED, actor=actor, code_commune=self.commune, detail=detail
        )
        accepted = {"accept_old_register": True} if it.accept_old_register else {}
        formats = [FileFormat.PDF, FileFormat.CSV] if it.engagement_on else [FileFormat.PDF]
        about = {
            "liste": row.liste,
            "edition": edition,
            "parameters": {"copie": row.id, "numero": number} | accepted,
        }
        return [{"part": f"{row.liste}.{edition}.{it}", "format": it, **about} for it in formats]


def plan_listes(event: CloudEvent, services: Services, authorization: Authorization) -> ExportPlan:
    """Read a request for list files: one row per list and per format."""
    asked = read_data(event, ListeExportRequested)
    authorization.require(asked.commune)
    require_register(services, asked.commune, asked.listes)
    if asked.copie:
        if asked.copie.edition is CopieFile.COPIE and not asked.copie.accept_old_register:
            _require_recent_register(services, asked.commune, asked.listes[0])
        return CopiePlan(
            asked.commune, asked.requested_by, (), copie=asked.copie, liste=asked.listes[0]
        )
    files = [{"part": f"{liste}.{it}", "liste": liste, "format": it} for liste, it in asked.parts()]
    return ExportPlan(asked.commune, asked.requested_by, files, asked.bulk)


def _require_recent_register(services: Services, code: str, liste: Liste) -> None:
    """Check that the export of a list is recent enough for a copy, which is of the day of the answer (L. 37).

    Raises:
        RefusedError: it is older, and the request does not accept that.
    """
    with reading(services.registre) as connection:
        versions = commune.versions if (commune := read_commune(connection, code)) else {}
        version = versions.get(liste)
        known = None if version is None else read_basis(connection, code, liste, version)
    if known and (civil_day(now(), code) - known.taken_on).days > COPIE_MOST_DAYS:
        raise RefusedError(
            f"La liste est d'après un export du REU du {short_date(known.taken_on)}, et une copie se remet à jour du "
            "jour de la réponse : importez d'abord un export récent, ou dites que celui-ci convient.",
            commune=code,
            code="registre_ancien",
            field="data.copie.accept_old_register",
        )


def plan_tableaux(
    event: CloudEvent, services: Services, authorization: Authorization
) -> ExportPlan:
    """Read a request for tableaux: a row per type, list and presentation, with the dates that it is counted from."""
    asked = read_data(event, TableauxRenderRequested)
    authorization.require(asked.commune)
    if asked.scrutin and not is_poll_day(asked.scrutin, asked.commune):
        raise RefusedError(
            f"On ne vote pas le {short_date(asked.scrutin)} : vérifiez la date du scrutin.",
            code="date_impossible",
            field="data.scrutin",
        )
    require_register(services, asked.commune, asked.listes)
    secteur = asked.secteur or 0
    with reading(services.registre) as connection:
        if secteur:
            _require_secteur(connection, asked.commune, secteur)
        calendriers = {
            liste: read_calendrier(connection, asked.commune, liste, secteur)
            for liste in asked.listes
        }
    for liste, calendrier in calendriers.items():
        _refuse_without_vote(asked, liste, calendrier)
    files = [
        _plan_tableau(asked, part, calendriers[part.liste], event.time) for part in asked.parts()
    ]
    return ExportPlan(asked.commune, asked.requested_by, files, asked.bulk)


def _require_secteur(connection: Connection, code_commune: str, secteur: int) -> None:
    """Check that a commune has a secteur, and that the register knows its bureaux."""
    try:
        others_of(connection, code_commune, secteur)
    except ExportError as error:
        raise RefusedError(
            f"{error}.", commune=code_commune, code="secteur_inconnu", field="data.secteur"
        ) from None


def _refuse_without_vote(
    asked: TableauxRenderRequested, liste: Liste, calendrier: Calendrier
) -> None:
    """Refuse the tableau of a list for a poll at which its electors do not vote, by the name of the poll."""
    libelle = calendrier.poll(asked.scrutin).libelle if asked.scrutin else ""
    votes = read_regimes().lists_of(libelle)
    if votes is not None and liste not in votes:
        raise RefusedError(
            f"La {liste.label.lower()} ne vote pas à ce scrutin ({libelle}) : demandez celui des listes qui votent.",
            code="liste_sans_vote",
            field="data.listes",
        )


def _plan_tableau(
    asked: TableauxRenderRequested, part: TableauPart, calendrier: Calendrier, now: datetime
) -> Mapping[str, Any]:
    try:
        demande = Demande(
            type=part.type, requested_at=now, **dates_of(asked, part.type, calendrier)
        )
    except DemandeInvalide as error:
        raise RefusedError(f"{error}.", code="date_manquante", field="data") from None
    return {
        "part": f"{part.type}.{part.liste}.{part.presentation}",
        "kind": ExportKind.TABLEAU,
        "liste": part.liste,
        "format": FileFormat.PDF,
        "type_tableau": part.type,
        "presentation": part.presentation,
        "edition": asked.edition,
        "secteur": demande.secteur,
        # a retry prints the same dates although the calendar has changed
        "parameters": _DEMANDE.dump_python(demande, mode="json", exclude=_COLUMNS),
        "provisoire_until": demande.final_on,
    }


def read_demande(export: Export, requested_at: datetime | None = None) -> Demande:
    """Read the request of a tableau from its row; `requested_at`: another instant than that of its own request."""
    columns = {
        "type": export.type_tableau,
        "presentation": export.presentation,
        "edition": export.edition,
        "secteur": export.secteur,
        "requested_at": requested_at or export.request.created_at,
        "code_commune": export.code_commune,
    }
    return _DEMANDE.validate_python(columns | export.parameters)


def plan_retry(event: CloudEvent, services: Services, authorization: Authorization) -> ExportPlan:
    """Read a request to make files again: one new row for each file that has no good bytes any more.

    Files that the request names are made again even if nothing is known against them.
    """
    asked = read_data(event, RetryRequested)
    authorization.require_somewhere()
    with reading(services.engine) as connection:
        known = _find_meant(connection, authorization, asked)
    if known is None:
        raise _unknown_request()
    authorization.require(known.code_commune)
    named = _choose(known, asked.exports)
    for kind in {export.kind for export in named}:
        authorization.require(known.code_commune, _MAKES[ExportKind(kind)])
    exports = [
        it for it in named if _is_lost(it) or (asked.exports and it.status == ExportStatus.READY)
    ]
    if not exports:
        raise RefusedError(
            "Rien à redemander : aucun de ces fichiers n'est en échec, annulé, à refaire, effacé ni perdu.",
            commune=known.code_commune,
            code="rien_a_redemander",
            field="data.request",
        )
    require_register(services, known.code_commune, [Liste(export.liste) for export in exports])
    for it in exports:
        if it.edition == CopieFile.COPIE and not it.parameters.get("accept_old_register"):
            _require_recent_register(services, known.code_commune, Liste(it.liste))
    files = [
        {name: getattr(it, name) for name in _COPIED}
        | {
            "provisoire_until": read_demande(it, event.time).final_on
            if it.kind == ExportKind.TABLEAU
            else None
        }
        for it in exports
    ]
    return ExportPlan(known.code_commune, asked.requested_by, files, known.lane == BATCH)


def _is_lost(export: Export) -> bool:
    """Whether a file was not made, is recalled, or has lost its bytes."""
    if export.status != ExportStatus.READY:
        return export.status in _AGAIN
    return export.recall_id is not None or export.purged_at is not None or bool(export.fault)


def read_data(event: CloudEvent, model: type[Asked]) -> Asked:
    """Validate the data of an event.

    Raises:
        RefusedError: it breaks the contract; the reason names the field, never its value.
    """
    try:
        return model.model_validate(event.data)
    except ValidationError as error:
        raise RefusedError(
            f"Demande invalide : {explain(error)}.",
            code="demande_invalide",
            faults=list_faults(error, "data", event.data),
        ) from None


def require_own_register(services: Services) -> None:
    """Check that this service keeps the register.

    Raises:
        RefusedError: another software keeps it.
    """
    if services.registre is not services.engine:
        raise RefusedError(
            "Le registre est tenu par un autre logiciel (PREFECTURE_REGISTRE_URL) : c'est là qu'il faut le noter.",
            code="registre_ailleurs",
            field="data.commune",
        )


def require_register(services: Services, code: str, listes: Sequence[Liste]) -> None:
    """Check that the register of a commune has the lists.

    Raises:
        RefusedError: the commune is unknown, or nothing was imported for it.
    """
    with reading(services.registre) as connection:
        commune = read_commune(connection, code)
    if commune is None:
        raise RefusedError(
            f"Commune inconnue : {code}. Vérifiez le code INSEE.",
            code="commune_inconnue",
            field="data.commune",
        )
    if not commune.versions:
        raise RefusedError(
            f"Aucun registre importé pour {code} : importez d'abord l'export du REU.",
            code="registre_absent",
            field="data.commune",
        )
    if Liste.PRINCIPALE in listes and Liste.PRINCIPALE not in commune.versions:
        raise RefusedError(
            f"Aucune liste principale importée pour {code} : importez d'abord l'export du REU.",
            code="registre_absent",
            field="data.listes",
        )


def find_request(
    connection: Connection, sender: str, reference: RequestReference
) -> Request | None:
    """Return the request of an account with its files; None if it is unknown, or of another account."""
    is_own = Request.sender == sender, Request.code.not_in(WITHOUT_KEY)
    named = Request.source == reference.source, Request.event_id == reference.id
    query = select(Request).where(*is_own, *named).options(selectinload(Request.exports))
    with Session(connection) as session:
        return session.scalars(query).one_or_none()


def _find_meant(
    connection: Connection, authorization: Authorization, asked: CancelRequested | RetryRequested
) -> Request | None:
    """Return the request that an event names by its key, else by its files.

    An account that acts for agents may name the files of another account: the agents see these files.
    """
    named = Request.source == asked.request.source, Request.event_id == asked.request.id
    of_files = select(Request).where(
        *named, Request.exports.any(Export.id.in_(asked.exports or ()))
    )
    with Session(connection) as session:
        found = session.scalars(of_files.options(selectinload(Request.exports))).first()
        if found and found.sender != authorization.sender:
            found = found if authorization.acts_for_agents(found.code_commune) else None
    return found or find_request(connection, authorization.sender, asked.request)


def _choose(request: Request, numbers: Sequence[int] | None) -> list[Export]:
    """Return the files of a request that are named, or all of them."""
    exports = {export.id: export for export in request.exports}
    meant = numbers or list(exports)
    if not exports.keys() >= set(meant):
        raise RefusedError(
            "Fichier inconnu : un des numéros n'est pas celui d'un fichier de cette demande.",
            commune=request.code_commune,
            code="fichier_inconnu",
            field="data.exports",
        )
    return [exports[number] for number in meant]


MOST_EARLY_CANCELS = 1_000
"""Cancellations of requests that have not arrived, of one account."""


@dataclass(frozen=True)
class Cancellation:
    """The cancellation of files and of an export of the REU. Ready files and imported exports stay.

    Its request may come by another queue, and later: then the fact is recorded, and the request ends
    cancelled when it arrives.
    """

    asked: CancelRequested
    sender: str
    """The account that sent the request; it may be another one than that of the cancellation."""
    commune: str = ""
    """Of the request; empty while it is unknown."""
    requested_by: str = ""
    account: str = ""

    def apply(self, connection: Connection) -> Sequence[NewWork]:
        """Cancel the files and drop the previews; return the works to erase the previews.

        Raises:
            RefusedError: nothing is left to cancel, or too many cancellations wait for their requests.
        """
        reference = self.asked.request
        lock_key(connection, self.sender, reference.source, reference.id)
        request = find_request(connection, self.sender, reference)
        if request is None:
            self._record_early(connection)
            return ()
        return cancel_request(
            connection, request, self.asked.exports, Actor(self.requested_by, self.account)
        )

    def _record_early(self, connection: Connection) -> None:
        if self.asked.exports:
            raise _unknown_request()
        own = EarlyCancel.sender == self.sender
        number = connection.scalar(select(func.count()).select_from(EarlyCancel).where(own)) or 0
        if number >= MOST_EARLY_CANCELS:
            raise too_many("d'annulations de ce compte attendent leur demande", MOST_EARLY_CANCELS)
        reference = self.asked.request
        key = {"sender": self.sender, "source": reference.source, "event_id": reference.id}
        known = select(EarlyCancel.sender).filter_by(**key)
        if connection.scalar(known) is None:
            named = {"requested_by": self.requested_by}
            connection.execute(insert(EarlyCancel).values(**key, **named))


def cancel_request(
    connection: Connection, request: Request, numbers: Sequence[int] | None, by: Actor
) -> Sequence[NewWork]:
    """Cancel the unfinished files of a request, or those that are named, and drop its previews.

    Returns:
        The works to erase the previews.

    Raises:
        RefusedError: nothing is left to cancel.
    """
    exports = _choose(request, numbers)
    number = cancel(connection, [it.id for it in exports], cancelled_by(by.name))
    previews, works = drop(connection, request.id)
    for preview_id in previews:
        said = f"aperçu {preview_id}"
        record_audit(
            connection,
            Action.ARRIVAL_DROPPED,
            actor=by,
            code_commune=request.code_commune,
            detail=said,
        )
    if not number and not previews:
        raise RefusedError(
            "Rien à annuler : ces fichiers sont déjà prêts, en échec ou annulés.",
            commune=request.code_commune,
            code="rien_a_annuler",
            field="data.request",
        )
    return works


def take_early_cancel(
    connection: Connection, sender: str, source: str, event_id: str
) -> str | None:
    """Delete the cancellation that came before its request; return the person who asked for it, None without one."""
    key = {"sender": sender, "source": source, "event_id": event_id}
    gone = delete(EarlyCancel).filter_by(**key).returning(EarlyCancel.requested_by)
    return connection.scalar(gone)


def lock_key(connection: Connection, sender: str, source: str, event_id: str) -> datetime:
    """Hold the key of a request until the end of the transaction, and return the instant.

    The cancellation of the request may come by another queue.
    """
    end_if_frozen(connection)
    if connection.dialect.name != "postgresql":  # SQLite has one writer at a time
        return connection.scalars(select(utc_now())).one()
    key = func.hashtextextended(f"{sender}\n{source}\n{event_id}", 0)
    instant: datetime
    _, instant = connection.execute(select(func.pg_advisory_xact_lock(key), utc_now())).one()
    return instant


def read_cancellation(
    event: CloudEvent, services: Services, authorization: Authorization
) -> Cancellation:
    """Read a request for cancellation."""
    asked = read_data(event, CancelRequested)
    authorization.require_somewhere()
    with reading(services.engine) as connection:
        known = _find_meant(connection, authorization, asked)
    if known is None:
        return Cancellation(asked, authorization.sender, requested_by=asked.requested_by)
    authorization.require(known.code_commune)
    _choose(known, asked.exports)
    return Cancellation(asked, known.sender, known.code_commune, asked.requested_by)


def _unknown_request() -> RefusedError:
    return RefusedError(
        "Demande introuvable : ce compte n'en a envoyé aucune de cet identifiant et de cette source. "
        "Renvoyez cet événement une fois la demande acceptée, avec un « id » nouveau.",
        code="demande_introuvable",
        field="data.request",
    )


def too_many(
    what: str, most: int, again: str = "celle-ci dans dix minutes", commune: str = ""
) -> RefusedError:
    """Return the refusal of a request because too much waits; `what` says of what, in French."""
    reason = f"Trop {what} ({most} au plus) : renvoyez {again}, avec un « id » nouveau."
    return RefusedError(reason, code=QUOTA, commune=commune)
