"""The import of a CSV file of mouvements: all of its lines are added to the register, or none.

The same bytes again change nothing. A mouvement that the register holds already is rejected: a corrected file is
imported after the first one was undone.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, insert

from worker.db.types import utc_now
from worker.errors import ImportRefusedError
from worker.registre.history import find_same
from worker.registre.known_communes import read_codes
from worker.registre.lock import import_lock
from worker.registre.models import Import
from worker.registre.mouvement_file import open_mouvements
from worker.registre.mouvement_lines import MouvementParser
from worker.registre.mouvement_reading import MouvementReading
from worker.registre.mouvement_staging import STAGED, at_work, record_mouvements, work_tables
from worker.registre.reject_report import RejectReport, default_report
from worker.registre.summary import ImportSummary, describe_reasons, format_count, format_number

KIND = "mouvements"


def import_mouvements(
    engine: Engine, path: Path, *, imported_by: str, accept_rejects: bool = False, report: Path | None = None
) -> ImportSummary:
    """Read a CSV file of mouvements into the register.

    Rejected lines go to `report`, by default `<name>-rejets.csv` beside the file.

    Raises:
        ImportRefusedError: not a file of mouvements, lines rejected and not accepted, another import at work. The
            register is unchanged.
    """
    file = open_mouvements(path)
    with engine.connect() as connection, import_lock(connection):
        with connection.begin():
            same = find_same(connection, file.sha256)
            communes = read_codes(connection)
        if same:
            return same
        rejects = RejectReport(report or default_report(path))
        reading = MouvementReading(file, MouvementParser(file.columns, communes), rejects)
        with work_tables(connection, STAGED):
            with at_work(connection), rejects:
                reading.stage(connection)
            _refuse(reading, rejects, accept=accept_rejects)
            import_id = _record(connection, reading, imported_by)
    return ImportSummary(
        import_id=import_id,
        file_name=file.name,
        sha256=file.sha256,
        unchanged=False,
        lines_read=reading.lines_read,
        lines_kept=reading.lines_kept,
        lines_rejected=rejects.reasons.total(),
        values_cleaned=reading.values_cleaned,
        notes=file.columns.notes,
        reasons=rejects.reasons,
        report=rejects.written,
    )


def _refuse(reading: MouvementReading, rejects: RejectReport, *, accept: bool) -> None:
    if rejects.reasons and not (accept and reading.lines_kept):
        raise ImportRefusedError(
            f"{format_count(rejects.reasons.total(), 'ligne rejetée')} sur {format_number(reading.lines_read)} : "
            f"{describe_reasons(rejects.reasons)}. Le détail est dans {rejects.path}. "
            "Corrigez le fichier, ou acceptez de perdre ces lignes avec --accept-rejects."
        )
    if not reading.lines_kept:
        raise ImportRefusedError("le fichier ne contient aucun mouvement")


def _record(connection: Connection, reading: MouvementReading, imported_by: str) -> int:
    values = {
        "kind": KIND,
        "file_name": reading.file.name,
        "sha256": reading.file.sha256,
        "imported_by": imported_by,
        "finished_at": utc_now(),
        "lines_read": reading.lines_read,
        "lines_kept": reading.lines_kept,
        "lines_rejected": reading.lines_read - reading.lines_kept,
        "values_cleaned": reading.values_cleaned,
        "bureaux_before": [],
    }
    with connection.begin():
        import_id: int = connection.execute(insert(Import).values(values).returning(Import.id)).scalar_one()
        record_mouvements(connection, import_id)
    return import_id
