"""What a person says of files: taken, deposited, answered about, published, cancelled. Written down, nothing else."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from common.calendrier import civil_day, why_too_short
from common.french import format_second, short_date
from common.incomplete import describe_missing
from schemas.declarations import DepotDeclared, DepotVerdictDeclared, FileDownloaded, PublicationDeclared
from schemas.envelope import CloudEvent
from schemas.requests import CancelRequested
from schemas.tableaux import Edition, why_never_published
from schemas.vocabulary import FORMATS, ExportKind, ExportStatus, Piece, Verdict
from worker.arrivals import drop
from worker.db.engine import snapshot
from worker.doorbell import Doorbell
from worker.errors import NotKnownYetError, RefusedError
from worker.exports.audit import Action, record_audit
from worker.exports.depots import PublicationDays, read_depots, write_depot, write_publication, write_verdict
from worker.exports.models import Export
from worker.exports.naming import certificat_name, report_name
from worker.exports.parked import depot_key
from worker.exports.records import cancel, cancelled_by, mark_downloaded
from worker.handlers.requests.authorization import Authorization, find_request
from worker.handlers.requests.export_plan import read_data
from worker.handlers.services import Services

_LATE_SECONDS = 60
"""An event that waited longer than this says in its line when the file was taken."""


@dataclass(frozen=True)
class Declaration(ABC):
    """Of one or several files of a commune; `requested_by` says so by `account`, `said_at` by the sender's clock.

    Of two about one file the one that was said later counts, in whatever order they are read.
    """

    commune: str
    requested_by: str
    files: Sequence[Export]
    said_at: datetime
    account: str = field(default="", kw_only=True)

    @abstractmethod
    def apply(self, connection: Connection, now: datetime) -> None:
        """Write it down, in the transaction of its request.

        Raises:
            RefusedError: it cannot be; nothing was written.
        """

    def doorbells(self) -> Iterable[Doorbell]:
        """What is left to do about these files, once the declaration is recorded: of a deposit, or a publication."""
        return ()

    def makes_known(self) -> Iterable[str]:
        """The keys of what others may have waited for, once the declaration is recorded: of a deposit only."""
        return ()

    def said_until(self, now: datetime) -> datetime:
        """When it was said, `now` at the latest: a clock that is ahead would keep others from correcting."""
        return min(self.said_at, now)

    def refuse_overtaken(self, overtaken: Collection[Export]) -> None:
        """Go on only if something was recorded: not all of the files have had a later declaration."""
        if len(overtaken) == len(self.files):
            raise RefusedError(
                f"Une déclaration faite après celle-ci est déjà notée pour « {self.files[0].label} » : celle-ci n'y "
                "change rien.",
                commune=self.commune,
                code="declaration_depassee",
                field="time",
            )

    def note(self, connection: Connection, action: Action, file: Export, detail: str) -> None:
        """Add its line to the audit trail."""
        record_audit(
            connection,
            action,
            actor=self.requested_by,
            account=self.account,
            code_commune=self.commune,
            export_id=file.id,
            detail=detail,
        )

    def refuse_future(self, day: date, now: datetime, field: str) -> None:
        """Go on only if the day has come, in the commune."""
        refuse_future(day, now, commune=self.commune, field=field)


def refuse_future(day: date, now: datetime, *, commune: str, field: str) -> None:
    """Go on only if the day has come, in the commune.

    Raises:
        RefusedError: it has not.
    """
    if day > civil_day(now, commune):
        raise RefusedError(
            f"Le {short_date(day)} n'est pas encore venu : vérifiez la date.",
            commune=commune,
            code="date_a_venir",
            field=f"data.{field}",
        )


@dataclass(frozen=True)
class Download(Declaration):
    """One piece of one export, taken at the instant that was said."""

    piece: Piece

    def apply(self, connection: Connection, now: datetime) -> None:
        """Write it down; what is told late takes the place of no later download."""
        (file,) = self.files
        taken_at = self.said_until(now)
        mark_downloaded(connection, file.id, at=taken_at, by=self.requested_by)
        self.note(connection, Action.FILE_DOWNLOADED, file, self._detail(file, taken_at, now))

    def _detail(self, file: Export, taken_at: datetime, now: datetime) -> str:
        name = file.file_name
        if self.piece is Piece.RAPPORT:
            name = file.report_name or report_name(name)
        elif self.piece is Piece.CERTIFICAT:
            name = certificat_name(name)
        detail = f"{name} (dossier de dépôt)" if self.piece is Piece.DOSSIER else name
        if (now - taken_at).total_seconds() <= _LATE_SECONDS:
            return detail
        return f"{detail}, le {format_second(taken_at, self.commune)}"


def read_download(event: CloudEvent, services: Services, authorization: Authorization) -> Download:
    """Read the declaration.

    Raises:
        RefusedError: it cannot be recorded, and why.
    """
    asked = read_data(event, FileDownloaded)
    files = find_files(asked.commune, [asked.export], services, authorization)
    return Download(asked.commune, asked.requested_by, files, event.time, asked.piece)


@dataclass(frozen=True)
class DepotOfFiles(Declaration):
    """The deposit of one or several files on one day."""

    deposited_on: date
    remarque: str

    def apply(self, connection: Connection, now: datetime) -> None:
        """Write it down; said again, it corrects what was said before. A file with a later one is left as it is."""
        self.refuse_future(self.deposited_on, now, "deposited_on")
        overtaken = []
        for file in self.files:
            if file.finished_at and self.deposited_on < civil_day(file.finished_at, self.commune):
                raise RefusedError(
                    f"Le dépôt du {short_date(self.deposited_on)} précède la production du fichier « {file.label} » : "
                    "vérifiez la date.",
                    commune=self.commune,
                    code="depot_avant_fichier",
                    field="data.deposited_on",
                )
            is_written = write_depot(
                connection,
                file.id,
                deposited_on=self.deposited_on,
                deposited_by=self.requested_by,
                remarque=self.remarque,
                said_at=self.said_until(now),
            )
            if not is_written:
                overtaken.append(file)
                continue
            detail = f"{file.file_name}, le {short_date(self.deposited_on)}"
            self.note(connection, Action.DEPOT_DECLARED, file, detail)
        self.refuse_overtaken(overtaken)

    def makes_known(self) -> Iterator[str]:
        """The deposits."""
        return (depot_key(file.id) for file in self.files)

    def doorbells(self) -> Iterator[Doorbell]:
        """A fingerprint of each list, among what is of batches: nobody waits for it."""
        return (
            Doorbell(file.id, ExportKind.LISTE, is_bulk=True) for file in self.files if file.kind == ExportKind.LISTE
        )


def read_depot(event: CloudEvent, services: Services, authorization: Authorization) -> DepotOfFiles:
    """Read the declaration.

    Raises:
        RefusedError: it cannot be recorded, and why.
    """
    asked = read_data(event, DepotDeclared)
    files = find_files(asked.commune, asked.exports, services, authorization)
    if any(file.edition == Edition.COMMISSION for file in files):
        raise RefusedError(
            "L'exemplaire de la commission ne se dépose pas : déposez celui qui est affiché.",
            commune=asked.commune,
            code="exemplaire_commission",
            field="data.exports",
        )
    if any(not FORMATS[file.format].may_be_deposited for file in files):
        raise RefusedError(
            "La plateforme ne prend pas ce format : déposez le même fichier dans un autre.",
            commune=asked.commune,
            code="format_non_depose",
            field="data.exports",
        )
    return DepotOfFiles(asked.commune, asked.requested_by, files, event.time, asked.deposited_on, asked.remarque)


@dataclass(frozen=True)
class VerdictOnFiles(Declaration):
    """What was answered about one or several files; `answer` may name electors: no log has it."""

    verdict: Verdict
    verdict_on: date
    answer: str

    def apply(self, connection: Connection, now: datetime) -> None:
        """Write it down; said again, it corrects what was said before. A file with a later one is left as it is."""
        self.refuse_future(self.verdict_on, now, "verdict_on")
        depots = read_depots(connection, [file.id for file in self.files])
        overtaken = []
        for file in self.files:
            if file.id not in depots:
                raise NotKnownYetError(
                    f"Aucun dépôt n'est déclaré pour « {file.label} » : déclarez-le d'abord.",
                    waits_for=depot_key(file.id),
                    code="depot_absent",
                    field="data.exports",
                    commune=self.commune,
                )
            if self.verdict_on < depots[file.id]:
                raise RefusedError(
                    f"La réponse du {short_date(self.verdict_on)} précède le dépôt de « {file.label} » : vérifiez la "
                    "date.",
                    commune=self.commune,
                    code="reponse_avant_depot",
                    field="data.verdict_on",
                )
            is_written = write_verdict(
                connection,
                file,
                verdict=self.verdict,
                verdict_on=self.verdict_on,
                verdict_by=self.requested_by,
                answer=self.answer,
                said_at=self.said_until(now),
            )
            if not is_written:
                overtaken.append(file)
                continue
            detail = f"{file.file_name} : {self.verdict.label} le {short_date(self.verdict_on)}"
            self.note(connection, Action.DEPOT_VERDICT, file, detail)
        self.refuse_overtaken(overtaken)


def read_verdict(event: CloudEvent, services: Services, authorization: Authorization) -> VerdictOnFiles:
    """Read the declaration.

    Raises:
        RefusedError: it cannot be recorded, and why.
    """
    asked = read_data(event, DepotVerdictDeclared)
    files = find_files(asked.commune, asked.exports, services, authorization)
    return VerdictOnFiles(
        asked.commune, asked.requested_by, files, event.time, asked.verdict, asked.verdict_on, asked.answer
    )


@dataclass(frozen=True)
class PublicationOfTableaux(Declaration):
    """The publication of tableaux: how, from when, until when; the days of the withdrawal and of the signature."""

    published: PublicationDays

    def apply(self, connection: Connection, now: datetime) -> None:
        """Write it down; said again, it replaces what was said before. A tableau with a later one is left as it is."""
        self._refuse_impossible_days(now)
        self._refuse_too_short()
        overtaken = []
        for file in self.files:
            first_day = civil_day(file.finished_at, self.commune) if file.finished_at else None
            if first_day and self.published.published_on < first_day:
                raise RefusedError(
                    f"La publication du {short_date(self.published.published_on)} précède la production du tableau "
                    f"« {file.label} » : vérifiez la date.",
                    commune=self.commune,
                    code="publication_avant_fichier",
                    field="data.published_on",
                )
            said_at = self.said_until(now)
            if write_publication(connection, file.id, self.published, published_by=self.requested_by, said_at=said_at):
                self.note(connection, Action.PUBLICATION_DECLARED, file, self._detail(file))
            else:
                overtaken.append(file)
        self.refuse_overtaken(overtaken)

    def doorbells(self) -> Iterator[Doorbell]:
        """A certificate of each tableau, once the last day is known: somebody waits for it."""
        if self.published.published_until:
            return (Doorbell(file.id, ExportKind.TABLEAU) for file in self.files)
        return iter(())

    def _refuse_impossible_days(self, now: datetime) -> None:
        it = self.published
        self.refuse_future(it.published_on, now, "published_on")
        if it.published_until and it.published_until < it.published_on:
            raise RefusedError(
                f"Le dernier jour, le {short_date(it.published_until)}, précède le premier : vérifiez les dates.",
                commune=self.commune,
                code="fin_avant_debut",
                field="data.published_until",
            )
        self._refuse_before_end(it.withdrawn_on, now, "withdrawn_on", "retrait_avant_fin", "Le tableau se retire")
        self._refuse_before_end(it.certified_on, now, "certified_on", "certificat_avant_fin", "Le certificat se signe")

    def _refuse_before_end(self, day: date | None, now: datetime, field: str, code: str, what: str) -> None:
        if day is None:
            return
        self.refuse_future(day, now, field)
        last = self.published.published_until
        if last is None or day < last:
            raise RefusedError(
                f"{what} une fois la publication terminée : donnez son dernier jour, et un jour qui ne le précède pas.",
                commune=self.commune,
                code=code,
                field=f"data.{field}",
            )

    def _refuse_too_short(self) -> None:
        first, last = self.published.published_on, self.published.published_until
        reasons = (last and why_too_short(file.type_tableau, first, last) for file in self.files)
        if reason := next(filter(None, reasons), ""):
            raise RefusedError(
                f"La publication du {short_date(first)} est trop courte : {reason}.",
                commune=self.commune,
                code="publication_trop_courte",
                field="data.published_until",
            )

    def _detail(self, file: Export) -> str:
        it = self.published
        until = f" au {short_date(it.published_until)}" if it.published_until else ""
        withdrawn = f", retiré le {short_date(it.withdrawn_on)}" if it.withdrawn_on else ""
        signed = f", certificat signé le {short_date(it.certified_on)}" if it.certified_on else ""
        missing = f", incomplet ({describe_missing(file.anomalies)})" if file.a_completer else ""
        days = f"du {short_date(it.published_on)}{until}{withdrawn}{signed}"
        return f"{file.file_name} : {it.mode.label} {days}{missing}"


def read_publication(event: CloudEvent, services: Services, authorization: Authorization) -> PublicationOfTableaux:
    """Read the declaration.

    Raises:
        RefusedError: it cannot be recorded, and why.
    """
    asked = read_data(event, PublicationDeclared)
    files = find_files(asked.commune, asked.exports, services, authorization)
    for file in files:
        if refusal := _why_not_published(file, asked.reason):
            code, said = refusal
            raise RefusedError(said, commune=asked.commune, code=code, field="data.exports")
    published = PublicationDays(**asked.model_dump(include=set(PublicationDays._fields)))
    return PublicationOfTableaux(asked.commune, asked.requested_by, files, event.time, published)


def _why_not_published(file: Export, reason: str) -> tuple[str, str] | None:
    """A code and a sentence; None of a tableau that may be published, or was before it was recalled.

    `reason`: why a tableau that is to be completed is published all the same.
    """
    if file.kind != ExportKind.TABLEAU:
        return "pas_un_tableau", f"Seul un tableau se publie ainsi : « {file.label} » est une liste."
    if refusal := why_never_published(file.type_tableau, file.presentation, file.edition):
        return refusal.code, refusal.reason
    if file.provisoire_until or file.bloquantes:
        return "tableau_a_refaire", f"« {file.label} » ne se publie pas : il est provisoire ou à corriger. Refaites-le."
    if file.a_completer and not reason.strip():
        missing = describe_missing(file.anomalies)
        return "raison_absente", f"« {file.label} » est à compléter ({missing}) : dites pourquoi il est publié ainsi."
    return None


def find_files(
    commune: str, export_ids: Iterable[int], services: Services, authorization: Authorization
) -> list[Export]:
    """The files that a declaration is about, in the order of its numbers; those that were purged since included.

    Raises:
        RefusedError: the sender may not, a file is not one of the commune, or was never made.
    """
    authorization.require(commune)
    ids = list(export_ids)
    with snapshot(services.engine) as connection, Session(connection) as session:
        query = select(Export).where(Export.id.in_(ids), Export.code_commune == commune)
        found = {export.id: export for export in session.scalars(query)}
    if found.keys() != set(ids):
        raise RefusedError(
            f"Fichier inconnu : un des numéros n'est pas celui d'un fichier de {commune}.",
            code="fichier_inconnu",
            field="data.exports",
        )
    if missing := [file.label for file in found.values() if file.status != ExportStatus.READY]:
        raise RefusedError(
            f"Ce fichier n'est pas prêt : « {missing[0]} ».",
            commune=commune,
            code="fichier_pas_pret",
            field="data.exports",
        )
    return [found[number] for number in ids]


class Dropped(NamedTuple):
    """How many files will not be made, which exports of the REU not imported: these are to be erased."""

    exports: int
    previews: Sequence[int]


@dataclass(frozen=True)
class Cancellation:
    """Files not to be made, or an export of the REU not to be imported. What is ready, or imported, by then stays."""

    commune: str
    requested_by: str
    request_id: int
    export_ids: Sequence[int]
    account: str = ""

    def apply(self, connection: Connection) -> Dropped:
        """Cancel them.

        Raises:
            RefusedError: none was left to cancel.
        """
        number = cancel(connection, self.export_ids, cancelled_by(self.requested_by))
        previews = drop(connection, self.request_id)
        for preview_id in previews:
            record_audit(
                connection,
                Action.ARRIVAL_DROPPED,
                actor=self.requested_by,
                account=self.account,
                code_commune=self.commune,
                detail=f"aperçu {preview_id}",
            )
        if not number and not previews:
            raise RefusedError(
                "Rien à annuler : ces fichiers sont déjà prêts, en échec ou annulés.",
                commune=self.commune,
                code="rien_a_annuler",
                field="data.request",
            )
        return Dropped(number, previews)


def read_cancellation(event: CloudEvent, services: Services, authorization: Authorization) -> Cancellation:
    """Read the request.

    Raises:
        RefusedError: it cannot be served, and why.
    """
    asked = read_data(event, CancelRequested)
    known = find_request(asked, services, authorization)
    return Cancellation(known.commune, asked.requested_by, known.request_id, [export.id for export in known.exports])
