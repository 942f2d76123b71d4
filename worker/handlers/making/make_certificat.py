"""Draws the certificate of publication of a tableau: one page to sign, with the declared days, beside the tableau."""

from typing import Any

import structlog
from sqlalchemy import Row

from common.french import describe_missing, format_moment, of_commune, weekday_date
from common.law import law_of
from common.texte import clean
from schemas.tableaux import why_never_published
from schemas.vocabulary import ExportStatus, Piece, PublicationMode
from worker.db.engine import snapshot
from worker.domain.letter import BLANK, Letter, mairie
from worker.exports.depots import take_uncertified
from worker.exports.models import Export, piece_name, titre_of
from worker.exports.records import add_piece
from worker.exports.storage import publish
from worker.registre.communes import read_commune
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
    from worker.pdf.letter import render_letter  # fonts and reportlab: list workers do without

    with snapshot(services.registre) as connection:
        commune = read_commune(connection, tableau.code_commune)
    nom = clean(commune.nom) if commune else tableau.code_commune
    code, name = tableau.code_commune, piece_name(tableau.file_name, Piece.CERTIFICAT)
    with services.engine.begin() as connection:
        hold(connection, claim)
        published = take_uncertified(connection, tableau.id) if _is_publishable(tableau) else None
        if published is not None:
            with services.storage.pending(code, name, claim.owner) as pdf:
                render_letter(compose_certificat(tableau, published, nom), pdf)
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


def compose_certificat(file: Export, published: Row[Any], nom: str) -> Letter:
    """Return the certificate to sign; equal records give equal words."""
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
    incomplete = (
        f"Tableau publié incomplet. Il y manque : {missing}. Raison notée : {published.reason}"
    )
    edited = format_moment(file.request.created_at, file.code_commune)
    return Letter(
        titre="Certificat de publication",
        nom_commune=nom,
        expediteur=mairie(of_commune(nom)),
        destinataire=(),
        lieu=f"{nom}, le {BLANK[:20]}",
        objet="Certificat de publication",
        reference=f"{titre_of(file)} – {_law_of(file)}",
        corps=(
            f"Le maire {of_commune(nom)} certifie que le tableau désigné ci-dessous {said}.",
            *([incomplete] if missing else []),
            f"Tableau : {file.label}",
        ),
        signataire="Le maire, ou par délégation :",
        pied=(
            f"Tableau édité le {edited}. Fichier : {file.file_name}",
            f"Empreinte SHA-256 : {file.sha256}",
            _PROOF,
        ),
    )


def _law_of(file: Export) -> str:
    return law_of(file.type_tableau, file.parameters.get("scrutin"), file.code_commune)
