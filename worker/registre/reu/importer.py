"""The import of a REU export: each list of the file replaces that list of the register, all of them or none.

The electors are staged under a new version, then one short transaction lets the lists point to it. Killed before,
an import has changed nothing; what it staged is removed by the next one.
"""

from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import date
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, func, insert, select, text, update
from sqlalchemy.exc import OperationalError

from common.clock import jour_a_paris, now
from common.french import count_of, format_number
from schemas.vocabulary import Liste
from worker.db.types import utc_now
from worker.errors import ImportRefusedError
from worker.registre.bureaux import COMMUNES_AT_ONCE, DescribedBureau, lock_bureaux, merge_bureaux
from worker.registre.checks.facts import facts_since, find_facts
from worker.registre.checks.suspects import FACTS_VERSION
from worker.registre.communes import read_codes
from worker.registre.comparaison.compare import RecordMouvements, comparing
from worker.registre.comparaison.report import comparison_report
from worker.registre.imports.file import ImportedFile
from worker.registre.imports.history import count_columns, find_same, import_lock, summarise
from worker.registre.imports.lines import LineReader, Rejection
from worker.registre.imports.report import CORRECT_OR_ACCEPT, RejectReport, default_report
from worker.registre.imports.summary import Comparison, ImportSummary, ListeCount, name_some
from worker.registre.models import Electeur, Import, ImportListe, ListeCommunale
from worker.registre.reu.file import open_reu
from worker.registre.reu.lines import FIELDS, ElecteurRow, LineParser
from worker.registre.versions import BATCH, ListeKey, current_versions, is_shown, point_to, remove_obsolete

ImportProgress = Callable[[int, float], None]
"""Called now and then with the lines read so far and the share of the file, 0 to 1."""

MAX_LOSS = 20
"""A list that loses more than so many per cent of its electors is taken for a truncated download."""

LARGE = 10_000
"""Electors from which PostgreSQL's statistics are worth renewing at once."""

_NOTHING_KEPT = "Aucune ligne ne peut être gardée. Une commune nouvelle s'ajoute par « communes --add CODE NOM »."

_KEY = slice(FIELDS.index("code_commune"), FIELDS.index("liste") + 1)
_COLUMNS = ", ".join(("version", "facts", *FIELDS))
_COPY = f"COPY electeur ({_COLUMNS}) FROM STDIN"
_INSERT = f"INSERT INTO electeur ({_COLUMNS}) VALUES ({', '.join('?' * (len(FIELDS) + 2))})"  # noqa: S608 — our names


def import_file(
    engine: Engine,
    path: Path,
    *,
    imported_by: str,
    accept_loss: bool = False,
    accept_rejects: bool = False,
    report: Path | None = None,
    progress: ImportProgress | None = None,
    intake: "Intake | None" = None,
) -> ImportSummary:
    """Read a REU export into the register: a link of the chain of exports.

    Rejected lines go to `report`, by default `<name>-rejets.csv` beside the file. What the file changes in the lists
    since the link before is recorded as mouvements of the day it was taken, see `worker.registre.comparaison`; a list
    that it does not hold stays as it is. `intake` says otherwise.

    Raises:
        ImportRefusedError: not a REU export, lines rejected or a list that shrinks and not accepted, a day before that
            of the link before, another import at work. The register is unchanged.
    """
    intake = intake or Intake()
    jour = intake.taken_on or jour_a_paris(now())
    reu = open_reu(path, commune=intake.commune or "", liste=intake.liste or "")
    with engine.connect() as connection, import_lock(connection):
        remove_obsolete(connection)
        with connection.begin():
            same = find_same(connection, reu.sha256)
            if same and not _is_of(connection, same, reu.columns.constants):
                same = None
        if same and not intake.says_more_than(same):
            return same
        rejects = RejectReport(report or default_report(path))
        try:
            link = _Link(jour, intake.taken_on is not None, intake.no_compare, jour_a_paris(now()))
            version, reading = _stage(connection, reu, rejects, imported_by, progress)
            reading.empty(intake)
            _refuse_rejects(reading, rejects, accept=accept_rejects)
            listes, kept = _count(connection, reading)
            _refuse_loss([it for it in listes if it.electeurs], accept=accept_loss)
            _refuse_late(connection, reading.listes, jour)
            _renew_statistics(connection, reading.lines_kept)
            find_facts(connection, version, reading.listes, link.read_on)
            differing = _comparing(connection, version, reading, link, comparison_report(path, report))
            with differing as (comparison, record_changes):
                changed = _record(connection, version, reading, link, record_changes)
        except ImportRefusedError:
            remove_obsolete(connection)
            raise
        remove_obsolete(connection)
    return replace(
        summarise(version, reu, reading, rejects),
        listes=listes,
        bureaux=len(reading.bureaux),
        bureaux_changed=changed,
        comparison=comparison,
        taken_on=jour,
        is_dated=link.is_dated,
        kept=kept,
    )


class Intake(NamedTuple):
    """What is said of an export when it is taken up."""

    taken_on: date | None = None
    """The day it was taken from the REU. None: nobody says; that of the import in Paris is recorded as such."""
    no_compare: str = ""
    """Why it is not compared with the link before it: a gap, which tableaux say."""
    empty: Sequence[Liste] = ()
    """Lists that it does not hold, and on which nobody is any more."""
    commune: str | None = None
    """Whose these are, or all its electors, where the file does not tell."""
    liste: Liste | None = None
    """On which list all its electors are, where the file does not tell."""

    def says_more_than(self, same: ImportSummary) -> bool:
        """Whether the same bytes tell something new: nothing had changed until a later day, or a list is empty."""
        is_later = bool(self.taken_on and same.taken_on and self.taken_on > same.taken_on)
        return is_later or bool(self.empty)


def _is_of(connection: Connection, same: ImportSummary, said: Mapping[str, str]) -> bool:
    """Whether an import of the same bytes was of the commune and the list that are said now."""
    columns = [getattr(ImportListe, name) for name in said]
    if not columns:
        return True
    rows = connection.execute(select(*columns).where(ImportListe.import_id == same.import_id))
    return all(tuple(row) == tuple(said.values()) for row in rows)


class _Link(NamedTuple):
    """What is recorded of the export as a link of the chain: its day, whether somebody said it, why not compared."""

    taken_on: date
    is_dated: bool
    no_compare: str
    read_on: date
    """The day of the import."""


class Reading:
    """One pass over the export: electors out, rejected lines aside, counts on the way."""

    def __init__(self, reu: ImportedFile, communes: Container[str], reject: Callable[[Rejection], None]) -> None:
        """Lines of communes that are not in `communes` are rejected; each rejected line goes to `reject`."""
        self.lines_kept = 0
        self.values_cleaned = 0
        self._parser = LineParser(reu.columns, communes)
        self._lines = LineReader(reu, self._parser.parse, reject)
        self._counts: Counter[ElecteurRow] = Counter()
        self._emptied: Collection[ListeKey] = ()

    @property
    def lines_read(self) -> int:
        """The lines read so far."""
        return self._lines.lines_read

    @property
    def share(self) -> float:
        """How much of the file was read, 0 to 1."""
        return self._lines.share

    @property
    def listes(self) -> dict[ListeKey, int]:
        """The electors of each list that is replaced."""
        counts = {ListeKey(str(commune), str(liste)): count for (commune, liste), count in self._counts.items()}
        return dict.fromkeys(self._emptied, 0) | counts

    def empty(self, intake: "Intake") -> None:
        """Replace these lists too: by nobody, where the file holds none of their electors.

        Raises:
            ImportRefusedError: whose they are is not clear.
        """
        communes = {intake.commune} if intake.commune else {liste.code_commune for liste in self.listes}
        if intake.empty and len(communes) != 1:
            raise ImportRefusedError("indiquez avec --commune de quelle commune la liste est à vider")
        self._emptied = [ListeKey(code, liste.value) for code in communes for liste in intake.empty]

    @property
    def bureaux(self) -> list[DescribedBureau]:
        """The bureaux of the communes that have an elector."""
        communes = {liste.code_commune for liste in self.listes}
        return [bureau for bureau in self._parser.bureaux.values() if bureau.code_commune in communes]

    def rows(self) -> Iterator[ElecteurRow]:
        """The electors, in the order of the file.

        Raises:
            ImportRefusedError: the file cannot be read to its end, or changes while it is read.
        """
        cleaned = FIELDS.index("nettoyages")
        for _, row in self._lines:
            self.lines_kept += 1
            self._counts[row[_KEY]] += 1
            self.values_cleaned += int(row[cleaned] or 0)
            yield row


def _stage(
    connection: Connection, reu: ImportedFile, rejects: RejectReport, imported_by: str, progress: ImportProgress | None
) -> tuple[int, Reading]:
    with connection.begin():
        communes = read_codes(connection)
        values = {"file_name": reu.name, "sha256": reu.sha256, "imported_by": imported_by}
        version = connection.execute(insert(Import).values(values).returning(Import.id)).scalar_one()
    if not communes:
        raise ImportRefusedError("les communes de référence manquent ; lancez « python -m worker migrate »")
    with rejects:
        reading = Reading(reu, communes, rejects.add)
        report_progress = progress or (lambda _lines, _share: None)
        _write_electeurs(
            connection, version, reading.rows(), lambda: report_progress(reading.lines_read, reading.share)
        )
    return version, reading


def _write_electeurs(
    connection: Connection, version: int, rows: Iterable[ElecteurRow], progress: Callable[[], None]
) -> None:
    """Write the rows in the order they come, and call `progress` after each batch."""
    write = _copy if connection.dialect.name == "postgresql" else _insert
    rest = iter(rows)
    for first in rest:
        write(connection, version, chain([first], islice(rest, BATCH - 1)))
        progress()


def _renew_statistics(connection: Connection, staged: int) -> None:
    """Let PostgreSQL know of the new version before it is looked at; SQLite needs no such thing."""
    if connection.dialect.name == "postgresql" and staged >= LARGE:
        with connection.begin():
            connection.execute(text("ANALYZE electeur"))


def _copy(connection: Connection, version: int, batch: Iterable[ElecteurRow]) -> None:
    """PostgreSQL stores the rows while we read the next ones."""
    errors: Any = connection.dialect.loaded_dbapi
    try:
        with connection.begin():
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
                for row in batch:
                    copy.write_row((version, 0, *row))
    except errors.OperationalError as error:
        raise OperationalError(_COPY, None, error) from None
    except errors.Error as error:  # its text quotes the line
        raise ImportRefusedError(f"la base de données refuse des électeurs ({type(error).__name__})") from None


def _insert(connection: Connection, version: int, batch: Iterable[ElecteurRow]) -> None:
    """SQLite keeps other writers out from BEGIN on: the rows are read before."""
    values = [(version, 0, *row) for row in batch]
    with connection.begin():
        connection.exec_driver_sql(_INSERT, values)


def _refuse_rejects(reading: Reading, rejects: RejectReport, *, accept: bool) -> None:
    """Refuse a file without a single elector, and rejected lines unless they are accepted."""
    if rejects.reasons and not (accept and reading.lines_kept):
        raise rejects.refusal(reading.lines_read, CORRECT_OR_ACCEPT if reading.lines_kept else _NOTHING_KEPT)
    if not reading.listes:
        raise ImportRefusedError(
            "le fichier ne contient aucun électeur. Si une liste s'est vidée, indiquez laquelle avec --empty"
        )


def _refuse_loss(listes: Sequence[ListeCount], *, accept: bool) -> None:
    """Refuse lists that lose too many of their electors, unless it is accepted."""
    shrunk = [it for it in listes if it.before and (it.before - it.electeurs) * 100 > it.before * MAX_LOSS]
    if shrunk and not accept:
        named = name_some(
            f"la liste {it.liste} de {it.code_commune} passerait de {format_number(it.before or 0)} "
            f"à {count_of(it.electeurs, 'électeur')}"
            for it in shrunk
        )
        raise ImportRefusedError(
            f"{named}. Le téléchargement est-il complet ? Si ces électeurs sont vraiment partis, ajoutez --accept-loss."
        )


def _refuse_late(connection: Connection, listes: Collection[ListeKey], jour: date) -> None:
    """Refuse an export taken before the link that it would follow: what it changed cannot be told any more."""
    with connection.begin():
        for liste in listes:
            query = (
                select(func.max(Import.taken_on))
                .join(ImportListe, ImportListe.import_id == Import.id)
                .where(ImportListe.code_commune == liste.code_commune, ImportListe.liste == liste.liste)
                .where(Import.finished_at.is_not(None), Import.undone_at.is_(None))
            )
            last: date | None = connection.scalar(query)
            if last and last > jour:
                raise ImportRefusedError(
                    f"un export du {last:%d/%m/%Y} est déjà repris pour la liste {liste.liste} de "
                    f"{liste.code_commune}, et celui-ci, du {jour:%d/%m/%Y}, vient trop tard : annulez d'abord "
                    "l'autre (import-undo), ou corrigez son jour (imports --taken-on)"
                )


def _count(connection: Connection, reading: Reading) -> tuple[tuple[ListeCount, ...], tuple[ListeCount, ...]]:
    """The lists that are replaced, and those of the same communes that are not."""
    with connection.begin():
        before = _count_current(connection, {liste.code_commune for liste in reading.listes})
    replaced = reading.listes
    return (
        tuple(ListeCount(*liste, count, before.get(liste)) for liste, count in sorted(replaced.items())),
        tuple(ListeCount(*liste, count, count) for liste, count in sorted(before.items()) if liste not in replaced),
    )


def _count_current(connection: Connection, communes: Iterable[str]) -> dict[ListeKey, int]:
    """The electors that each list of these communes shows."""
    key = ListeCommunale.code_commune, ListeCommunale.liste
    query = select(*key, func.count(Electeur.id)).outerjoin(Electeur, is_shown()).group_by(*key)
    counts: dict[ListeKey, int] = {}
    codes = iter(sorted(communes))
    while batch := list(islice(codes, COMMUNES_AT_ONCE)):
        rows = connection.execute(query.where(ListeCommunale.code_commune.in_(batch)))
        counts |= {ListeKey(commune, liste): count for commune, liste, count in rows}
    return counts


def _comparing(
    connection: Connection, version: int, reading: Reading, link: _Link, report: Path
) -> AbstractContextManager[tuple[Comparison | None, RecordMouvements | None]]:
    if link.no_compare:
        return nullcontext((None, None))
    return comparing(connection, version, reading.listes, link.taken_on, report)


def _record(
    connection: Connection,
    version: int,
    reading: Reading,
    link: _Link,
    record_changes: Callable[[Connection, Mapping[ListeKey, int]], object] | None = None,
) -> int:
    """Let the lists of the file show their new version, in one transaction; returns how many bureaux changed.

    `record_changes` is called within the transaction, with the versions that the lists of the register showed until
    then.
    """
    with connection.begin():
        lock_bureaux(connection)
        changes = merge_bureaux(connection, reading.bureaux)
        before = current_versions(connection)
        if record_changes:
            record_changes(connection, before)
        point_to(connection, dict.fromkeys(reading.listes, version))
        replaced = [
            {
                "import_id": version,
                **liste._asdict(),
                "electeurs": count,
                "version_before": before.get(liste),
                "is_compared": liste in before and not link.no_compare,
                "not_compared_because": link.no_compare if liste in before else "",
                "facts_version": FACTS_VERSION,
                "facts_since": facts_since(link.read_on),
            }
            for liste, count in reading.listes.items()
        ]
        connection.execute(insert(ImportListe), replaced)
        done = {
            "finished_at": utc_now(),
            **count_columns(reading),
            "bureaux_before": changes,
            "taken_on": link.taken_on,
            "is_dated": link.is_dated,
        }
        connection.execute(update(Import).where(Import.id == version).values(done))
    return len(changes)
