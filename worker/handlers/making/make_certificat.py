"""The certificate of publication of a tableau: one page to sign, with the declared days, beside the tableau.

The message of a ready tableau triggers it, as that of a list triggers the fingerprint. If the message is lost,
a second declaration of the publication sends another.
"""

from typing import Any

import structlog
from sqlalchemy import Engine, Row

from common.french import at_commune, format_moment, of_commune, weekday_date
from common.incomplete import describe_missing
from common.law import law_of
from common.texte import clean
from schemas.tableaux import Presentation, why_never_published
from schemas.vocabulary import ExportKind, Piece, PublicationMode
from worker.db.engine import snapshot
from worker.domain.tableau.model import Signataire, Signatures, Tableau
from worker.errors import DiskFullError
from worker.exports.depots import take_uncertified
from worker.exports.lease import new_owner
from worker.exports.models import Export
from worker.exports.naming import piece_name, titre_of
from worker.exports.records import add_piece
from worker.exports.storage import Storage, publish
from worker.registre.communes import read_commune
from worker.registre.reference import name_departement

TITRE = "Certificat de publication"

_SAID = {
    PublicationMode.AFFICHAGE: "a été affiché",
    PublicationMode.CONSULTATION: "a été tenu à la disposition des électeurs, à la mairie,",
}
_PROOF = (
    "L’empreinte SHA-256 désigne le fichier publié, à l’octet près : « Vérifier un fichier » du Module Préfecture "
    "dit si un fichier est celui-là."
)

log = structlog.get_logger()


def keep_certificat(engine: Engine, registre: Engine, storage: Storage, file: Export) -> None:
    """Draw and record the certificate of a published tableau that has none; do nothing for any other file."""
    if file.kind != ExportKind.TABLEAU or file.purged_at:
        return
    if why_never_published(file.type_tableau, file.presentation, file.edition):
        return
    from worker.pdf.render import render_letter  # fonts and reportlab: list workers do without

    with snapshot(registre) as connection:
        commune = read_commune(connection, file.code_commune)
    nom = clean(commune.nom) if commune else file.code_commune
    departement = name_departement(commune.code_departement) if commune else ""
    try:
        with engine.begin() as connection:
            published = take_uncertified(connection, file.id)
            if published is None:
                return
            with storage.pending(file.code_commune, piece_name(file.file_name, Piece.CERTIFICAT), new_owner()) as pdf:
                render_letter(*compose_certificat(file, published, nom, departement), pdf)
                add_piece(connection, file.id, Piece.CERTIFICAT, pdf.finish())
                publish([pdf])
    except DiskFullError as full:
        log.warning("certificat_not_drawn", export_id=file.id, error=full.code)
        return
    log.info("certificat_drawn", export_id=file.id)


def compose_certificat(file: Export, published: Row[Any], nom: str, departement: str) -> tuple[Tableau, list[str]]:
    """Return the head of the page with its signatory, and the lines; equal records give equal words."""
    head = Tableau(
        type=file.type_tableau,
        presentation=Presentation.COMMUNE.value,
        titre=TITRE,
        reference_legale=law_of(file.type_tableau, file.parameters.get("scrutin")).reference_legale,
        nom_commune=nom,
        code_commune=file.code_commune,
        departement=departement,
        liste=f"{file.nom_liste.label} — {file.nom_liste.value}",
        objet=titre_of(file),
        edite_le=f"Tableau édité le {format_moment(file.request.created_at, file.code_commune)}",
        is_provisoire=False,
        sections=(),
        signatures=Signatures(Signataire.MAIRE.value, 1, f"Fait {at_commune(nom)}, le …"),
        notes=(_PROOF,),
    )
    first, last = published.published_on, published.published_until or published.published_on
    days = f"le {weekday_date(first)}" if first == last else f"du {weekday_date(first)} au {weekday_date(last)} inclus"
    withdrawn = f", puis retiré le {weekday_date(published.withdrawn_on)}" if published.withdrawn_on else ""
    said = f"{_SAID[published.mode]} {days}{withdrawn}"
    missing = describe_missing(file.anomalies) if file.a_completer else ""
    return head, [
        f"Le maire {of_commune(nom)} certifie que le tableau désigné ci-dessous {said}.",
        *([f"Tableau publié incomplet. Il y manque : {missing}. Raison notée : {published.reason}"] if missing else []),
        f"Tableau : {file.label}",
        f"Fichier : {file.file_name}",
        f"Empreinte SHA-256 : {file.sha256}",
    ]
