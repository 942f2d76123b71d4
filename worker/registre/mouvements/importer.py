"""The import of a CSV file of mouvements: all of its lines are added to the register, or none.

The same bytes again change nothing. A mouvement that the register holds already is rejected: a corrected file is
imported after the first one was undone.
"""

from collections.abc import Container, Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, exists, insert, select, update

from worker.db.types import utc_now
from worker.errors import ImportRefusedError
from worker.registre.communes import read_codes
from worker.registre.imports.file import ImportedFile
from worker.registre.imports.history import count_columns, find_same, import_lock, summarise
from worker.registre.imports.lines import LineReader, Rejection
from worker.registre.imports.report import CORRECT_OR_ACCEPT, RejectReport, default_report
from worker.registre.imports.summary import ImportSummary
from worker.registre.models import Import, MouvementRegistre
from worker.registre.mouvements.file import MouvementParser, open_mouvements
from worker.registre.mouvements.staging import STAGED, reading_transaction, record_mouvements, temporary_tables
from worker.registre.versions import BATCH

KIND = "mouvements"

_KNOWN_BY = (
    *("code_commune", "liste", "nom_naissance", "prenoms", "date_naissance", "commune_naissance", "pays_naissance"),
    *("nature", "effet", "date_tableau", "date_mouvement", "ancien_bureau", "nouveau_bureau"),
)
"""A mouvement that is the same in all of these is the same one."""


def import_mouvements(
    engine: Engine,
    path: Path,
    *,
    imported_by: str,
    accept_rejects: bool = False,
    report: Path | None = None,
    complete_until: date | None = None,
) -> ImportSummary:
    """Read a CSV file of mouvements into the register.

    `complete_until`: the day until which its producer says that the register then holds all of them; it is noted of a
    file that was imported before too. Rejected lines go to `report`, by default `<name>-rejets.csv` beside the file.

    Raises:
        ImportRefusedError: not a file of mouvements, lines rejected and not accepted, another import at work. The
            register is unchanged.
    """
    file = open_mouvements(path)
    with engine.connect() as connection, import_lock(connection):
        with connection.begin():
            same = find_same(connection, file.sha256)
            communes = read_codes(connection)
            if same and complete_until:
                vouched = update(Import).where(Import.id == same.import_id).values(complete_until=complete_until)
                connection.execute(vouched)
        if same:
            return same
        rejects = RejectReport(report or default_report(path))
        reading = MouvementReading(file, communes, rejects)
        with temporary_tables(connection, STAGED):
            with reading_transaction(connection), rejects:
                reading.stage(connection)
            _refuse_rejects(reading, rejects, accept=accept_rejects)
            import_id = _record(connection, file, reading, imported_by, complete_until)
    return summarise(import_id, file, reading, rejects)


class MouvementReading:
    """One pass over the file: mouvements out, rejected lines aside, counts on the way."""

    def __init__(self, file: ImportedFile, communes: Container[str], rejects: RejectReport) -> None:
        """Lines of communes that are not in `communes` are rejected."""
        self.values_cleaned = self.lines_kept = 0
        self._lines = LineReader(file, MouvementParser(file.columns, communes).parse, rejects.add)
        self._rejects = rejects

    @property
    def lines_read(self) -> int:
        """The lines read so far."""
        return self._lines.lines_read

    def stage(self, connection: Connection) -> None:
        """Put the lines that are kept into STAGED.

        Raises:
            ImportRefusedError: the file cannot be read to its end, or changes while it is read.
        """
        rows = self._rows()
        while batch := list(islice(rows, BATCH)):
            connection.execute(insert(STAGED), batch)
            self.lines_kept += len(batch)
        known = connection.scalars(select(STAGED.c.rank).where(_is_known()).order_by(STAGED.c.rank))
        for line in known:
            self._rejects.add(Rejection(line, "", "mouvement déjà dans le registre"))
        self.lines_kept -= connection.execute(delete(STAGED).where(_is_known())).rowcount

    def _rows(self) -> Iterator[dict[str, Any]]:
        for line, (row, cleaned) in self._lines:
            self.values_cleaned += cleaned
            yield row | {"rank": line}


def _is_known() -> ColumnElement[bool]:
    known = MouvementRegistre.__table__.c
    return exists().where(and_(*(known[name] == STAGED.c[name] for name in _KNOWN_BY)))


def _refuse_rejects(reading: MouvementReading, rejects: RejectReport, *, accept: bool) -> None:
    """Refuse a file without a single mouvement, and rejected lines unless they are accepted."""
    if rejects.reasons and not (accept and reading.lines_kept):
        raise rejects.refusal(reading.lines_read, CORRECT_OR_ACCEPT)
    if not reading.lines_kept:
        raise ImportRefusedError("le fichier ne contient aucun mouvement")


def _record(
    connection: Connection, file: ImportedFile, reading: MouvementReading, imported_by: str, complete_until: date | None
) -> int:
    values: dict[str, Any] = {
        "kind": KIND,
        "file_name": file.name,
        "sha256": file.sha256,
        "imported_by": imported_by,
        "finished_at": utc_now(),
        **count_columns(reading),
        "bureaux_before": [],
        "complete_until": complete_until,
    }
    with connection.begin():
        import_id: int = connection.execute(insert(Import).values(values).returning(Import.id)).scalar_one()
        record_mouvements(connection, import_id)
    return import_id
