"""The import of a CSV file of mouvements: all of its lines are added to the register, or none.

A second import of the same bytes changes nothing. A mouvement that the register already holds is rejected: a corrected
file is imported after the first one was undone.
"""

from collections.abc import Callable, Container, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    delete,
    exists,
    insert,
    select,
    update,
)

from schemas.profiles.source import (
    CODES,
    F,
    Presence,
    Shape,
    SourceField,
    SourceProfile,
    read_mouvements,
)
from schemas.vocabulary import Nature
from worker.db.types import utc_now
from worker.domain.identite import Effet
from worker.errors import ImportRefusedError
from worker.registre.communes import read_names
from worker.registre.imports.chain import refuse_future
from worker.registre.imports.file import open_file
from worker.registre.imports.history import find_same, importing
from worker.registre.imports.lines import (
    LineError,
    LineReader,
    parse_bureau,
    parse_commune,
    parse_numero,
    read_date,
    unknown_commune,
)
from worker.registre.imports.report import ImportSummary, Rejection, RejectReport, default_report
from worker.registre.imports.sources import Columns, Wanted
from worker.registre.models import UNDONE, Import, MouvementRegistre
from worker.registre.reu.columns import find_code, match_columns, read_bureau
from worker.registre.versions import (
    STAGED,
    create_temporary,
    insert_all,
    reading_transaction,
    record_mouvements,
)

_ADVICE = "enregistrez-le en « CSV UTF-8 », séparateur point-virgule"


def match_mouvement_columns(header: Sequence[str], profile: SourceProfile) -> Columns:
    """Find the columns by their titles, in any order; raises ImportRefusedError if one is missing or repeated."""
    columns = match_columns(header, profile, {})
    if columns.missing:
        lacks = ", ".join(map(profile.title, columns.missing))
        raise ImportRefusedError(f"ce n'est pas un {profile.label}. Colonnes manquantes : {lacks}")
    return columns


class MouvementParser:
    """Converts the fields of a line to a row of the table `mouvement`."""

    def __init__(self, columns: Columns, communes: Container[str], profile: SourceProfile) -> None:
        """Reject lines of communes that are not in `communes`."""
        self._columns = columns
        self._communes = communes
        self._sources, self._title = profile.fields, profile.title
        self._stored = [field for field in read_mouvements().fields if field is not F.CODE_BUREAU]

    def parse(self, fields: list[str], _cleaned: int = 0) -> dict[str, Any]:
        """Return the row, from the cleaned fields of a line."""
        row = {
            field.value: self._read(field, fields[self._columns.at(field)])
            for field in self._stored
        }
        bureau = parse_bureau(read_bureau(fields[self._columns.at(F.CODE_BUREAU)], tuple(Shape)))
        if bureau:  # one column for the old or the new bureau
            row["ancien_bureau" if row["nature"] == Nature.RADIATION else "nouveau_bureau"] = bureau
        if row["code_commune"] not in self._communes:
            raise unknown_commune(self._title("code_commune"), row["code_commune"])
        for name in ("date_mouvement", "nom_naissance"):
            if not row[name]:
                raise LineError(self._title(name), f"{self._title(name)} : valeur manquante")
        if row["effet"] == Effet.PREMIER_MARS and not row["date_tableau"]:
            raise LineError(
                self._title("date_tableau"), "date de tableau manquante pour un effet au 1er mars"
            )
        if row["nature"] == Nature.INSCRIPTION and row["ancien_bureau"]:
            raise LineError(self._title("ancien_bureau"), "une inscription n'a pas d'ancien bureau")
        if row["nature"] == Nature.RADIATION and row["nouveau_bureau"]:
            raise LineError(
                self._title("nouveau_bureau"), "une radiation n'a pas de nouveau bureau"
            )
        return row | {
            "date_tableau": row["date_tableau"] or row["date_mouvement"],
            "is_dated": True,
        }

    def _read(self, field: SourceField, text: str) -> Any:  # noqa: ANN401 — the type depends on the column
        source = self._sources[field]
        try:
            if field is F.DATE_NAISSANCE:
                return read_date(text, source.shapes)
            if source.shapes:
                return date.fromisoformat(read_date(text, source.shapes)) if text else None
            return _PARSERS.get(field, str)(self._find_code(field, text) or text)
        except ValueError:
            raise LineError(
                self._title(field), f"{self._title(field)} : valeur inconnue ou illisible"
            ) from None

    def _find_code(self, field: SourceField, text: str) -> str:
        source = self._sources[field]
        code = find_code(source, text)
        if field in CODES and not code and (text or source.presence is Presence.REQUIRED):
            raise ValueError(text)
        return code


_PARSERS: dict[str, Callable[[str], Any]] = {
    F.CODE_COMMUNE: parse_commune,
    F.ANCIEN_BUREAU: parse_bureau,
    F.NOUVEAU_BUREAU: parse_bureau,
    F.NUMERO: lambda text: parse_numero(text) or 0,
    F.IS_PROTEGEE: lambda code: code == "oui",
}
"""The parser of each column; other columns are kept unchanged."""


_KNOWN_BY = (
    *(
        "code_commune",
        "liste",
        "nom_naissance",
        "prenoms",
        "date_naissance",
        "commune_naissance",
        "pays_naissance",
    ),
    *("nature", "effet", "date_tableau", "date_mouvement", "ancien_bureau", "nouveau_bureau"),
)
"""Two mouvements with equal values in all these columns are one mouvement."""


def import_mouvements(
    engine: Engine,
    path: Path,
    *,
    imported_by: str,
    accept_rejects: bool = False,
    report: Path | None = None,
    complete_until: date | None = None,
    profile: SourceProfile | None = None,
    then: Callable[[Connection, int], object] = lambda *_: None,
) -> ImportSummary:
    """Import a CSV file of mouvements into the register; `then` is called in the transaction, with the import id.

    `profile`: what the file looks like, besides our own format.

    `complete_until`: the day until which the producer states that the register then holds all mouvements; it is also
    recorded for a file imported before. Rejected lines go to `report`, by default `<name>-rejets.csv` beside the file.

    Raises:
        ImportRefusedError: not a file of mouvements, lines rejected and not accepted, a day to come, another import at
            work. The register is unchanged.
    """
    known = read_mouvements().joined(profile) if profile else read_mouvements()
    file = open_file(path, Wanted(lambda titles: match_mouvement_columns(titles, known), _ADVICE))
    with importing(engine) as connection:
        with connection.begin():
            same = find_same(connection, file.sha256)
            communes = read_names(connection)
            if same and complete_until:
                vouched = (
                    update(Import)
                    .where(Import.id == same.import_id)
                    .values(complete_until=complete_until)
                )
                connection.execute(vouched)
                _refuse_future(connection, same.import_id, complete_until)
        if same:
            return same
        rejects = RejectReport(report or default_report(path))
        reading = LineReader(file, MouvementParser(file.columns, communes, known).parse, rejects)
        create_temporary(connection, STAGED)
        with reading_transaction(connection), rejects:
            insert_all(connection, STAGED, (row | {"rank": line} for line, row in reading.read()))
            for line in connection.scalars(
                select(STAGED.c.rank).where(_is_known()).order_by(STAGED.c.rank)
            ):
                rejects.add(Rejection(line, "", "mouvement déjà dans le registre"))
            reading.lines_kept -= connection.execute(delete(STAGED).where(_is_known())).rowcount
        reading.refuse_rejects(accept=accept_rejects)
        if not reading.lines_kept:
            raise ImportRefusedError("le fichier ne contient aucun mouvement")
        values: dict[str, Any] = {
            "kind": "mouvements",
            "file_name": file.name,
            "sha256": file.sha256,
            "finished_at": utc_now(),
            **reading.counts(),
            "bureaux_before": [],
            "imported_by": imported_by,
            "complete_until": complete_until,
        }
        with connection.begin():
            import_id: int = connection.execute(
                insert(Import).values(values).returning(Import.id)
            ).scalar_one()
            record_mouvements(connection, import_id)
            _refuse_future(connection, import_id, complete_until)
            then(connection, import_id)
    return reading.summarise(import_id)


def _is_known() -> ColumnElement[bool]:
    known = MouvementRegistre.__table__.c
    is_same = [known[name] == STAGED.c[name] for name in _KNOWN_BY]
    return exists().where(and_(*is_same, known.doubt_id.is_distinct_from(UNDONE)))


def _refuse_future(connection: Connection, import_id: int, day: date | None) -> None:
    if day:
        communes = (
            select(MouvementRegistre.code_commune)
            .where(MouvementRegistre.import_id == import_id)
            .distinct()
        )
        refuse_future(day, connection.scalars(communes))
