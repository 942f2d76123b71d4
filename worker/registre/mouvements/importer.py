"""The import of a CSV file of mouvements: all of its lines are added to the register, or none.

A second import of the same bytes changes nothing. A mouvement that the register already holds is rejected: a corrected
file is imported after the first one was undone.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import date
from enum import StrEnum
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
from worker.registre.imports.history import find_same, importing
from worker.registre.imports.lines import (
    LineError,
    LineReader,
    find_columns,
    fold_title,
    parse_bureau,
    parse_commune,
    parse_date,
    parse_numero,
    unknown_commune,
)
from worker.registre.imports.report import ImportSummary, Rejection, RejectReport, default_report
from worker.registre.imports.sources import Columns, Wanted
from worker.registre.models import Import, MouvementRegistre
from worker.registre.versions import (
    STAGED,
    create_temporary,
    insert_all,
    reading_transaction,
    record_mouvements,
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


def match_mouvement_columns(header: Sequence[str]) -> Columns:
    """Find the columns by their titles, in any order; raises ImportRefusedError if one is missing or repeated."""
    return find_columns(
        header,
        {field: (title,) for field, title in TITLES.items()},
        missing_of=lambda found: [title for field, title in REQUIRED.items() if field not in found],
        refusal="ce n'est pas un fichier de mouvements",
    )


_YES, _NO = ("oui", "o", "1", "x", "vrai"), ("", "non", "n", "0", "faux")


class MouvementParser:
    """Converts the fields of a line to a row of the table `mouvement`."""

    def __init__(self, columns: Columns, communes: Container[str]) -> None:
        """Reject lines of communes that are not in `communes`."""
        self._columns = columns
        self._communes = communes

    def parse(self, fields: list[str], _cleaned: int = 0) -> dict[str, Any]:
        """Return the row, from the cleaned fields of a line."""
        row = {field: _parse(field, fields[self._columns.at(field)]) for field in TITLES}
        self._check(row)
        return row | {"date_tableau": row["date_tableau"] or row["date_mouvement"], "is_dated": True}

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


def _parse_jour(text: str) -> date | None:
    return vocabulary.parse_jour(text) if text else None


def _parse_yes(text: str) -> bool:
    word = fold_title(text)
    if word not in _YES + _NO or bool(text) > bool(word):
        raise ValueError(text)
    return word in _YES


_SAID = [word for word in Categorie if word is not Categorie.NON_PRECISEE]
_parse_categorie = _word_of(*((name, word) for word in _SAID for name in (word.value, word.label)))

_PARSERS: dict[str, Callable[[str], Any]] = {
    "code_commune": parse_commune,
    "liste": lambda text: vocabulary.parse_liste(text).value,
    "nature": _word_of(*((word.value, word) for word in Nature)),
    "effet": _word_of(*((word.value, word) for word in Effet)),
    "etat": _word_of(*((word.value, word) for word in Etat)),
    "categorie": lambda text: _parse_categorie(text) if text else "",
    "date_tableau": _parse_jour,
    "date_mouvement": _parse_jour,
    "scrutin": _parse_jour,
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


_Then = Callable[[Connection, int], object]


def import_mouvements(
    engine: Engine,
    path: Path,
    *,
    imported_by: str,
    accept_rejects: bool = False,
    report: Path | None = None,
    complete_until: date | None = None,
    then: _Then = lambda *_: None,
) -> ImportSummary:
    """Import a CSV file of mouvements into the register; `then` is called in the transaction, with the import id.

    `complete_until`: the day until which the producer states that the register then holds all mouvements; it is also
    recorded for a file imported before. Rejected lines go to `report`, by default `<name>-rejets.csv` beside the file.

    Raises:
        ImportRefusedError: not a file of mouvements, lines rejected and not accepted, a day to come, another import at
            work. The register is unchanged.
    """
    file = open_file(path, Wanted(match_mouvement_columns, _ADVICE))
    with importing(engine) as connection:
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
        reading = LineReader(file, MouvementParser(file.columns, communes).parse, rejects)
        create_temporary(connection, STAGED)
        with reading_transaction(connection), rejects:
            _stage(connection, reading, rejects)
        reading.refuse_rejects(accept=accept_rejects)
        if not reading.lines_kept:
            raise ImportRefusedError("le fichier ne contient aucun mouvement")
        said = {"imported_by": imported_by, "complete_until": complete_until}
        import_id = _record(connection, file, reading, said, then)
    return reading.summarise(import_id)


_Reading = LineReader[dict[str, Any]]


def _stage(connection: Connection, reading: _Reading, rejects: RejectReport) -> None:
    """Insert the lines that are kept into STAGED; reject mouvements that the register already holds."""
    insert_all(connection, STAGED, (row | {"rank": line} for line, row in reading))
    known = connection.scalars(select(STAGED.c.rank).where(_is_known()).order_by(STAGED.c.rank))
    for line in known:
        rejects.add(Rejection(line, "", "mouvement déjà dans le registre"))
    reading.lines_kept -= connection.execute(delete(STAGED).where(_is_known())).rowcount


def _is_known() -> ColumnElement[bool]:
    known = MouvementRegistre.__table__.c
    return exists().where(and_(*(known[name] == STAGED.c[name] for name in _KNOWN_BY)))


def _record(
    connection: Connection,
    file: ImportedFile,
    reading: _Reading,
    said: Mapping[str, Any],
    then: _Then,
) -> int:
    values: dict[str, Any] = {
        "kind": KIND,
        "file_name": file.name,
        "sha256": file.sha256,
        "finished_at": utc_now(),
        **reading.counts(),
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
