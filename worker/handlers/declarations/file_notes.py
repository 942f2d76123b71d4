"""The event `declaration` about files: a download, a deposit, a publication, or a verdict of the platform.

And the event `screen.note`: the screen's records about its agents. Only the account of the screen may send it.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.orm import Session

from common.calendrier import civil_day, why_too_short
from common.french import count_of, describe_missing, format_second, short_date
from schemas.declarations import (
    DeclarationNoted,
    FileDeposited,
    FileDownloaded,
    FileNote,
    TableauPublished,
    VerdictReceived,
)
from schemas.envelope import CloudEvent
from schemas.profiles.platform import may_be_deposited
from schemas.screen_notes import (
    DownloadBegun,
    ElecteursSeen,
    FileNotServed,
    LoggedIn,
    ScreenNote,
    ScreenNoted,
    WishesChosen,
)
from schemas.seen import overwrites_unseen
from schemas.tableaux import Edition, why_never_published
from schemas.vocabulary import (
    PIECES,
    Action,
    ExportKind,
    ExportStatus,
    Piece,
    Wish,
    join_wishes,
    split_wishes,
)
from worker.access.authorization import Authorization
from worker.access.models import Agent
from worker.audit import Actor, record_audit
from worker.db.engine import snapshot
from worker.errors import RefusedError, TransientError
from worker.exports.depots import (
    read_depots,
    read_noted,
    write_depot,
    write_publication,
    write_verdict,
)
from worker.exports.integrity import verify_files
from worker.exports.models import Export, piece_name
from worker.exports.records import mark_downloaded, subject_of_file
from worker.handlers.requests.export_plan import read_data
from worker.services import Services
from worker.work.queue import BATCH, NewWork, WorkKind, add


@dataclass(frozen=True)
class Declaration(ABC):
    """A declaration about one commune, by `requested_by` through `account`; `said_at` is the sender's clock."""

    commune: str
    requested_by: str
    said_at: datetime
    files: Sequence[Export] = ()
    account: str = field(default="", kw_only=True)
    seen: str | None = field(default=None, kw_only=True)
    """What the form showed of the notes that this one replaces; None: not compared."""

    @abstractmethod
    def apply(self, connection: Connection, now: datetime) -> None:
        """Write the declaration, in the transaction of its request.

        Raises:
            RefusedError: the declaration cannot be written; the transaction must not be committed.
        """

    def works(self) -> Iterable[NewWork]:
        """Return the works that the declaration causes."""
        return ()


def refuse_future(day: date, now: datetime, *, commune: str, field: str) -> None:
    """Check that the day is not in the future in the commune.

    Raises:
        RefusedError: it is.
    """
    if day > civil_day(now, commune):
        raise RefusedError(
            f"Le {short_date(day)} n'est pas encore venu : vérifiez la date.",
            code="date_a_venir",
            field=f"data.{field}",
        )


def refuse_changed(
    seen: str | None, known: Sequence[Sequence[object]], said: Sequence[Sequence[object]]
) -> None:
    """Check that writing `said` overwrites no note that the agent has not seen, of the notes `known`.

    Raises:
        RefusedError: it does; another agent has noted something since.
    """
    if seen is not None and overwrites_unseen(seen, known, said):
        raise RefusedError(
            "Une autre note est venue depuis que vous avez lu la page. La vôtre n'est pas notée : relisez la page, "
            "puis recommencez.",
            code="note_changee",
            field="data.seen",
        )


_LATE_SECONDS = 60
"""The audit line of an older event also has the time of the download."""

_ACTIONS = {
    "downloaded": Action.FILE_DOWNLOADED,
    "deposited": Action.DEPOT_DECLARED,
    "verdict": Action.DEPOT_VERDICT,
    "published": Action.PUBLICATION_DECLARED,
}


@dataclass(frozen=True)
class FileDeclaration(Declaration):
    """One note about files. Of two notes about one file the later counts, whatever the order of reading."""

    note: FileNote = field(kw_only=True)

    def apply(self, connection: Connection, now: datetime) -> None:
        """Write the note of each file that has no later one, and its audit line. The note replaces an earlier one."""
        self._check(connection, now)
        known = read_noted(connection, self.note, [file.id for file in self.files])
        if isinstance(self.note, TableauPublished):
            self._refuse_recalled(connection, {row.export_id for row in known})
        values = self.note.model_dump()
        said = [[values.get(name, it) for name, it in row._mapping.items()] for row in known]  # noqa: SLF001 — the public name
        refuse_changed(self.seen, known, said)
        said_at = min(self.said_at, now)  # a clock that is ahead would block later corrections
        written = [file for file in self.files if self._write(connection, file, said_at)]
        if not written:
            raise RefusedError(
                f"Une déclaration faite après celle-ci est déjà notée pour « {self.files[0].label} » : celle-ci n'y "
                "change rien.",
                code="declaration_depassee",
                field="time",
            )
        by = Actor(self.requested_by, self.account)
        for file in written:
            action, detail = _ACTIONS[self.note.kind], self._detail(file, said_at, now)
            record_audit(
                connection,
                action,
                actor=by,
                code_commune=self.commune,
                export_id=file.id,
                detail=detail,
            )

    def works(self) -> Iterator[NewWork]:
        """Yield a fingerprint for each deposited list, and a certificate for each last day of publication."""
        for file in self.files:
            subject = subject_of_file(file.id)
            match self.note:
                case FileDeposited() if file.kind == ExportKind.LISTE:
                    yield NewWork(WorkKind.FINGERPRINT, subject, lane=BATCH)
                case TableauPublished(published_until=date()):
                    yield NewWork(WorkKind.CERTIFICAT, subject)

    def _check(self, connection: Connection, now: datetime) -> None:
        match self.note:
            case FileDeposited(deposited_on=day):
                refuse_future(day, now, commune=self.commune, field="note.deposited_on")
                self._refuse_before_file(
                    day, "Le dépôt", "du fichier", "depot_avant_fichier", "deposited_on"
                )
            case VerdictReceived(verdict_on=day):
                refuse_future(day, now, commune=self.commune, field="note.verdict_on")
                self._refuse_before_depot(connection, day)
            case TableauPublished() as published:
                refuse_future(
                    published.published_on, now, commune=self.commune, field="note.published_on"
                )
                self._refuse_impossible_end(published, now)
                first, last = published.published_on, published.published_until
                reasons = (
                    last
                    and why_too_short(
                        file.type_tableau, first, last, file.parameters.get("scrutin") or ""
                    )
                    for file in self.files
                )
                if reason := next(filter(None, reasons), ""):
                    raise RefusedError(
                        f"La publication du {short_date(first)} est trop courte : {reason}.",
                        code="publication_trop_courte",
                        field="data.note.published_until",
                    )
                self._refuse_before_file(
                    published.published_on,
                    "La publication",
                    "du tableau",
                    "publication_avant_fichier",
                    "published_on",
                )

    def _refuse_before_file(
        self, day: date, what: str, of_what: str, code: str, field: str
    ) -> None:
        for file in self.files:
            if file.finished_at and day < civil_day(file.finished_at, self.commune):
                raise RefusedError(
                    f"{what} du {short_date(day)} précède la production {of_what} « {file.label} » : vérifiez la date.",
                    code=code,
                    field=f"data.note.{field}",
                )

    def _refuse_recalled(self, connection: Connection, published: Collection[int]) -> None:
        """Refuse to publish a recalled tableau; a publication noted before the recall is corrected, and ends."""
        new = [file.id for file in self.files if file.id not in published]
        is_recalled = Export.id.in_(new), Export.recall_id.is_not(None)
        query = select(Export.label).where(*is_recalled).order_by(Export.id)
        if label := connection.scalar(query.limit(1)):
            raise RefusedError(
                f"« {label} » ne se publie pas : refaites-le, puis publiez le nouveau.",
                code="tableau_a_refaire",
                field="data.exports",
            )

    def _refuse_before_depot(self, connection: Connection, day: date) -> None:
        depots = read_depots(connection, [file.id for file in self.files])
        for file in self.files:
            if file.id not in depots:
                raise RefusedError(
                    f"Aucun dépôt n'est déclaré pour « {file.label} » : déclarez-le, puis renvoyez la "
                    "réponse une fois le dépôt accepté, avec un « id » nouveau.",
                    code="depot_absent",
                    field="data.exports",
                )
            if day < depots[file.id]:
                raise RefusedError(
                    f"La réponse du {short_date(day)} précède le dépôt de « {file.label} » : vérifiez la date.",
                    code="reponse_avant_depot",
                    field="data.note.verdict_on",
                )

    def _refuse_impossible_end(self, published: TableauPublished, now: datetime) -> None:
        last = published.published_until
        if last and last < published.published_on:
            raise RefusedError(
                f"Le dernier jour, le {short_date(last)}, précède le premier : vérifiez les dates.",
                code="fin_avant_debut",
                field="data.note.published_until",
            )
        for day, name, code, what in (
            (published.withdrawn_on, "withdrawn_on", "retrait_avant_fin", "Le tableau se retire"),
            (
                published.certified_on,
                "certified_on",
                "certificat_avant_fin",
                "Le certificat se signe",
            ),
        ):
            if day is None:
                continue
            refuse_future(day, now, commune=self.commune, field=f"note.{name}")
            if last is None or day < last:
                raise RefusedError(
                    f"{what} une fois la publication terminée : donnez son dernier jour, et un jour qui ne le précède "
                    "pas.",
                    code=code,
                    field=f"data.note.{name}",
                )

    def _write(self, connection: Connection, file: Export, said_at: datetime) -> bool:
        by = self.requested_by
        match self.note:
            case FileDeposited() as deposited:
                return write_depot(connection, file.id, deposited, by=by, said_at=said_at)
            case VerdictReceived() as received:
                return write_verdict(connection, file, received, by=by, said_at=said_at)
            case TableauPublished() as published:
                return write_publication(connection, file.id, published, by=by, said_at=said_at)
            case FileDownloaded():
                mark_downloaded(connection, file.id, at=said_at, by=by)
        return True

    def _detail(self, file: Export, said_at: datetime, now: datetime) -> str:
        match self.note:
            case FileDeposited(deposited_on=day):
                return f"{file.file_name}, le {short_date(day)}"
            case VerdictReceived(verdict=verdict, verdict_on=day):
                return f"{file.file_name} : {verdict.label} le {short_date(day)}"
            case TableauPublished() as it:
                until = f" au {short_date(it.published_until)}" if it.published_until else ""
                withdrawn = f", retiré le {short_date(it.withdrawn_on)}" if it.withdrawn_on else ""
                signed = (
                    f", certificat signé le {short_date(it.certified_on)}"
                    if it.certified_on
                    else ""
                )
                missing = (
                    f", incomplet ({describe_missing(file.anomalies)})" if file.a_completer else ""
                )
                named = f"{file.file_name} : {it.mode.label} du {short_date(it.published_on)}"
                return f"{named}{until}{withdrawn}{signed}{missing}"
            case FileDownloaded(piece=piece):
                is_late = (now - said_at).total_seconds() > _LATE_SECONDS
                late = f", le {format_second(said_at, self.commune)}" if is_late else ""
                name = piece_name(file.file_name, piece) if piece in PIECES else file.file_name
                return f"{name}{' (dossier de dépôt)' if piece is Piece.DOSSIER else ''}{late}"


def read_file_note(
    asked: DeclarationNoted,
    note: FileNote,
    at: datetime,
    services: Services,
    authorization: Authorization,
) -> FileDeclaration:
    """Find the files of a note that was sent at `at`, and check that the note is possible for each."""
    authorization.require(asked.commune)
    with snapshot(services.engine) as connection:
        files = _find_files(connection, asked.commune, asked.exports or (), note)
    return FileDeclaration(asked.commune, asked.requested_by, at, files, note=note, seen=asked.seen)


def declare_files(
    connection: Connection,
    code_commune: str,
    exports: Iterable[int],
    note: FileNote,
    *,
    by: Actor,
    now: datetime,
) -> None:
    """Write a note of the operator about files, and the works that it causes.

    Raises:
        RefusedError: the note is not possible for one of them; the transaction must not be committed.
    """
    files = _find_files(connection, code_commune, exports, note)
    declaration = FileDeclaration(code_commune, by.name, now, files, note=note)
    add(connection, [*declaration.works()], again=True)
    declaration.apply(connection, now)


def _why_refused(file: Export, note: FileNote) -> tuple[str, str] | None:
    """Return a code and a sentence; None if the note is possible."""
    match note:
        case FileDeposited() if file.edition == Edition.COMMISSION:
            return (
                "exemplaire_commission",
                "L'exemplaire de la commission ne se dépose pas : déposez celui qui est affiché.",
            )
        case FileDeposited() if not may_be_deposited(file.profile, file.format):
            return (
                "format_non_depose",
                "La plateforme ne prend pas ce format : déposez le même fichier dans un autre.",
            )
        case TableauPublished(reason=reason):
            return _why_not_published(file, reason)
    return None


def _why_not_published(file: Export, reason: str) -> tuple[str, str] | None:
    """`reason`: why an incomplete tableau is published nevertheless."""
    if file.kind != ExportKind.TABLEAU:
        return (
            "pas_un_tableau",
            f"Seul un tableau se publie ainsi : « {file.label} » est une liste.",
        )
    if refusal := why_never_published(
        file.type_tableau, file.presentation, file.edition, file.code_commune
    ):
        return refusal.code, refusal.reason
    if file.provisoire_until or file.bloquantes:
        return (
            "tableau_a_refaire",
            f"« {file.label} » ne se publie pas : il est provisoire ou à corriger. Refaites-le.",
        )
    if file.a_completer and not reason.strip():
        missing = describe_missing(file.anomalies)
        return (
            "raison_absente",
            f"« {file.label} » est à compléter ({missing}) : dites pourquoi il est publié ainsi.",
        )
    return None


def _find_files(
    connection: Connection, commune: str, export_ids: Iterable[int], note: FileNote
) -> list[Export]:
    """Return the files in the order of the event, purged files included.

    Raises:
        RefusedError: a file is not ready or belongs to another commune, or the note is not possible for it.
    """
    ids = list(export_ids)
    with Session(connection) as session:
        query = select(Export).where(Export.id.in_(ids), Export.code_commune == commune)
        found = {export.id: export for export in session.scalars(query)}
    if found.keys() != set(ids):
        raise _unknown_file(commune, "data.exports")
    if missing := [file.label for file in found.values() if file.status != ExportStatus.READY]:
        raise RefusedError(
            f"Ce fichier n'est pas prêt : « {missing[0]} ».",
            code="fichier_pas_pret",
            field="data.exports",
        )
    for file in found.values():
        if refusal := _why_refused(file, note):
            code, said = refusal
            raise RefusedError(said, code=code, field="data.exports")
    return [found[number] for number in ids]


def _unknown_file(commune: str, field: str) -> RefusedError:
    said = f"Fichier inconnu : un des numéros n'est pas celui d'un fichier de {commune}."
    return RefusedError(said, code="fichier_inconnu", field=field)


@dataclass(frozen=True)
class ScreenDeclaration(Declaration):
    """One note of the screen."""

    note: ScreenNote = field(kw_only=True)
    bindable: Sequence[str] = ()
    """The communes of the agent in which a login binds the agent to the identity."""

    def apply(self, connection: Connection, now: datetime) -> None:  # noqa: ARG002 — no note has a day
        """Write the note in the audit trail; write a login and wishes to the table of agents too."""
        match self.note:
            case LoggedIn(identity=identity):
                self._record(connection, self._bind(connection, identity), "")
            case WishesChosen(wishes=wishes):
                self._record(
                    connection, Action.WISHES_CHANGED, self._choose(connection, join_wishes(wishes))
                )
            case ElecteursSeen(page=page, electeurs=electeurs, export=export):
                said = f"{page.label} : {count_of(electeurs, 'électeur')}"
                said += f", {self._name_of(connection, export)}" if export is not None else ""
                self._record(connection, Action.ELECTEURS_SEEN, said, export)
            case DownloadBegun(export=export, piece=piece):
                said = self._name_of(connection, export) + (
                    "" if piece is Piece.FICHIER else f" ({piece})"
                )
                self._record(connection, Action.DOWNLOAD_BEGUN, said, export)

    def _bind(self, connection: Connection, identity: str) -> Action:
        is_it = Agent.name == self.requested_by, Agent.code_commune.in_(self.bindable)
        bound = connection.scalars(select(Agent.identity).where(*is_it).with_for_update()).all()
        if not bound:
            raise self._unknown_agent()
        if {"", identity}.isdisjoint(bound):
            return Action.LOGIN_REFUSED
        connection.execute(
            update(Agent).where(*is_it, Agent.identity == "").values(identity=identity)
        )
        return Action.LOGGED_IN

    def _choose(self, connection: Connection, kinds: str) -> str:
        is_it = Agent.name == self.requested_by, Agent.code_commune == self.commune
        if not connection.execute(update(Agent).where(*is_it).values(kinds=kinds)).rowcount:
            raise self._unknown_agent()
        return ", ".join(wish.label for wish in Wish if wish in split_wishes(kinds)) or "rien"

    def _unknown_agent(self) -> RefusedError:
        reason = "Cet agent n'est pas inscrit pour la commune."
        return RefusedError(reason, code="agent_inconnu", field="data.requested_by")

    def _name_of(self, connection: Connection, export_id: int) -> str:
        is_it = Export.id == export_id, Export.code_commune == self.commune
        if (name := connection.scalar(select(Export.file_name).where(*is_it))) is None:
            raise _unknown_file(self.commune, "data.note.export")
        return name

    def _record(
        self, connection: Connection, action: Action, detail: str, export_id: int | None = None
    ) -> None:
        by = Actor(self.requested_by, self.account)
        record_audit(
            connection,
            action,
            actor=by,
            code_commune=self.commune,
            export_id=export_id,
            detail=detail,
        )


def _look_at_file(services: Services, commune: str, export_id: int, who: str) -> None:
    """Compare the file with its row, and record what is found; while the volume is away, nothing is known."""
    is_it = Export.id == export_id, Export.code_commune == commune
    with suppress(TransientError):
        deque(verify_files(services.engine, services.storage, *is_it, actor=who), maxlen=0)


def read_screen_note(
    event: CloudEvent, services: Services, authorization: Authorization
) -> ScreenDeclaration:
    """Read the note of an event.

    Raises:
        RefusedError: the sender is not the screen, or the note cannot be recorded.
    """
    asked = read_data(event, ScreenNoted)
    authorization.require_screen(asked.commune)
    if isinstance(asked.note, FileNotServed):
        _look_at_file(services, asked.commune, asked.note.export, asked.requested_by)
    bindable = (
        authorization.communes_of(asked.requested_by) if isinstance(asked.note, LoggedIn) else ()
    )
    return ScreenDeclaration(
        asked.commune, asked.requested_by, event.time, note=asked.note, bindable=bindable
    )
