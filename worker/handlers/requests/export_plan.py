"""Requests for files, for their retry and for their cancellation: reads each event and checks it.

The readers raise RefusedError when the request cannot be fulfilled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, exists, insert, not_, or_, select, update
from sqlalchemy.orm import Session, selectinload

from common.calendrier import civil_day, is_poll_day
from common.french import short_date
from schemas.envelope import CloudEvent
from schemas.faults import explain, list_faults
from schemas.requests import (
    CancelRequested,
    Contract,
    CopieAsked,
    ListeExportRequested,
    RetryRequested,
    TableauPart,
    TableauxRenderRequested,
)
from schemas.topology import REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import Action, ExportKind, ExportStatus, FileFormat, Liste, RequestOutcome
from worker.access.authorization import Authorization
from worker.access.models import name_act
from worker.arrivals import drop
from worker.audit import Actor, record_audit
from worker.db.engine import reading
from worker.deferred import request_key
from worker.domain.tableau.demande import Calendrier, Demande, DemandeInvalide, dates_of
from worker.errors import NotKnownYetError, RefusedError
from worker.exports.models import WITHOUT_KEY, Copie, Export, Request
from worker.exports.records import cancel, cancelled_by
from worker.registre.communes import read_commune
from worker.registre.scrutins import read_calendrier
from worker.services import Services

Asked = TypeVar("Asked", bound=Contract)

_DEMANDE = TypeAdapter(Demande)
_COLUMNS = {"type", "presentation", "edition", "requested_at"}
"""Fields that are columns of the row."""

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
        formats = [FileFormat.PDF, FileFormat.CSV] if it.engagement_on else [FileFormat.PDF]
        about = {
            "liste": row.liste,
            "edition": edition,
            "parameters": {"copie": row.id, "numero": number},
        }
        return [{"part": f"{row.liste}.{edition}.{it}", "format": it, **about} for it in formats]


def plan_listes(event: CloudEvent, services: Services, authorization: Authorization) -> ExportPlan:
    """Read a request for list files: one row per list and per format."""
    asked = read_data(event, ListeExportRequested)
    authorization.require(asked.commune)
    require_register(services, asked.commune, asked.listes)
    if asked.copie:
        return CopiePlan(
            asked.commune, asked.requested_by, (), copie=asked.copie, liste=asked.listes[0]
        )
    files = [{"part": f"{liste}.{it}", "liste": liste, "format": it} for liste, it in asked.parts()]
    return ExportPlan(asked.commune, asked.requested_by, files, asked.bulk)


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
    with reading(services.registre) as connection:
        calendriers = {
            liste: read_calendrier(connection, asked.commune, liste) for liste in asked.listes
        }
    files = [
        _plan_tableau(asked, part, calendriers[part.liste], event.time) for part in asked.parts()
    ]
    return ExportPlan(asked.commune, asked.requested_by, files, asked.bulk)


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
        "requested_at": requested_at or export.request.created_at,
        "code_commune": export.code_commune,
    }
    return _DEMANDE.validate_python(columns | export.parameters)


def plan_retry(event: CloudEvent, services: Services, authorization: Authorization) -> ExportPlan:
    """Read a request to make files again: one new row for each file that failed or was cancelled.

    Files that the request names are made again even if they are ready, because they may be altered or purged.
    """
    asked = read_data(event, RetryRequested)
    known, named = find_request(asked, services, authorization)
    for kind in {export.kind for export in named}:
        authorization.require(known.code_commune, _MAKES[ExportKind(kind)])
    states = _AGAIN | {ExportStatus.READY} if asked.exports else _AGAIN
    exports = [export for export in named if export.status in states]
    if not exports:
        raise RefusedError(
            "Rien à redemander : aucun de ces fichiers n'est en échec ni annulé.",
            commune=known.code_commune,
            code="rien_a_redemander",
            field="data.request",
        )
    require_register(services, known.code_commune, [Liste(export.liste) for export in exports])
    files = [
        {name: getattr(it, name) for name in _COPIED}
        | {
            "provisoire_until": read_demande(it, event.time).final_on
            if it.kind == ExportKind.TABLEAU
            else None
        }
        for it in exports
    ]
    return ExportPlan(
        known.code_commune, asked.requested_by, files, any(it.is_bulk for it in exports)
    )


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
            faults=list_faults(error, "data"),
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
    asked: CancelRequested | RetryRequested, services: Services, authorization: Authorization
) -> tuple[Request, list[Export]]:
    """Find a request and the files that are named, or all. If several accounts used one id, it is the sender's own.

    Raises:
        NotKnownYetError: it is unknown, or of a commune that the sender may not ask for. The sender cannot distinguish
            these cases: in both, the event waits equally long before it is refused.
        RefusedError: one of the files is not of this request.
    """
    is_own = Request.sender == authorization.sender
    named = Request.source == asked.request.source, Request.event_id == asked.request.id
    is_meant = (
        Request.code.not_in(WITHOUT_KEY),
        or_(is_own, Request.outcome == RequestOutcome.ACCEPTED),
    )
    authorization.require_somewhere()
    query = select(Request).where(*named, *is_meant).options(selectinload(Request.exports))
    with reading(services.engine) as connection, Session(connection) as session:
        found = session.scalars(query.order_by(not_(is_own), Request.id)).all()
    communes = {
        it: {it.code_commune, *(export.code_commune for export in it.exports)} - {""}
        for it in found
    }
    request = next((it for it in found if all(map(authorization.allows, communes[it]))), None)
    if request is None:
        raise NotKnownYetError(
            "Demande introuvable : vérifiez son identifiant et sa source, et qu'elle est d'une commune dont ce compte "
            "peut demander les fichiers.",
            waits_for=request_key(asked.request.source, asked.request.id),
            code="demande_introuvable",
            field="data.request",
        )
    authorization.require(request.code_commune)
    exports = {export.id: export for export in request.exports}
    meant = asked.exports or list(exports)
    if not exports.keys() >= set(meant):
        raise RefusedError(
            "Fichier inconnu : un des numéros n'est pas celui d'un fichier de cette demande.",
            commune=request.code_commune,
            code="fichier_inconnu",
            field="data.exports",
        )
    return request, [exports[number] for number in meant]


@dataclass(frozen=True)
class Cancellation:
    """The cancellation of files and of an export of the REU. Ready files and imported exports stay.

    `request_id` None: the request has not arrived.
    """

    commune: str
    requested_by: str
    request_id: int | None
    export_ids: Sequence[int]
    account: str = ""

    def apply(self, connection: Connection) -> tuple[int, Sequence[int]]:
        """Cancel the files and drop the previews; return the number of files, and the previews to erase.

        Raises:
            RefusedError: nothing is left to cancel.
        """
        if self.request_id is None:
            return 0, ()
        number = cancel(connection, self.export_ids, cancelled_by(self.requested_by))
        previews = drop(connection, self.request_id)
        for preview_id in previews:
            by, said = Actor(self.requested_by, self.account), f"aperçu {preview_id}"
            record_audit(
                connection, Action.ARRIVAL_DROPPED, actor=by, code_commune=self.commune, detail=said
            )
        if not number and not previews:
            raise RefusedError(
                "Rien à annuler : ces fichiers sont déjà prêts, en échec ou annulés.",
                commune=self.commune,
                code="rien_a_annuler",
                field="data.request",
            )
        return number, previews


def read_cancellation(
    event: CloudEvent, services: Services, authorization: Authorization
) -> Cancellation:
    """Read a request for cancellation."""
    asked = read_data(event, CancelRequested)
    known, exports = find_request(asked, services, authorization)
    return Cancellation(
        known.code_commune, asked.requested_by, known.id, [export.id for export in exports]
    )
