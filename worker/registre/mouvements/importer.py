"""The import of a CSV file of mouvements: all of its lines are added to the register, or none.

A second import of the same bytes changes nothing. A mouvement that the register already holds is rejected: a corrected
file is imported after the first one was undone.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, exists, insert, select, update

from schemas import vocabulary
from schemas.vocabulary import Categorie, Nature
from worker.db.types import utc_now
from worker.domain.mouvement import Effet, Etat
from worker.errors import ImportRefusedError
from worker.registre.communes import read_codes
from worker.registre.imports.chain import refuse_future
from worker.registre.imports.file import ImportedFile, open_file
from worker.registre.imports.history import count_columns, find_same, import_lock, summarise
from worker.registre.imports.lines import (
    LineError,
    LineReader,
    Rejection,
    clean_line,
    find_columns,
    fold_title,
    parse_bureau,
    parse_commune,
    parse_date,
    parse_numero,
    unknown_commune,
)
from worker.registre.imports.report import CORRECT_OR_ACCEPT, ImportSummary, RejectReport, default_report
from worker.registre.imports.sources import Broken, Columns, Wanted
from worker.registre.models import Import, MouvementRegistre
from worker.registre.versions import (
    BATCH,
    STAGED,
    OnImported,
    reading_transaction,
    record_mouvements,
    temporary_tables,
)

REQUIRED = {
    "code_commune": "commune",
    "liste": "liste",
    "nature": "nature",
    "effet": "effet",
    "etat": "état",
    "date_mouvement": "date",
    "nom_naissance": "nom de naissance",
    "prenoms": "prénoms",
    "date_naissance": "date de naissance",
}
OPTIONAL = {
    "categorie": "catégorie",
    "motif": "motif",
    "date_tableau": "date de tableau",
    "scrutin": "scrutin",
    "ancien_bureau": "ancien bureau",
    "nouveau_bureau": "nouveau bureau",
    "numero": "numéro",
    "nom_usage": "nom d'usage",
    "commune_naissance": "commune de naissance",
    "departement_naissance": "département de naissance",
    "pays_naissance": "pays de naissance",
    "adresse": "adresse",
    "nationalite": "nationalité",
    "is_protegee": "protégé",
}
TITLES = REQUIRED | OPTIONAL
"""The title of each column of the file, by column of the table `mouvement`."""

_ADVICE = "enregistrez-le en « CSV UTF-8 », séparateur point-virgule"


def open_mouvements(path: Path) -> ImportedFile:
    """Read the titles, and the whole file once for its SHA-256.

    Raises:
        ImportRefusedError: the file cannot be read, is empty, or is not a file of mouvements.
    """
    return open_file(path, Wanted(match_mouvement_columns, _ADVICE, {"code_commune": 5, "departement_naissance": 2}))


def match_mouvement_columns(header: Sequence[str]) -> Columns:
    """Find the columns by their titles, in any order, without accents or case.

    Raises:
        ImportRefusedError: a column is missing or repeated; the message names it.
    """
    titles = {field: (title,) for field, title in TITLES.items()}
    return find_columns(header, titles, missing_of=_missing, refusal="ce n'est pas un fichier de mouvements")


def _missing(found: Container[str]) -> list[str]:
    return [title for field, title in REQUIRED.items() if field not in found]


_YES, _NO = ("oui", "o", "1", "x", "vrai"), ("", "non", "n", "0", "faux")


class MouvementParser:
    """Converts the fields of a line to a row of the table `mouvement`."""

    def __init__(self, columns: Columns, communes: Container[str]) -> None:
        """Reject lines of communes that are not in `communes`."""
        self._columns = columns
        self._communes = communes

    def parse(self, fields: list[str] | Broken) -> tuple[dict[str, Any], int]:
        """Return the row, and the number of values cleaned.

        Raises:
            LineError: the line must be rejected.
        """
        texts, count = clean_line(self._columns, fields)
        row = {field: _parse(field, texts[self._columns.at(field)]) for field in TITLES}
        self._check(row)
        return row | {"date_tableau": row["date_tableau"] or row["date_mouvement"], "is_dated": True}, count

    def _check(self, row: Mapping[str, Any]) -> None:
        if row["code_commune"] not in self._communes:
            raise unknown_commune(TITLES["code_commune"], row["code_commune"])
        for field in ("date_mouvement", "nom_naissance"):
            if not row[field]:
                raise LineError(TITLES[field], f"{TITLES[field]} : valeur manquante")
        if row["effet"] == Effet.PREMIER_MARS and not row["date_tableau"]:
            raise LineError(TITLES["date_tableau"], "date de tableau manquante pour un effet au 1er mars")
        if row["nature"] == Nature.INSCRIPTION and row["ancien_bureau"]:
            raise LineError(TITLES["ancien_bureau"], "une inscription n'a pas d'ancien bureau")
        if row["nature"] == Nature.RADIATION and row["nouveau_bureau"]:
            raise LineError(TITLES["nouveau_bureau"], "une radiation n'a pas de nouveau bureau")


def parse_jour(text: str) -> date | None:
    """Parse `25/11/2026` or `2026-11-25`; None if the text is empty.

    Raises:
        ValueError: no such day.
    """
    return vocabulary.parse_jour(text) if text else None


def _parse(field: str, text: str) -> Any:  # noqa: ANN401 — the type depends on the column
    try:
        return _PARSERS.get(field, str)(text)
    except ValueError:
        raise LineError(TITLES[field], f"{TITLES[field]} : valeur inconnue ou illisible") from None


def _word_of(*words: tuple[str, StrEnum]) -> Callable[[str], str]:
    codes = {fold_title(name).replace(" ", ""): word.value for name, word in words}

    def parse(text: str) -> str:
        if (code := codes.get(fold_title(text).replace(" ", ""))) is None:
            raise ValueError(text)
        return code

    return parse


def parse_categorie(text: str) -> str:
    """Return the code of a category, from its code or its label; empty if the text is empty.

    Raises:
        ValueError: no such category.
    """
    return _categorie(text) if text else ""


def _parse_yes(text: str) -> bool:
    word = fold_title(text)
    if word not in _YES + _NO or bool(text) > bool(word):
        raise ValueError(text)
    return word in _YES


_SAID = [word for word in Categorie if word is not Categorie.NON_PRECISEE]
_categorie = _word_of(*((word.value, word) for word in _SAID), *((word.label, word) for word in _SAID))

_PARSERS: dict[str, Callable[[str], Any]] = {
    "code_commune": parse_commune,
    "liste": lambda text: vocabulary.parse_liste(text).value,
    "nature": _word_of(*((word.value, word) for word in Nature)),
    "effet": _word_of(*((word.value, word) for word in Effet)),
    "etat": _word_of(*((word.value, word) for word in Etat)),
    "categorie": parse_categorie,
    "date_tableau": parse_jour,
    "date_mouvement": parse_jour,
    "scrutin": parse_jour,
    "ancien_bureau": parse_bureau,
    "nouveau_bureau": parse_bureau,
    "numero": lambda text: parse_numero(text) or 0,
    "date_naissance": parse_date,
    "is_protegee": _parse_yes,
}
"""The parser of each column; other columns are kept unchanged."""


KIND = "mouvements"

_KNOWN_BY = (
    *("code_commune", "liste", "nom_naissance", "prenoms", "date_naissance", "commune_naissance", "pays_naissance"),
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
    then: OnImported = lambda *_: None,
) -> ImportSummary:
    """Import a CSV file of mouvements into the register; `then` is called in the transaction, with the import id.

    `complete_until`: the day until which the producer states that the register then holds all mouvements; it is also
    recorded for a file imported before. Rejected lines go to `report`, by default `<name>-rejets.csv` beside the file.

    Raises:
        ImportRefusedError: not a file of mouvements, lines rejected and not accepted, a day to come, another import at
            work. The register is unchanged.
    """
    file = open_mouvements(path)
    with engine.connect() as connection, import_lock(connection):
        with connection.begin():
            same = find_same(connection, file.sha256)
            communes = read_codes(connection)
            if same and complete_until:
                vouched = update(Import).where(Import.id == same.import_id).values(complete_until=complete_until)
                connection.execute(vouched)
                _refuse_future(connection, same.import_id, complete_until)
        if same:
            return same
        rejects = RejectReport(report or default_report(path))
        reading = MouvementReading(file, communes, rejects)
        with temporary_tables(connection, STAGED):
            with reading_transaction(connection), rejects:
                reading.stage(connection)
            _refuse_rejects(reading, rejects, accept=accept_rejects)
            said = {"imported_by": imported_by, "complete_until": complete_until}
            import_id = _record(connection, file, reading, said, then)
    return summarise(import_id, file, reading, rejects)


class MouvementReading:
    """One pass over the file: stages mouvements, reports rejected lines, and counts."""

    def __init__(self, file: ImportedFile, communes: Container[str], rejects: RejectReport) -> None:
        """Reject lines of communes that are not in `communes`."""
        self.values_cleaned = self.lines_kept = 0
        self._lines = LineReader(file, MouvementParser(file.columns, communes).parse, rejects.add)
        self._rejects = rejects

    @property
    def lines_read(self) -> int:
        """The number of lines read so far."""
        return self._lines.lines_read

    def stage(self, connection: Connection) -> None:
        """Insert the lines that are kept into STAGED.

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
    if rejects.reasons and not (accept and reading.lines_kept):
        raise rejects.refusal(reading.lines_read, CORRECT_OR_ACCEPT)
    if not reading.lines_kept:
        raise ImportRefusedError("le fichier ne contient aucun mouvement")


def _record(
    connection: Connection,
    file: ImportedFile,
    reading: MouvementReading,
    said: Mapping[str, Any],
    then: OnImported,
) -> int:
    values: dict[str, Any] = {
        "kind": KIND,
        "file_name": file.name,
        "sha256": file.sha256,
        "finished_at": utc_now(),
        **count_columns(reading),
        "bureaux_before": [],
        **said,
    }
    with connection.begin():
        import_id: int = connection.execute(insert(Import).values(values).returning(Import.id)).scalar_one()
        record_mouvements(connection, import_id)
        _refuse_future(connection, import_id, said["complete_until"])
        then(connection, import_id)
    return import_id


def _refuse_future(connection: Connection, import_id: int, day: date | None) -> None:
    if day:
        communes = select(MouvementRegistre.code_commune).where(MouvementRegistre.import_id == import_id).distinct()
        refuse_future(day, connection.scalars(communes))
