"""The import of a REU export: each list of the file replaces that list of the register, all of them or none.

The electors are staged under a new version, then one short transaction lets the lists point to it. Killed before,
an import has changed nothing; what it staged is removed by the next one.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, insert

from common.clock import jour_a_paris
from worker.errors import ImportRefusedError
from worker.registre.checks import refuse_loss, refuse_rejects
from worker.registre.comparaison import Record, comparing
from worker.registre.comparaison_report import comparison_report
from worker.registre.history import count_current, find_same, record
from worker.registre.known_communes import read_codes
from worker.registre.lock import import_lock
from worker.registre.models import Import
from worker.registre.reading import Reading
from worker.registre.reject_report import RejectReport, default_report
from worker.registre.reu_file import ReuFile, open_reu
from worker.registre.staging import renew_statistics, stage
from worker.registre.summary import Comparison, ImportSummary, ListeCount
from worker.registre.versions import remove_obsolete

Progress = Callable[[int, float], None]
"""Called now and then with the lines read so far and the share of the file, 0 to 1."""


def import_file(
    engine: Engine,
    path: Path,
    *,
    imported_by: str,
    accept_loss: bool = False,
    accept_rejects: bool = False,
    report: Path | None = None,
    progress: Progress | None = None,
    compare: date | bool = False,
) -> ImportSummary:
    """Read a REU export into the register.

    Rejected lines go to `report`, by default `<name>-rejets.csv` beside the file. With `compare`, what the file changes
    in the lists is recorded as mouvements of that day (True: today in Paris), see `worker.registre.comparaison`.

    Raises:
        ImportRefusedError: not a REU export, lines rejected or a list that shrinks and not accepted, another import
            at work. The register is unchanged.
    """
    jour = jour_a_paris(datetime.now(UTC)) if compare is True else compare or None
    reu = open_reu(path)
    with engine.connect() as connection, import_lock(connection):
        remove_obsolete(connection)
        with connection.begin():
            same = find_same(connection, reu.sha256)
        if same:
            return same
        rejects = RejectReport(report or default_report(path))
        try:
            version, reading = _stage(connection, reu, rejects, imported_by, progress)
            refuse_rejects(reading, rejects, accept=accept_rejects)
            listes = _count(connection, reading)
            refuse_loss(listes, accept=accept_loss)
            renew_statistics(connection, reading.lines_kept)
            with _comparing(connection, version, reading, jour, comparison_report(path, report)) as (found, also):
                changed = record(connection, version, reading, also)
        except ImportRefusedError:
            remove_obsolete(connection)
            raise
        remove_obsolete(connection)
    return ImportSummary(
        import_id=version,
        file_name=reu.name,
        sha256=reu.sha256,
        unchanged=False,
        lines_read=reading.lines_read,
        lines_kept=reading.lines_kept,
        lines_rejected=rejects.reasons.total(),
        values_cleaned=reading.values_cleaned,
        listes=listes,
        bureaux=len(reading.bureaux),
        bureaux_changed=changed,
        notes=reu.notes,
        reasons=rejects.reasons,
        report=rejects.written,
        comparison=found,
    )


def _stage(
    connection: Connection, reu: ReuFile, rejects: RejectReport, imported_by: str, progress: Progress | None
) -> tuple[int, Reading]:
    with connection.begin():
        communes = read_codes(connection)
        values = {"file_name": reu.name, "sha256": reu.sha256, "imported_by": imported_by}
        version = connection.execute(insert(Import).values(values).returning(Import.id)).scalar_one()
    if not communes:
        raise ImportRefusedError("les communes de référence manquent ; lancez « python -m worker migrate »")
    with rejects:
        reading = Reading(reu, communes, rejects.add)
        tell = progress or (lambda _lines, _share: None)
        stage(connection, version, reading.rows(), lambda: tell(reading.lines_read, reading.share))
    return version, reading


def _count(connection: Connection, reading: Reading) -> tuple[ListeCount, ...]:
    with connection.begin():
        before = count_current(connection, {liste.code_commune for liste in reading.listes})
    return tuple(ListeCount(*liste, count, before.get(liste)) for liste, count in sorted(reading.listes.items()))


def _comparing(
    connection: Connection, version: int, reading: Reading, jour: date | None, report: Path
) -> AbstractContextManager[tuple[Comparison | None, Record | None]]:
    if jour is None:
        return nullcontext((None, None))
    return comparing(connection, version, reading.listes, jour, report)
