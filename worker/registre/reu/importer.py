"""The import of a REU export: each list of the file replaces that list of the register, all of them or none.

The electors are staged under a new version, then one short transaction switches the lists to it. An import that is
killed before has changed nothing, and the next import removes its staged electors.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, and_, func, insert, literal, select, text, update
from sqlalchemy.exc import OperationalError

from common.calendrier import civil_day, now, shared_day
from common.french import count_of, short_date
from schemas.profiles.source import SourceProfile, read_reu
from schemas.vocabulary import ImportQuestion, Liste
from worker.db.types import utc_now
from worker.errors import ImportRefusedError
from worker.registre.checks.facts import (
    FACTS_VERSION,
    count_blocking,
    count_mineurs,
    count_without_zeros,
    find_facts,
)
from worker.registre.communes import lock_bureaux, merge_bureaux, read_names
from worker.registre.comparaison.answers import Restored, restore_answers
from worker.registre.comparaison.compare import compare, record_comparison
from worker.registre.imports.chain import digest_mouvements, list_gaps, refuse_future
from worker.registre.imports.file import ImportedFile
from worker.registre.imports.history import (
    find_days,
    find_same,
    importing,
    mark_absorbed,
    read_state,
)
from worker.registre.imports.report import (
    ImportPreview,
    ImportSummary,
    ListeCount,
    Question,
    RejectReport,
    ask_in_words,
    default_report,
)
from worker.registre.models import Electeur, Import, ImportListe, ListeCommunale
from worker.registre.reference import arrondissements_of
from worker.registre.reu.columns import name_other_kind
from worker.registre.reu.guess import describe_matching
from worker.registre.reu.lines import FIELDS, ElecteurRow, Reading, open_reu, said_of
from worker.registre.versions import (
    BATCH,
    ListeKey,
    current_versions,
    discard_version,
    is_on_liste,
    is_shown,
    point_to,
    stands,
)

ImportProgress = Callable[[int, float], None]
"""Called at intervals with the lines read so far and the share of the file, 0 to 1."""

OnTaken = Callable[[Connection, int, Sequence[Question]], object]
"""Called in the transaction of an import, with its id and the confirmed questions.

An exception rolls everything back.
"""

LARGE = 10_000
"""Number of electors from which PostgreSQL's statistics are renewed at once."""

_ZEROS_LOST = (
    "un tableur a retiré les zéros en tête des codes (code postal, département ou commune de naissance) de {} : les "
    "fichiers de ces listes ne seront pas à déposer. Reprenez l'export d'ELIRE sans l'ouvrir dans un tableur ; si cet "
    "import est fait, annulez-le d'abord (imports --undo)"
)

_COLUMNS = ", ".join(("version", "facts", *FIELDS))
_COPY = f"COPY electeur ({_COLUMNS}) FROM STDIN"
_INSERT = f"INSERT INTO electeur ({_COLUMNS}) VALUES ({', '.join('?' * (len(FIELDS) + 2))})"  # noqa: S608 — our names


def import_file(  # noqa: PLR0913 — the options of a command
    engine: Engine,
    path: Path,
    *,
    imported_by: str,
    accept_changes: bool = False,
    accept_rejects: bool = False,
    report: Path | None = None,
    progress: ImportProgress = lambda *_: None,
    intake: "Intake | None" = None,
    then: "OnTaken" = lambda *_: None,
) -> ImportSummary:
    """Import a REU export into the register, as a link of the chain of exports.

    Rejected lines go to `report`, by default `<name>-rejets.csv` beside the file. The changes of the lists since the
    link before are recorded as mouvements of the day it was taken, see `worker.registre.comparaison`; a list that the
    file lacks stays unchanged. `intake` changes these defaults.

    Raises:
        ImportRefusedError: not a REU export, rejected lines or questions that are not accepted, a day to come or before
            that of the link before, another file or register than `intake` names. The register is unchanged.
        ImportBusyError: another import is running.
    """
    wishes = _Wishes(imported_by, accept_changes, accept_rejects, report, progress, then)
    return _take_up(engine, path, intake or Intake(), wishes).summary


def preview_file(
    engine: Engine, path: Path, *, intake: "Intake", progress: ImportProgress
) -> ImportPreview:
    """Run the import and roll it back; return the questions and rejects instead of refusing them.

    Raises:
        ImportRefusedError: an error that an agent cannot accept; the register is unchanged, with or without an error.
        ImportBusyError: another import is running.
    """
    wishes = _Wishes("aperçu", accept_changes=True, accept_rejects=True, progress=progress)
    return _take_up(engine, path, intake, wishes)


class _Wishes(NamedTuple):
    imported_by: str
    accept_changes: bool
    accept_rejects: bool
    report: Path | None = None
    progress: ImportProgress = lambda *_: None
    then: OnTaken | None = None
    """None: the import is rolled back."""


def _take_up(engine: Engine, path: Path, intake: "Intake", wishes: _Wishes) -> ImportPreview:
    profile = intake.profile or read_reu()
    with importing(engine, intake.only) as connection:
        reu = open_reu(
            path, profile, intake.said, named=intake.named, check=partial(wishes.progress, 0, 0)
        )
        if intake.sha256 not in {"", reu.sha256}:
            raise ImportRefusedError(
                f"{reu.name} n'est plus le fichier qui a été déposé ; déposez-le de nouveau"
            )
        if reu.columns.missing:
            raise describe_matching(reu, profile, {})
        with connection.begin():
            state = read_state(connection, intake.commune or "")
            same = find_same(connection, reu.sha256, said_of(reu))
            questions = [*_ask_same_bytes(connection, reu, intake), *_ask_other_kind(reu, profile)]
        if intake.state not in {"", state}:
            raise ImportRefusedError(
                "Le registre a changé depuis l'aperçu ; déposez de nouveau le fichier"
            )
        if same and not intake.says_more_than(same):
            return ImportPreview(same, state)
        rejects = RejectReport(wishes.report or (None if intake.named else default_report(path)))
        with connection.begin():
            values = {
                "file_name": reu.name,
                "sha256": reu.sha256,
                "imported_by": wishes.imported_by,
            }
            version: int = connection.execute(
                insert(Import).values(values).returning(Import.id)
            ).scalar_one()
            communes = read_names(connection)
        reading = Reading(reu, communes, rejects, profile, only=intake.only)
        try:
            with rejects:
                _write_electeurs(connection, version, reading, wishes.progress)
            if unknown := reading.unknown:
                raise describe_matching(reu, profile, unknown)
            reading.finish(intake.commune, intake.empty, accept_rejects=wishes.accept_rejects)
            link = _link(connection, version, reading, intake)
            listes, kept = _count(connection, reading)
            _refuse_late(connection, reading.listes, link)
            _renew_statistics(connection, reading.lines_kept)
            find_facts(connection, version, reading.listes, link.read_on)
            blocking = (
                {}
                if wishes.then
                else count_blocking(connection, version, reading.listes, link.read_on)
            )

            judged = [it for it in listes if intake.no_compare or not link.why_not_compared(it.key)]
            compared, comparison, found = compare(connection, version, judged, link.taken_on)
            questions += found
            if questions and not wishes.accept_changes:
                raise _refuse_unanswered(questions)
            changed, restored = _record(
                connection,
                version,
                reading,
                link,
                compared=compared,
                questions=questions,
                then=wishes.then,
            )
            with connection.begin():
                gaps = list_gaps(connection, [version]) if intake.no_compare else []
                without_zeros = count_without_zeros(connection, version)
                mineurs = count_mineurs(connection, version, link.read_on)
        except ImportRefusedError:
            discard_version(connection, version, reading.listes)
            raise
        if not wishes.then:
            discard_version(connection, version, reading.listes)
    summary = reading.summarise(version)
    zeros = [_ZEROS_LOST.format(count_of(without_zeros, "électeur"))] if without_zeros else []
    summary = replace(
        summary,
        notes=(
            *summary.notes,
            *zeros,
            *(it.note for it in link.parts.values() if it.note),
            *restored.describe(),
        ),
        listes=tuple(replace(it, mineurs=mineurs.get(it.key, 0)) for it in listes),
        bureaux=len(reading.bureaux),
        bureaux_changed=changed,
        comparison=None
        if intake.no_compare
        else replace(comparison, doubts=comparison.doubts - restored.doubts),
        questions=tuple(questions),
        taken_on=link.taken_on,
        is_dated=intake.taken_on is not None,
        kept=kept,
        gaps=tuple(gaps),
    )
    return ImportPreview(summary, state, tuple(rejects.first), blocking)


class Intake(NamedTuple):
    """The options of the import of an export."""

    taken_on: date | None = None
    """The day it was taken from the REU. None: unknown, and the day of the import is recorded as such.

    That is the civil day of the communes of the file; of Paris, if they are in several time zones.
    """
    no_compare: str = ""
    """Why it is not compared with the link before it; tableaux report this gap."""
    empty: Sequence[Liste] = ()
    """Lists that the file lacks because they have no elector any more."""
    commune: str | None = None
    """The commune of these lists, or of all electors if the file does not state it."""
    liste: Liste | None = None
    """The list of all electors, if the file does not state it."""
    named: str = ""
    """The owner's name of an uploaded file, which is stored under another name; no report can be written beside it.

    Such a file must be of `commune` alone: electors of another commune are refused."""
    sha256: str = ""
    """SHA-256 of the expected file, because another one may replace it."""
    state: str = ""
    """The expected state of the register, see `read_state`, because it may change."""
    profile: SourceProfile | None = None
    """What such a file looks like; by default, the export of the REU."""

    @property
    def said(self) -> dict[str, str]:
        """The values that replace columns."""
        said = {"code_commune": self.commune, "liste": self.liste}
        return {field: value for field, value in said.items() if value}

    @property
    def only(self) -> str:
        """The only commune that the file may hold; empty if it may hold several."""
        return (self.commune or "") if self.named else ""

    def says_more_than(self, same: ImportSummary) -> bool:
        """Return whether the same bytes bring new facts: no change until a later day, or an empty list."""
        is_later = bool(self.taken_on and same.taken_on and self.taken_on > same.taken_on)
        return is_later or bool(self.empty)


class _Link(NamedTuple):
    """The record of the export as a link: its day, and why a list is not compared."""

    intake: Intake
    taken_on: date
    read_on: date
    """The earliest civil day of the communes at the import: who is a minor there is found."""
    parts: "Mapping[ListeKey, _Parts]"
    """The lists that the export holds by arrondissement."""

    def why_not_compared(self, liste: ListeKey) -> str:
        """Return the reason in French; empty if the list is compared."""
        return self.intake.no_compare or (
            self.parts[liste].why_not_compared if liste in self.parts else ""
        )


def _link(connection: Connection, version: int, reading: Reading, intake: Intake) -> _Link:
    communes = {it.code_commune for it in reading.listes}
    if intake.taken_on:
        refuse_future(intake.taken_on, communes)
    instant = now()
    taken_on = intake.taken_on or shared_day(instant, communes)
    read_on = min(civil_day(instant, code) for code in communes)
    return _Link(intake, taken_on, read_on, _keep_parts(connection, version, reading))


def _write_electeurs(
    connection: Connection, version: int, reading: Reading, progress: ImportProgress
) -> None:
    def check() -> None:
        progress(reading.lines_read, reading.share)

    write = _copy if connection.dialect.name == "postgresql" else _insert
    rest = reading.rows(check)
    for first in rest:
        write(connection, version, chain([first], islice(rest, BATCH - 1)))
        check()


def _renew_statistics(connection: Connection, staged: int) -> None:
    """Renew PostgreSQL's statistics before the new version is read; SQLite does not need them."""
    if connection.dialect.name == "postgresql" and staged >= LARGE:
        with connection.begin():
            connection.execute(text("ANALYZE electeur"))


def _copy(connection: Connection, version: int, batch: Iterable[ElecteurRow]) -> None:
    errors: Any = connection.dialect.loaded_dbapi
    try:
        with connection.begin():
            driver: Any = connection.connection.dbapi_connection
            with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
                for row in batch:
                    copy.write_row((version, 0, *row))
    except errors.OperationalError as error:
        raise OperationalError(_COPY, None, error) from None
    except errors.Error as error:  # the error quotes the line
        raise ImportRefusedError(
            f"la base de données refuse des électeurs ({type(error).__name__})"
        ) from None


def _insert(connection: Connection, version: int, batch: Iterable[ElecteurRow]) -> None:
    """Read the rows before BEGIN, because SQLite blocks other writers from BEGIN on."""
    values = [(version, 0, *row) for row in batch]
    with connection.begin():
        connection.exec_driver_sql(_INSERT, values)


def _ask_same_bytes(connection: Connection, reu: ImportedFile, intake: "Intake") -> list[Question]:
    jour = intake.taken_on or shared_day(now(), [intake.commune] if intake.commune else [])
    days = find_days(connection, reu.sha256, said_of(reu))
    if not days or jour in days:
        return []
    before = short_date(max(days))
    return [
        Question(
            ImportQuestion.SAME_BYTES,
            "",
            "",
            f"Ce fichier est le même, octet pour octet, que l'export du {before} qui est déjà repris",
            f"Vous reprenez le même fichier ; si l'export est bien du {short_date(jour)}, rien n'a changé jusque-là.",
        )
    ]


def _ask_other_kind(reu: ImportedFile, profile: SourceProfile) -> list[Question]:
    kind, sign = name_other_kind(reu.name, reu.columns.titles, profile)
    if not kind:
        return []
    return [
        Question(
            ImportQuestion.OTHER_KIND,
            "",
            "",
            f"Ce fichier n'est peut-être pas la liste des électeurs actifs : {sign}",
            f"Il contient peut-être {kind} : téléchargez la liste des électeurs actifs.",
        )
    ]


def _refuse_unanswered(questions: Sequence[Question]) -> ImportRefusedError:
    said = ask_in_words((it.found, it.cause) for it in questions)
    return ImportRefusedError(
        f"{said} Si tout cela est voulu, ajoutez --accept-changes.",
        on_screen=f"{said} Déposez de nouveau le fichier, et confirmez",
    )


def _refuse_late(connection: Connection, listes: Collection[ListeKey], link: _Link) -> None:
    """Refuse an export taken before the link that it would follow: its changes cannot be found any more.

    For an arrondissement, the link is the former export of that arrondissement.
    """
    jour = link.taken_on
    with connection.begin():
        for liste in listes:
            query = (
                select(func.max(Import.taken_on))
                .join_from(ImportListe, Import)
                .where(
                    ImportListe.code_commune == liste.code_commune,
                    ImportListe.liste == liste.liste,
                    stands(),
                )
            )
            if liste in link.parts and link.parts[liste].followed:
                query = query.where(Import.id.in_(link.parts[liste].followed))
            last: date | None = connection.scalar(query)
            if last and last > jour:
                late = (
                    f"un export du {last:%d/%m/%Y} est déjà repris pour la liste {liste.liste} de "
                    f"{liste.code_commune}, et celui-ci, du {jour:%d/%m/%Y}, vient trop tard"
                )
                raise ImportRefusedError(
                    f"{late} : annulez d'abord l'autre (imports --undo), ou corrigez son jour (imports --taken-on)",
                    on_screen=f"{late} : vérifiez le jour ; s'il est juste, votre administrateur peut annuler l'autre",
                )


def _count(
    connection: Connection, reading: Reading
) -> tuple[tuple[ListeCount, ...], tuple[ListeCount, ...]]:
    replaced = reading.listes
    key = ListeCommunale.code_commune, ListeCommunale.liste
    query = select(*key, func.count(Electeur.id)).outerjoin(Electeur, is_shown()).group_by(*key)
    with connection.begin():
        rows = connection.execute(query.where(key[0].in_({it.code_commune for it in replaced})))
        before = {ListeKey(commune, liste): count for commune, liste, count in rows}
    return (
        tuple(
            ListeCount(*liste, count, before.get(liste))
            for liste, count in sorted(replaced.items())
        ),
        tuple(
            ListeCount(*liste, count, count)
            for liste, count in sorted(before.items())
            if liste not in replaced
        ),
    )


def _record(
    connection: Connection,
    version: int,
    reading: Reading,
    link: _Link,
    *,
    compared: Mapping[ListeKey, int],
    questions: Sequence[Question],
    then: OnTaken | None,
) -> tuple[int, Restored]:
    """Switch the lists of the file to their new version, in one transaction.

    Return the number of changed bureaux, and the answers that undone imports left for this one. `then` is called in
    the transaction; without it, the import is rolled back.

    Raises:
        ImportRefusedError: another service has changed a list since it was compared.
    """
    with connection.begin() as transaction:
        lock_bureaux(connection)
        changes = merge_bureaux(connection, reading.bureaux)
        before = current_versions(connection)
        if not link.intake.no_compare:
            if any(before.get(liste) != known for liste, known in compared.items()):
                raise ImportRefusedError(
                    "les listes ont été modifiées pendant leur comparaison ; recommencez l'import"
                )
            record_comparison(connection, version)
        point_to(connection, dict.fromkeys(reading.listes, version))
        digests = digest_mouvements(connection, [version])
        replaced = [
            {
                "import_id": version,
                **liste._asdict(),
                "electeurs": count,
                "version_before": before.get(liste),
                "is_compared": liste in before and not link.why_not_compared(liste),
                "not_compared_because": link.why_not_compared(liste) if liste in before else "",
                "parts": link.parts[liste].imports if liste in link.parts else None,
                "facts_version": FACTS_VERSION,
                "facts_since": link.read_on,
                "mouvements_digest": digests[version, liste],
            }
            for liste, count in reading.listes.items()
        ]
        connection.execute(insert(ImportListe), replaced)
        done = {
            "finished_at": utc_now(),
            **reading.counts(),
            "bureaux_before": changes,
            "taken_on": link.taken_on,
            "is_dated": link.intake.taken_on is not None,
        }
        connection.execute(update(Import).where(Import.id == version).values(done))
        mark_absorbed(
            connection, version, {it.absorbed: it.code_commune for it in questions if it.absorbed}
        )
        restored = restore_answers(connection, version)
        if then:
            then(connection, version, questions)
        else:
            transaction.rollback()
    return len(changes), restored


# Lists by arrondissement: an export of one arrondissement replaces its electors only; the other electors stay.

_COPIED = [
    column.key
    for column in Electeur.__table__.columns
    if column.key not in {"id", "version", "facts"}
]


class _Parts(NamedTuple):
    imports: Mapping[str, int]
    """The import that wrote the electors of each arrondissement, including this import."""
    followed: Collection[int] = ()
    """The imports that wrote the arrondissements of this export before it."""
    why_not_compared: str = ""
    """In French, if the register does not hold one of them yet: its inscriptions are not known."""
    note: str = ""
    """The note of the import, in French."""


def _keep_parts(connection: Connection, version: int, reading: Reading) -> dict[ListeKey, _Parts]:
    held = reading.arrondissements
    with connection.begin():
        current = current_versions(connection) if held else {}
    parts: dict[ListeKey, _Parts] = {}
    for liste, codes in held.items():
        mine = dict.fromkeys(sorted(codes), version)
        parts[liste] = _Parts(mine)
        if liste not in current:
            continue
        with connection.begin():
            counts = select(Electeur.arrondissement, func.count()).where(
                is_on_liste(*liste, current[liste])
            )
            rows = connection.execute(counts.group_by(Electeur.arrondissement))
            shown = {str(code): int(number) for code, number in rows}
            of_liste = (
                ImportListe.code_commune == liste.code_commune,
                ImportListe.liste == liste.liste,
            )
            own = select(ImportListe.parts).where(
                ImportListe.import_id == current[liste], *of_liste
            )
            written = connection.scalar(own) or {}
        if "" in shown:
            if not arrondissements_of(liste.code_commune) <= codes:
                raise ImportRefusedError(
                    f"cet export est celui de {', '.join(sorted(codes))}, une partie de la commune "
                    f"{liste.code_commune}, et le registre a la liste {liste.liste} de toute la commune : reprenez "
                    "l'export de toute la commune, ou un fichier de tous ses arrondissements"
                )
            continue
        others = sorted(shown.keys() - codes)
        is_kept = and_(is_on_liste(*liste, current[liste]), Electeur.arrondissement.in_(others))
        columns = literal(version), literal(0), *(getattr(Electeur, name) for name in _COPIED)
        copied = select(*columns).where(is_kept).order_by(Electeur.id)
        with connection.begin():
            connection.execute(insert(Electeur).from_select(["version", "facts", *_COPIED], copied))
        kept = sum(shown[code] for code in others)
        reading.add(liste, kept)
        new = ", ".join(sorted(codes - written.keys())) if shown else ""
        parts[liste] = _Parts(
            {code: written[code] for code in others} | mine,
            [written[code] for code in codes if code in written],
            f"premier export de {new}" if new else "",
            f"{count_of(kept, 'électeur')} de {', '.join(others)} restent sur la liste {liste.liste}, sans changement"
            if others
            else "",
        )
    return parts
