"""Draws the certificate of publication of a tableau: one page to sign, with the declared days, beside the tableau."""

from typing import Any

import structlog
from sqlalchemy import Row

from common.french import at_commune, describe_missing, format_moment, of_commune, weekday_date
from common.law import law_of
from common.texte import clean
from schemas.tableaux import Presentation, why_never_published
from schemas.vocabulary import ExportStatus, Liste, Piece, PublicationMode
from worker.db.engine import snapshot
from worker.domain.tableau.model import Signataire, Signatures, Tableau
from worker.exports.depots import take_uncertified
from worker.exports.models import Export, piece_name, titre_of
from worker.exports.records import add_piece
from worker.exports.storage import publish
from worker.registre.communes import read_commune
from worker.registre.reference import name_departement
from worker.services import Services
from worker.work.queue import Claim, finish, hold

log = structlog.get_logger()

_SAID = {
    PublicationMode.AFFICHAGE: "a été affiché",
    PublicationMode.CONSULTATION: "a été tenu à la disposition des électeurs, à la mairie,",
}
_PROOF = (
    "L’empreinte SHA-256 désigne le fichier publié, à l’octet près : « Vérifier un fichier » du Module Préfecture "
    "dit si un fichier est celui-là."
)


def make_certificat(tableau: Export, claim: Claim, services: Services) -> None:
    """Draw and record the certificate of a published tableau that has none; finish the work.

    Raises:
        LeaseLostError: another worker holds the work; no certificate was published.
        DiskFullError: the volume has no room now.
    """
    from worker.pdf.render import render_letter  # fonts and reportlab: list workers do without

    with snapshot(services.registre) as connection:
        commune = read_commune(connection, tableau.code_commune)
    nom = clean(commune.nom) if commune else tableau.code_commune
    departement = name_departement(commune.code_departement) if commune else ""
    code, name = tableau.code_commune, piece_name(tableau.file_name, Piece.CERTIFICAT)
    with services.engine.begin() as connection:
        hold(connection, claim)
        published = take_uncertified(connection, tableau.id) if _is_publishable(tableau) else None
        if published is not None:
            with services.storage.pending(code, name, claim.owner) as pdf:
                render_letter(*compose_certificat(tableau, published, nom, departement), pdf)
                pdf.finish()
                add_piece(connection, tableau.id, Piece.CERTIFICAT, pdf)
                publish([pdf])
        finish(connection, [claim])
    if published is not None:
        log.info("certificat_drawn", export_id=tableau.id)


def _is_publishable(tableau: Export) -> bool:
    is_there = tableau.status == ExportStatus.READY and not tableau.purged_at
    never = why_never_published(
        tableau.type_tableau, tableau.presentation, tableau.edition, tableau.code_commune
    )
    return is_there and not never


def compose_certificat(
    file: Export, published: Row[Any], nom: str, departement: str
) -> tuple[Tableau, list[str]]:
    """Return the head of the page with its signatory, and the lines; equal records give equal words."""
    head = Tableau(
        type=file.type_tableau,
        presentation=Presentation.COMMUNE.value,
        titre="Certificat de publication",
        reference_legale=law_of(
            file.type_tableau, file.parameters.get("scrutin"), file.code_commune
        ),
        nom_commune=nom,
        code_commune=file.code_commune,
        departement=departement,
        liste=f"{Liste(file.liste).label} — {file.liste}",
        objet=titre_of(file),
        edite_le=f"Tableau édité le {format_moment(file.request.created_at, file.code_commune)}",
        is_provisoire=False,
        sections=(),
        signatures=Signatures(Signataire.MAIRE.value, 1, f"Fait {at_commune(nom)}, le …"),
        notes=(_PROOF,),
    )
    first, last = published.published_on, published.published_until or published.published_on
    days = (
        f"le {weekday_date(first)}"
        if first == last
        else f"du {weekday_date(first)} au {weekday_date(last)} inclus"
    )
    withdrawn = (
        f", puis retiré le {weekday_date(published.withdrawn_on)}" if published.withdrawn_on else ""
    )
    said = f"{_SAID[published.mode]} {days}{withdrawn}"
    missing = describe_missing(file.anomalies) if file.a_completer else ""
    return head, [
        f"Le maire {of_commune(nom)} certifie que le tableau désigné ci-dessous {said}.",
        *(
            [
                f"Tableau publié incomplet. Il y manque : {missing}. Raison notée : {published.reason}"
            ]
            if missing
            else []
        ),
        f"Tableau : {file.label}",
        f"Fichier : {file.file_name}",
        f"Empreinte SHA-256 : {file.sha256}",
    ]
