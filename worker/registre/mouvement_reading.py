"""One pass over a CSV file of mouvements, into a temporary table."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, insert, select

from worker.errors import ImportRefusedError
from worker.registre.mouvement_lines import MouvementParser
from worker.registre.mouvement_models import MouvementRegistre
from worker.registre.mouvement_staging import STAGED
from worker.registre.reject_report import RejectReport
from worker.registre.reu import LineError, Rejection
from worker.registre.reu_file import ReuFile, unreadable
from worker.registre.versions import BATCH

_KNOWN_BY = (
    *("code_commune", "liste", "nom_naissance", "prenoms", "date_naissance", "commune_naissance", "pays_naissance"),
    *("nature", "effet", "date_tableau", "date_mouvement", "ancien_bureau", "nouveau_bureau"),
)
"""A mouvement that is the same in all of these is the same one."""


class MouvementReading:
    """One pass over the file: mouvements out, rejected lines aside, counts on the way."""

    def __init__(self, file: ReuFile, parser: MouvementParser, rejects: RejectReport) -> None:
        self.file = file
        self.lines_read = self.values_cleaned = self.lines_kept = 0
        self._parser = parser
        self._rejects = rejects

    def stage(self, connection: Connection) -> None:
        """Put the lines that are kept into STAGED."""
        rows = self._rows()
        while batch := list(islice(rows, BATCH)):
            connection.execute(insert(STAGED), batch)
            self.lines_kept += len(batch)
        known = connection.scalars(select(STAGED.c.rank).where(_is_known()).order_by(STAGED.c.rank))
        for line in known:
            self._rejects.add(Rejection(line, "", "mouvement déjà dans le registre"))
        self.lines_kept -= connection.execute(delete(STAGED).where(_is_known())).rowcount

    def _rows(self) -> Iterator[dict[str, Any]]:
        try:
            with self.file.path.open("rb") as stream:
                for line, fields in self.file.iter_records(stream):
                    self.lines_read += 1
                    try:
                        row, cleaned = self._parser.parse(fields)
                    except LineError as error:
                        self._rejects.add(Rejection(line, error.column, error.reason))
                    else:
                        self.values_cleaned += cleaned
                        yield row | {"rank": line}
            has_changed = self.file.has_changed()
        except OSError as error:
            raise unreadable(self.file.path, error) from None
        if has_changed:
            raise ImportRefusedError(f"{self.file.path.name} a changé pendant sa lecture ; recommencez l'import")


def _is_known() -> ColumnElement[bool]:
    known = MouvementRegistre.__table__.c
    return exists().where(and_(*(known[name] == STAGED.c[name] for name in _KNOWN_BY)))
