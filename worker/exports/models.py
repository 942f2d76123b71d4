"""The tables of requests, exports and deposits. The row has the state; a message only tells a worker to read it.

Names and labels of files are those that openElec's users know, with the instant of the request. The second and later
files of a commune, kind and list in one second also have a counter after the time.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
    and_,
    or_,
    select,
)
from sqlalchemy.orm import Mapped, Session, attribute_keyed_dict, mapped_column, relationship

from common.french import name_secteur
from schemas.cures import Facts, facts_of_file
from schemas.tableaux import Edition, Presentation, TypeTableau, name_tableau
from schemas.vocabulary import (
    KEY_REUSED,
    PIECES,
    UNREADABLE,
    CopieFile,
    ExportKind,
    ExportStatus,
    RequestOutcome,
)
from worker.db.types import Base, Id, Texte, UtcDateTime, empty, rows_where, utc_now, zero


def _document(doc: str) -> Mapped[Any]:
    return mapped_column(JSON(none_as_null=True), doc=doc)


_IS_FIRST = rows_where(f"code NOT IN ('{KEY_REUSED}', '{UNREADABLE}')")


class Request(Base):
    """The request of one event. (sender, source, event_id) identifies it: a copy of the event finds this row."""

    __tablename__ = "request"
    __table_args__ = (
        Index("uq_request_sender", "source", "event_id", "sender", unique=True, **_IS_FIRST),
        Index("uq_request_payload", "source", "event_id", "sender", "payload_hash", unique=True),
        Index("ix_request_uuid", "uuid"),
        Index("ix_request_refused", "sender", "id", **rows_where("outcome = 'refused'")),
        Index(
            "ix_request_unnotified",
            "completed_at",
            **rows_where("completed_at IS NOT NULL AND notified_at IS NULL"),
        ),
        Index("ix_request_commune", "code_commune", "id"),
        Index("ix_request_created_at", "created_at"),
        Index("ix_request_notified_at", "notified_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    source: Mapped[str] = mapped_column(Texte)
    event_id: Mapped[str] = mapped_column(Texte)
    event_type: Mapped[str] = mapped_column(Texte)
    kind: Mapped[str] = empty("Of the note of a declaration; else empty.")
    correlation_id: Mapped[str] = mapped_column(Texte)
    traceparent: Mapped[str] = empty("Of the event, as W3C Trace Context has it.")
    tracestate: Mapped[str] = empty("With it.")
    code_commune: Mapped[str] = mapped_column(
        Texte, default="", doc="Empty when the request does not name a valid one."
    )
    requested_by: Mapped[str] = mapped_column(
        Texte, default="", doc="The agent whom the account may speak for, else the account."
    )
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, doc="When it was read: the date of its files."
    )
    sender: Mapped[str] = empty("The account, by the broker.")
    payload_hash: Mapped[str] = empty(
        "Of the event's type and data; empty for what was read before it was kept."
    )
    uuid: Mapped[str] = empty("Of its address over HTTP; see schemas.events.name_request.")
    lane: Mapped[int] = zero("Of its works: 0, a person waits; 1, a batch.")
    fair_tag: Mapped[int] = mapped_column(
        BigInteger, default=0, server_default="0", doc="Of its first work: its place among others."
    )
    outcome: Mapped[str] = mapped_column(Texte, default=RequestOutcome.ACCEPTED)
    code: Mapped[str] = empty("Why it was refused, as a word for programs.")
    reason: Mapped[str] = mapped_column(Texte, default="", doc="Why it was refused, in French.")
    faults: Mapped[list[dict[str, str]] | None] = _document(
        "Of a refusal, one by one: field, code, message."
    )
    completed_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime,
        doc="When its last file ended, or it was refused or applied: nothing more will happen to it.",
    )
    notified_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime,
        doc="When it had no more open work: people and programs were notified of its end.",
    )
    exports: Mapped[list["Export"]] = relationship(back_populates="request", order_by="Export.id")


class EarlyCancel(Base):
    """The cancellation of a request that has not arrived: it ends cancelled when it does."""

    __tablename__ = "early_cancel"

    sender: Mapped[str] = mapped_column(Texte, primary_key=True, doc="The account of both.")
    source: Mapped[str] = mapped_column(Texte, primary_key=True)
    event_id: Mapped[str] = mapped_column(Texte, primary_key=True, doc="Of the request.")
    requested_by: Mapped[str] = mapped_column(Texte)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())


class Export(Base):
    """One file of a request: a list, or a tableau of its changes."""

    __tablename__ = "export"
    __table_args__ = (
        UniqueConstraint("request_id", "part"),
        UniqueConstraint("file_name"),
        Index(
            "ix_export_current",
            *(
                "code_commune",
                "kind",
                "liste",
                "format",
                "type_tableau",
                "presentation",
                "edition",
                "secteur",
                "id",
            ),
            **rows_where("status = 'ready' AND purged_at IS NULL"),
        ),
        Index("ix_export_recall", "recall_id", **rows_where("recall_id IS NOT NULL")),
        Index("ix_export_unfinished", "id", **rows_where("status IN ('queued', 'running')")),
        Index("ix_export_commune", "code_commune", "id"),
        Index("ix_export_finished_at", "finished_at"),
        Index("ix_export_status", "status"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("request.id"))
    part: Mapped[str] = mapped_column(Texte, doc="Which file: `P.csv`, `vingt_jours.P.par_bureau`.")
    kind: Mapped[str] = mapped_column(
        Texte, default=ExportKind.LISTE, server_default=ExportKind.LISTE
    )
    code_commune: Mapped[str] = mapped_column(Texte)
    liste: Mapped[str] = mapped_column(Texte)
    format: Mapped[str] = mapped_column(Texte)
    type_tableau: Mapped[str] = empty("Empty for a list file.")
    presentation: Mapped[str] = empty()
    edition: Mapped[str] = empty()
    secteur: Mapped[int] = zero("Of Paris, Lyon or Marseille; 0: the whole commune.")
    parameters: Mapped[dict[str, Any]] = mapped_column(
        JSON, default=dict, server_default="{}", doc="Dates that a tableau is counted from."
    )
    rests_on: Mapped[list[dict[str, Any]] | None] = _document(
        "The imports that it rests on, and the days of their exports; see Recall."
    )
    recall_id: Mapped[int | None] = mapped_column(Id, doc="Why it is to be made again; see Recall.")
    provisoire_until: Mapped[date | None] = mapped_column(
        Date,
        doc="Of a tableau asked for too early: the civil day of its commune from which one is final.",
    )
    file_name: Mapped[str] = mapped_column(Texte)
    label: Mapped[str] = mapped_column(
        Texte, doc="openElec's: `Liste P du 12/02/2014 12:26:07 [xml]`."
    )
    status: Mapped[str] = mapped_column(Texte, default=ExportStatus.QUEUED)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())

    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    electeurs: Mapped[int | None] = mapped_column(
        Integer, doc="Electors of the snapshot, minors left out; mouvements."
    )
    pages: Mapped[int | None] = mapped_column(Integer, doc="Of a PDF.")
    lines_written: Mapped[int] = zero("Progress, then the total.")
    mineurs: Mapped[int] = zero("Left out: not yet 18.")
    bloquantes: Mapped[int] = zero()
    a_completer: Mapped[int] = zero("Of a tableau: mouvements whose date or motif is missing.")
    remarques: Mapped[int] = zero()
    anomalies: Mapped[list[dict[str, Any]]] = mapped_column(
        JSON, default=list, doc="Code, severity, column, count."
    )
    size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(Texte)
    error_code: Mapped[str] = empty()
    error_message: Mapped[str] = empty("In French, for a clerk.")
    purged_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, doc="When its files were removed; the row stays."
    )
    verified_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, doc="When its files were last found intact."
    )
    fault: Mapped[str] = empty(
        "How the file was last found to differ from this row, a FileFault; empty when it was intact."
    )
    differences: Mapped[dict[str, Any] | None] = _document(
        "Of a list file, with the one deposited before; see worker.domain.fingerprint."
    )
    reconciliation: Mapped[dict[str, Any] | None] = _document(
        "With the list of the day; see worker.domain.tableau.controles. No names."
    )
    profile: Mapped[dict[str, Any] | None] = _document(
        "Of a finished file: the platform's profile under which it was made; see schemas.profiles.platform."
    )
    downloaded_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, doc="Time of the last download."
    )
    downloaded_by: Mapped[str] = empty()

    request: Mapped[Request] = relationship(back_populates="exports")
    pieces: Mapped[dict[str, "ExportPiece"]] = relationship(
        collection_class=attribute_keyed_dict("kind"), order_by="ExportPiece.kind"
    )


class ExportPiece(Base):
    """A file that accompanies the file of an export. The row stays when the file is purged."""

    __tablename__ = "piece"

    export_id: Mapped[int] = mapped_column(Id, ForeignKey("export.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(Texte, primary_key=True, doc="Of schemas.vocabulary.PIECES.")
    file_name: Mapped[str] = mapped_column(Texte)
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(Texte)


class Recall(Base):
    """Why files of a commune must be made again: an import that they rest on was undone, or its day was corrected."""

    __tablename__ = "recall"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    code_commune: Mapped[str] = mapped_column(Texte)
    because: Mapped[str] = mapped_column(Texte, doc="What was done to the import, in French.")
    reason: Mapped[str] = empty("Why, when one of the files had been posted or deposited.")
    recalled_by: Mapped[str] = mapped_column(Texte)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())


class Copie(Base):
    """A request for a copy of a list, and the answer. Code électoral, art. L. 37. Its files name it in `parameters`.

    It names the person who asks. The purge deletes it `PREFECTURE_AUDIT_DAYS` after the answer.
    """

    __tablename__ = "copie"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    code_commune: Mapped[str] = mapped_column(Texte)
    liste: Mapped[str] = mapped_column(Texte)
    bureau: Mapped[str] = empty("Code of the only bureau; empty: the whole list.")
    demandeur: Mapped[str] = mapped_column(Texte, doc="Who asks.")
    qualite: Mapped[str] = mapped_column(
        Texte, doc="How the quality of elector was checked: a Qualite."
    )
    recue_on: Mapped[date] = mapped_column(Date)
    engagement_on: Mapped[date | None] = mapped_column(
        Date, doc="The day the signed undertaking was received."
    )
    decision: Mapped[str] = empty("copie or refus; empty without an answer.")
    decided_on: Mapped[date | None] = mapped_column(Date)
    motif: Mapped[str] = empty("Why it was refused.")


class Depot(Base):
    """The deposit of one file on e-listelec, as it was last declared; the audit trail has every declaration."""

    __tablename__ = "depot"
    __table_args__ = (
        CheckConstraint("verdict IN ('', 'accepte', 'rejete')", name="verdict"),
        Index("ix_depot_deposited_on", "deposited_on", "export_id"),
    )

    export_id: Mapped[int] = mapped_column(Id, ForeignKey("export.id"), primary_key=True)
    deposited_on: Mapped[date] = mapped_column(Date)
    deposited_by: Mapped[str] = mapped_column(Texte, doc="The agent who said so.")
    remarque: Mapped[str] = empty("The note of the agent.")
    said_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, doc="When what stands here was said, by its sender."
    )
    verdict: Mapped[str] = empty("accepte or rejete; empty while the platform has not answered.")
    verdict_on: Mapped[date | None] = mapped_column(Date)
    verdict_by: Mapped[str] = empty("The agent who said so.")
    verdict_said_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, doc="When, by its sender."
    )
    answer: Mapped[str] = empty(
        "Pasted by a person: it may name electors, and is erased when the file is purged."
    )
    fingerprint_reason: Mapped[str] = empty(
        "Why there is no fingerprint, in French; empty when there is one."
    )
    fingerprint_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    fingerprint: Mapped[bytes | None] = mapped_column(
        LargeBinary, doc="See worker.domain.fingerprint."
    )


class Publication(Base):
    """How a tableau was published, as it was last declared."""

    __tablename__ = "publication"
    __table_args__ = (CheckConstraint("mode IN ('affichage', 'consultation')", name="mode"),)

    export_id: Mapped[int] = mapped_column(Id, ForeignKey("export.id"), primary_key=True)
    mode: Mapped[str] = mapped_column(Texte)
    published_on: Mapped[date] = mapped_column(Date)
    published_until: Mapped[date | None] = mapped_column(Date, doc="Not known yet: no certificate.")
    published_by: Mapped[str] = mapped_column(Texte, doc="The agent who said so.")
    reason: Mapped[str] = empty("Why it was published incomplete; empty of a complete tableau.")
    said_at: Mapped[datetime] = mapped_column(
        UtcDateTime, doc="When what stands here was said, by its sender."
    )
    withdrawn_on: Mapped[date | None] = mapped_column(
        Date, doc="The day it was withdrawn, after the last one."
    )
    certified_on: Mapped[date | None] = mapped_column(
        Date, doc="The day the certificate was signed."
    )


_BESIDE = re.compile(
    rf"^(.+)-([^-]+)-(?:{'|'.join(re.escape(it.suffix) for it in PIECES.values())})$"
)


def file_name_of(export: Export, pattern: str, moment: datetime, number: int = 1) -> str:
    """Return the file name of an export at an instant: `number` is 1 for the first one of its second, 2 for the next.

    `pattern` is that of list files in the profile of the platform: `liste-P-13900-20140212-122607.xml`, then
    `liste-P-13900-20140212-122607-2.xml`. A tableau is `tableau-vingt_jours-P-13900-par_bureau-20140212-122607.pdf`;
    the copy of the commission, which must not be posted, has the word commission in its name and in its label. That of
    a secteur has its number.
    """
    stamp = f"{moment:%Y%m%d-%H%M%S}" + (f"-{number}" if number > 1 else "")
    if export.edition in set(CopieFile):
        return (
            f"{export.edition}-{export.liste}-{export.parameters['numero']}-{stamp}.{export.format}"
        )
    if export.kind != ExportKind.TABLEAU:
        named = pattern.format(liste=export.liste, commune=export.code_commune, moment=stamp)
        return f"{named}.{export.format}"
    kind = (
        f"{export.presentation}-commission"
        if export.edition == Edition.COMMISSION
        else export.presentation
    )
    of = f"{export.code_commune}-secteur{export.secteur}" if export.secteur else export.code_commune
    return f"tableau-{export.type_tableau}-{export.liste}-{of}-{kind}-{stamp}.pdf"


def label_of(export: Export, moment: datetime, number: int = 1) -> str:
    """Return the label: `Liste P du 12/02/2014 12:26:07 (2) [xml]`, as openElec shows it.

    Or `Tableau des vingt jours (par bureau), liste P, du 12/02/2014 12:26:07`.
    """
    said = f"{moment:%d/%m/%Y %H:%M:%S}" + (f" ({number})" if number > 1 else "")
    if export.edition in set(CopieFile):
        what = f"{CopieFile(export.edition).label} n° {export.parameters['numero']}"
        return f"{what}, liste {export.liste}, du {said} [{export.format}]"
    if export.kind != ExportKind.TABLEAU:
        return f"Liste {export.liste} du {said} [{export.format}]"
    how = Presentation(export.presentation).label
    if export.secteur:
        of = name_secteur(export.secteur)
        how = of if export.presentation == Presentation.COMMUNE else f"{of}, {how}"
    if export.edition == Edition.COMMISSION:
        how += f", {Edition.COMMISSION.label}"
    provisoire = ", provisoire" if export.provisoire_until else ""
    return f"{titre_of(export)} ({how}), liste {export.liste}, du {said}{provisoire}"


def facts_of(export: Export) -> Facts:
    """Return what selects a file on the pages of its cures."""
    about = export.id, export.code_commune, export.liste, export.type_tableau
    return facts_of_file(*about, export.parameters or {})


def titre_of(export: Export) -> str:
    """Return the short name of a requested tableau."""
    dates = export.parameters
    return name_tableau(
        TypeTableau(export.type_tableau), dates.get("scrutin"), dates.get("publication_due")
    )


def allocate_names(
    session: Session, exports: Sequence[Export], moment: datetime, pattern: str
) -> None:
    """Give each new export a file name and a label with this instant, in the civil time of its commune.

    The counter also distinguishes files of the hour that is repeated at the end of summer time. Another transaction may
    take a name first: the caller repeats the whole.
    """
    names = [file_name_of(export, pattern, moment) for export in exports]
    stems = sorted({name.rpartition(".")[0] for name in names})
    counted = (and_(Export.file_name > f"{stem}-", Export.file_name < f"{stem}.") for stem in stems)
    is_of_second = or_(Export.file_name.in_(names), *counted)
    taken = set(session.scalars(select(Export.file_name).where(is_of_second)))
    for export in exports:
        number = 1
        while (name := file_name_of(export, pattern, moment, number)) in taken:
            number += 1
        taken.add(name)
        export.file_name, export.label = name, label_of(export, moment, number)


def piece_name(file_name: str, piece: str) -> str:
    """Return the name of a piece of a file; the CSV and the XML of one second have pieces of different names."""
    stem, _, extension = file_name.rpartition(".")
    return f"{stem}-{extension}-{PIECES[piece].suffix}"


def main_name(name: str) -> str:
    """Return the name of the file that a piece accompanies; any other name is returned as it is."""
    return _BESIDE.sub(r"\1.\2", name)
