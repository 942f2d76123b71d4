"""Requests about the register: the preview of an export or of a correction, then the import that confirms it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from common.french import count_of, short_date
from schemas.envelope import CloudEvent
from schemas.profiles.source import SourceMapping, fold
from schemas.requests import (
    RegistreCorrectionRequested,
    RegistreImportRequested,
    RegistrePreviewRequested,
)
from schemas.vocabulary import Action, PreviewAct, PreviewStatus
from worker.access.authorization import Authorization
from worker.arrivals import Preview, accept, add_preview, read_preview
from worker.audit import Actor, WordKind, Words, record_audit
from worker.db.engine import reading, snapshot
from worker.errors import RefusedError
from worker.exports.models import Request
from worker.handlers.declarations.file_notes import refuse_future
from worker.handlers.requests.export_plan import read_data, require_own_register
from worker.registre.communes import read_commune
from worker.registre.imports.chain import find_link
from worker.registre.imports.report import ask_in_words
from worker.services import Services
from worker.work.queue import NewWork


@dataclass(frozen=True)
class PreviewOrder:
    """The preview of an export of the REU, or of an undo or another day of an import."""

    commune: str
    requested_by: str
    """The agent or the account."""
    columns: dict[str, Any]
    """Of the row; those of a correction have no arrival."""
    account: str = ""

    def apply(self, session: Session, request: Request) -> Sequence[NewWork]:
        """Insert the row, in the transaction of its request.

        Raises:
            RefusedError: the day of the export is in the future.
        """
        day = self.columns["taken_on"]
        refuse_future(day, request.created_at, commune=self.commune, field="taken_on")
        if "arrival" in self.columns:
            record_audit(
                session.connection(),
                Action.ARRIVAL_RECEIVED,
                actor=Actor(self.requested_by, self.account),
                code_commune=self.commune,
                detail=[
                    Words(WordKind.TEXTE, self.columns["file_name"]),
                    f", export du {short_date(day)}",
                ],
            )
        columns = self.columns | {"code_commune": self.commune, "requested_by": self.requested_by}
        return add_preview(session, request, columns)


def read_preview_order(
    event: CloudEvent, services: Services, authorization: Authorization
) -> PreviewOrder:
    """Read the request for a preview."""
    asked = read_data(event, RegistrePreviewRequested)
    authorization.require(asked.commune)
    require_own_register(services)
    with reading(services.registre) as connection:
        if read_commune(connection, asked.commune) is None:
            raise RefusedError(
                f"Commune inconnue : {asked.commune}. Vérifiez le code INSEE.",
                code="commune_inconnue",
                field="data.commune",
            )
    columns = asked.model_dump(include={"arrival", "sha256", "taken_on"})
    columns |= {"file_name": asked.file_name or asked.arrival, "liste": asked.liste or ""}
    return PreviewOrder(asked.commune, asked.requested_by, columns)


def read_correction_order(
    event: CloudEvent, services: Services, authorization: Authorization
) -> PreviewOrder:
    """Read the request for the preview of a correction.

    Raises:
        RefusedError: it cannot be fulfilled. The reason reveals nothing about imports of other communes.
    """
    asked = read_data(event, RegistreCorrectionRequested)
    authorization.require(asked.commune)
    require_own_register(services)
    with snapshot(services.registre) as connection:
        link, communes = find_link(connection, asked.import_id)
    if link is None or asked.commune not in communes:
        raise RefusedError(
            f"Export inconnu : aucun export repris de {asked.commune} n'a ce numéro.",
            code="import_inconnu",
            field="data.import_id",
        )
    if communes != {asked.commune}:
        raise RefusedError(
            "Cet export a des listes d'autres communes aussi : seule la personne qui administre le service le corrige.",
            code="import_partage",
            field="data.import_id",
        )
    if asked.act is PreviewAct.REDATE and link.is_dated and asked.taken_on == link.taken_on:
        raise RefusedError(
            f"Cet export est déjà du {short_date(link.taken_on)} : il n'y a rien à corriger.",
            code="jour_inchange",
            field="data.taken_on",
        )
    day = asked.taken_on if asked.act is PreviewAct.REDATE and asked.taken_on else link.taken_on
    columns: dict[str, Any] = {"act": asked.act, "import_id": asked.import_id, "taken_on": day}
    columns |= {"sha256": link.sha256, "file_name": link.file_name}
    return PreviewOrder(asked.commune, asked.requested_by, columns)


@dataclass(frozen=True)
class ImportOrder:
    """The answer to a preview: the export is imported, or the import undone or redated, or its columns are matched."""

    commune: str
    requested_by: str
    asked: RegistreImportRequested
    was: PreviewStatus
    mapping: dict[str, Any] | None
    account: str = ""

    def apply(self, session: Session, request: Request) -> Sequence[NewWork]:
        """Accept the preview, in the transaction of its request.

        Raises:
            RefusedError: the preview is no longer ready.
        """
        asked = self.asked
        terms: dict[str, Any] = asked.model_dump(
            mode="json", include={"accept_rejects", "accept_changes", "empty", "reason"}
        )
        terms |= {"by": self.requested_by, "account": self.account, "mapping": self.mapping}
        works = accept(session.connection(), asked.preview, request, terms, self.was)
        if not works:
            raise _closed("on vient de répondre à cet aperçu")
        return works


def read_import_order(
    event: CloudEvent, services: Services, authorization: Authorization
) -> ImportOrder:
    """Read the request for an import."""
    asked = read_data(event, RegistreImportRequested)
    authorization.require(asked.commune)
    with snapshot(services.engine) as connection:
        preview = read_preview(connection, asked.preview)
    if preview is None or preview.code_commune != asked.commune:
        raise RefusedError(
            f"Aperçu inconnu : aucun aperçu de {asked.commune} n'a ce numéro. Renvoyez cet événement "
            "une fois l'aperçu annoncé, avec un « id » nouveau.",
            code="apercu_inconnu",
            field="data.preview",
        )
    if preview.sha256 != asked.sha256:
        raise RefusedError(
            "L'aperçu est celui d'un autre fichier : regardez-le de nouveau avant de le reprendre.",
            code="apercu_autre_fichier",
            field="data.sha256",
        )
    was, mapping = PreviewStatus(preview.status), preview.terms.get("mapping")
    if was is PreviewStatus.TO_MATCH and asked.mapping:
        titles = {fold(it["title"]) for it in (preview.found or {})["matching"]["columns"]}
        said = asked.mapping.only(titles)
        mapping = SourceMapping.model_validate(mapping or {}).joined(said).model_dump(mode="json")
    elif was is not PreviewStatus.READY:
        raise _closed(was.label)
    else:
        _require_accepted(asked, preview)
    return ImportOrder(asked.commune, asked.requested_by, asked, was, mapping)


def _closed(state: str) -> RefusedError:
    return RefusedError(
        f"Cet export ne se reprend pas, ou plus : {state}.",
        code="apercu_clos",
        field="data.preview",
    )


def _require_accepted(asked: RegistreImportRequested, preview: Preview) -> None:
    """Check that each warning of the preview was accepted, and that no list of the file is to be emptied."""
    found = preview.found or {}
    if found.get("files", {}).get("used") and not asked.reason:
        raise RefusedError(
            "Des fichiers déposés, publiés, ou téléchargés pour l'affichage, seraient à refaire : dites pourquoi.",
            code="raison_manquante",
            field="data.reason",
        )
    if (rejected := found.get("lines_rejected", 0)) and not asked.accept_rejects:
        raise RefusedError(
            f"L'export a {count_of(rejected, 'ligne rejetée', 'lignes rejetées')} : il faut accepter de s'en passer.",
            code="rejets_non_acceptes",
            field="data.accept_rejects",
        )
    if (questions := found.get("questions", ())) and not asked.accept_changes:
        said = ask_in_words((it["found"], it["cause"]) for it in questions)
        raise RefusedError(
            f"{said} Il faut confirmer ces changements.",
            code="changements_non_confirmes",
            field="data.accept_changes",
        )
    if unknown := sorted(set(asked.empty) - {it["liste"] for it in found.get("kept", ())}):
        raise RefusedError(
            f"La liste {', '.join(unknown)} ne se vide pas : elle est dans l'export, ou n'est pas dans le registre.",
            code="liste_a_vider",
            field="data.empty",
        )
