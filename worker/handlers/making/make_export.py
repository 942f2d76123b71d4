"""Processes the message of an export: claims a file, makes it, and records the result.

The message of a ready tableau asks for its certificate of publication: one page to sign, with the declared days, beside
the tableau. If the message is lost, a second declaration of the publication sends another.
"""

import time
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Row
from sqlalchemy.orm import Session, joinedload

from common.french import at_commune, describe_missing, format_moment, of_commune, weekday_date
from common.law import law_of
from common.logs import request_keys
from common.texte import clean
from schemas.envelope import trace_id_of
from schemas.tableaux import Presentation, why_never_published
from schemas.vocabulary import CopieFile, ExportKind, ExportStatus, Liste, Piece, PublicationMode
from worker.db.engine import snapshot
from worker.domain.tableau.model import Signataire, Signatures, Tableau
from worker.doorbell import Doorbell
from worker.error_policy import UNKNOWN, conclude, lacks_descriptors
from worker.errors import (
    DatabaseAwayError,
    DiskFullError,
    ExhaustedError,
    ExportError,
    LeaseLostError,
    PrefectureError,
    TransientError,
)
from worker.exports.depots import take_uncertified
from worker.exports.lease import Heartbeat, give_back, new_owner
from worker.exports.models import Export, piece_name, titre_of
from worker.exports.records import add_piece, claim_file, give_up, is_overdue, mark_failed, release
from worker.exports.storage import Storage, publish
from worker.handlers.making.make_copie import make_copie
from worker.handlers.making.make_liste import keep_fingerprint, make_liste
from worker.handlers.making.make_tableau import make_tableau
from worker.registre.communes import read_commune
from worker.registre.reference import name_departement
from worker.services import Services
from worker.work.queue import Claim, renew_row

log = structlog.get_logger()

MORE_SECONDS = 20.0
"""For so many seconds a message makes further files of its share."""

_MAKERS = {ExportKind.LISTE: make_liste, ExportKind.TABLEAU: make_tableau}


def make_export(export_id: int, services: Services) -> None:
    """Make a file of the queue of this message; for a copy of the message the file is claimed or done.

    A share has one file made at a time, and the messages of its other files find none to make. So this message makes
    them too, for MORE_SECONDS; then the sweep sends theirs again.

    The message of a ready file asks for the fingerprint of a list that was deposited since, or for the certificate of a
    tableau that was published.

    Raises:
        Exception: the database is away, or this process lacks resources; the broker must deliver the message again.
    """
    deadline = time.monotonic() + MORE_SECONDS
    with services.engine.begin() as connection:
        enqueued = _read(connection, export_id)
        if enqueued is None:
            log.warning("export_unknown", export_id=export_id)
            return
        _bind_log(enqueued)
        taken = (
            None if enqueued.status == ExportStatus.READY else _take(connection, enqueued, services)
        )
    if enqueued.status == ExportStatus.READY:
        keep_fingerprint(services.engine, services.storage, enqueued)
        keep_certificat(services.engine, services.registre, services.storage, enqueued)
        with services.engine.begin() as connection:
            taken = _take(connection, enqueued, services)
    while taken is not None:
        export, claim = taken
        _bind_log(export)
        log.info("export_started", attempt=claim.starts)
        try:
            _work(export, claim, services)
        except LeaseLostError:
            log.warning("lease_lost")
        if not claim.part or time.monotonic() > deadline:
            return
        with services.engine.begin() as connection:
            taken = _take(connection, export, services, claim.part)


def _work(export: Export, claim: Claim, services: Services) -> None:
    try:
        keep = partial(
            renew_row, services.engine, claim, services.lease_seconds, Export.lines_written
        )
        still = TransientError("La production n'avançait plus : prévenez l'exploitant.")
        leave = partial(_give_back, export, claim, still, services)
        with Heartbeat(keep, services.lease_seconds, leave, services.stuck) as heartbeat:
            make = (
                make_copie if export.edition in set(CopieFile) else _MAKERS[ExportKind(export.kind)]
            )
            make(export, claim, heartbeat, services)
        log.info("export_ready")
    except LeaseLostError:
        raise
    except Exception as error:
        reason = _judge(error, services)
        _give_back(export, claim, reason, services)
        if isinstance(reason, DatabaseAwayError | ExhaustedError):
            raise reason from error  # the broker delivers the message again, to a capable process


def _judge(error: Exception, services: Services) -> PrefectureError:
    """Choose the error to record on the row; a bug must neither stop the worker nor lose the row.

    In a process that lacks memory or descriptors no error counts against the file: libraries raise errors of their own
    when they cannot read, and a module whose import failed is half initialised.
    """
    reason = conclude(error)
    if not isinstance(reason, TransientError) and (
        services.exhausted.is_set() or lacks_descriptors()
    ):
        reason = conclude(MemoryError())
    if isinstance(reason, ExhaustedError):
        services.exhausted.set()
    if isinstance(reason, ExportError):
        log.warning("export_failed", code=reason.code)
    elif isinstance(reason, TransientError):
        log.warning("export_delayed", code=reason.code, error=type(error).__name__)
    else:
        log.error("export_crashed", exc_info=error)
        return UNKNOWN.to_error()
    return reason


def _give_back(export: Export, claim: Claim, reason: PrefectureError, services: Services) -> None:
    if isinstance(reason, ExportError) or is_overdue(export, claim, reason, services.retry_seconds):
        give_back(partial(mark_failed, services.engine, claim, reason))
    else:
        counts = not isinstance(reason, TransientError)
        give_back(partial(release, services.engine, export, claim, reason, counts=counts))


def _take(
    connection: Connection, enqueued: Export, services: Services, part: str = ""
) -> tuple[Export, Claim] | None:
    """Claim a file for this message; return it with its work, or None when no file of the queue is due."""
    message = Doorbell(enqueued.id, enqueued.kind, enqueued.is_bulk)
    claim = claim_file(
        connection, message, new_owner(), lease_seconds=services.lease_seconds, part=part
    )
    if claim is None:
        return None
    if claim.starts > services.max_attempts:
        give_up(connection, claim, services.max_attempts)
        return None
    export = enqueued if claim.subject_id == enqueued.id else _read(connection, claim.subject_id)
    return (export, claim) if export else None


def _bind_log(export: Export) -> None:
    """Bind the keys until the next message: Dramatiq's own lines about this one follow."""
    structlog.contextvars.bind_contextvars(
        export_id=export.id,
        commune=export.code_commune,
        **request_keys(export.request.correlation_id, trace_id_of(export.request.traceparent)),
    )


def _read(connection: Connection, export_id: int) -> Export | None:
    with Session(connection) as session:
        return session.get(Export, export_id, options=[joinedload(Export.request)])


_SAID = {
    PublicationMode.AFFICHAGE: "a été affiché",
    PublicationMode.CONSULTATION: "a été tenu à la disposition des électeurs, à la mairie,",
}
_PROOF = (
    "L’empreinte SHA-256 désigne le fichier publié, à l’octet près : « Vérifier un fichier » du Module Préfecture "
    "dit si un fichier est celui-là."
)


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
            with storage.pending(
                file.code_commune, piece_name(file.file_name, Piece.CERTIFICAT), new_owner()
            ) as pdf:
                render_letter(*compose_certificat(file, published, nom, departement), pdf)
                pdf.finish()
                add_piece(connection, file.id, Piece.CERTIFICAT, pdf)
                publish([pdf])
    except DiskFullError as full:
        log.warning("certificat_not_drawn", export_id=file.id, error=full.code)
        return
    log.info("certificat_drawn", export_id=file.id)


def compose_certificat(
    file: Export, published: Row[Any], nom: str, departement: str
) -> tuple[Tableau, list[str]]:
    """Return the head of the page with its signatory, and the lines; equal records give equal words."""
    head = Tableau(
        type=file.type_tableau,
        presentation=Presentation.COMMUNE.value,
        titre="Certificat de publication",
        reference_legale=law_of(file.type_tableau, file.parameters.get("scrutin")),
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
