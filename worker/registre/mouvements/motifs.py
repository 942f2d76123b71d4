"""When and why electors came or left: completes the mouvements that the comparison of two exports found.

A clerk completes a CSV file, which she may save as a workbook; it names the mouvements by their numbers. Reading it
back adds no mouvement, so a line that a spreadsheet has changed is refused, not counted as one more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, update

from common.files import ENCODING, SheetWriter, rearm
from common.french import short_date
from schemas.declarations import CompletedMotif
from schemas.vocabulary import CATEGORIES, Categorie, Liste, Nature
from worker.domain.identite import base_letters
from worker.errors import ImportRefusedError, RefusedError
from worker.registre.imports.chain import Interval, read_intervals
from worker.registre.imports.file import open_file
from worker.registre.imports.lines import clean_fields, find_columns
from worker.registre.imports.records import Broken, Columns, Wanted
from worker.registre.models import MouvementRegistre
from worker.registre.mouvements.importer import parse_categorie, parse_jour

TITLES = {
    "id": "mouvement",
    "liste": "liste",
    "nature": "nature",
    "after": "après le",
    "until": "au plus tard le",
    "nom_naissance": "nom de naissance",
    "prenoms": "prénoms",
    "date_naissance": "date de naissance",
    "jour": "date",
    "categorie": "catégorie",
    "motif": "motif",
}
"""The title of each column; the clerk fills in the last three."""
_READ = ("id", "nom_naissance", "prenoms", "jour", "categorie", "motif")
_ADVICE = "complétez le fichier de « motifs --export », et enregistrez-le en « CSV UTF-8 » ou en classeur (.xlsx)"
_ID_DIGITS = 18
_TABLE = MouvementRegistre.__table__.c
_Intervals = Mapping[str, Mapping[int, Interval]]
"""By list, then by import: see `read_intervals`."""


class CompletedLine(NamedTuple):
    """One line of a completed file, as it is written."""

    line: int
    id: str
    nom_naissance: str
    prenoms: str
    jour: str
    categorie: str
    motif: str

    @property
    def mouvement(self) -> int:
        """Its number; 0, which none has, when it is no number."""
        return int(self.id) if self.id.isdecimal() and len(self.id) <= _ID_DIGITS else 0


class _WrongValue(Exception):
    """A value that cannot be noted of a mouvement: which field of `CompletedMotif`, a code, and why in French."""

    def __init__(self, field: str, code: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.code = code


def _unknown() -> _WrongValue:
    reason = "ce mouvement n'est pas, ou plus, dans le registre de la commune"
    return _WrongValue("mouvement", "mouvement_inconnu", reason)


def count_incomplete(connection: Connection, code_commune: str) -> int:
    """How many inscriptions and radiations of the commune have no category, or no known day."""
    return connection.execute(select(func.count()).where(_is_incomplete(code_commune))).scalar_one()


def write_motifs(connection: Connection, code_commune: str, path: Path) -> int:
    """Write the inscriptions and radiations that have no category or no known day; returns how many. Of none, no file.

    Raises:
        ImportRefusedError: the file exists, or cannot be written.
    """
    intervals = _read_intervals(connection, code_commune)
    columns = [_TABLE[name] for name in TITLES if name in _TABLE]
    columns += [_TABLE.date_mouvement, _TABLE.is_dated, _TABLE.import_id]
    rows = connection.execute(select(*columns).where(_is_incomplete(code_commune)).order_by(_TABLE.id)).all()
    if rows:
        _write_file(path, (_to_cells(row, intervals) for row in rows))
    return len(rows)


def read_motifs(path: Path) -> list[CompletedLine]:
    """The lines of a completed file; those without date, category and motif are left for later.

    Raises:
        ImportRefusedError: it cannot be read, or is another file.
    """
    return [it for it in _read_file(path) if it.jour or it.categorie or it.motif]


def note_lines(connection: Connection, code_commune: str, completed: Iterable[CompletedLine]) -> None:
    """Note their dates, categories and motifs; an empty cell changes nothing.

    Raises:
        ImportRefusedError: one cannot be noted: the transaction must not be committed.
    """
    intervals = _read_intervals(connection, code_commune)
    for it in completed:
        try:
            known = _find(connection, code_commune, it.mouvement)
            if not _is_same(known, it):
                raise _unknown()
            _note(connection, known, _to_completed(it), intervals)
        except _WrongValue as wrong:
            raise ImportRefusedError(f"ligne {it.line} : {wrong}") from None


def note_motifs(connection: Connection, code_commune: str, completed: Sequence[CompletedMotif]) -> None:
    """Note the dates, categories and motifs of mouvements known by their numbers.

    Raises:
        RefusedError: one of them cannot be noted, so none is: the transaction must not be committed.
    """
    intervals = _read_intervals(connection, code_commune)
    for place, it in enumerate(completed):
        try:
            _note(connection, _find(connection, code_commune, it.mouvement), it, intervals)
        except _WrongValue as wrong:
            raise RefusedError(
                f"Mouvement n° {it.mouvement} : {wrong}.",
                code=wrong.code,
                field=f"data.note.motifs.{place}.{wrong.field}",
            ) from None


def _read_intervals(connection: Connection, code_commune: str) -> _Intervals:
    return {liste.value: read_intervals(connection, code_commune, liste) for liste in Liste}


def _find(connection: Connection, code_commune: str, number: int) -> Row[Any]:
    names = ("id", "liste", "nature", "nom_naissance", "prenoms", "import_id", "date_mouvement", "is_dated")
    is_it = (_TABLE.code_commune == code_commune) & (_TABLE.id == number)
    known = connection.execute(select(*(_TABLE[name] for name in names)).where(is_it)).first()
    if known is None:
        raise _unknown()
    return known


def _note(connection: Connection, known: Row[Any], completed: CompletedMotif, intervals: _Intervals) -> None:
    values: dict[str, object] = {}
    if completed.categorie is not None:
        if completed.categorie not in {Categorie.NON_PRECISEE, *CATEGORIES[Nature(known.nature)]}:
            reason = f"cette catégorie n'est pas celle d'une {known.nature}"
            raise _WrongValue("categorie", "categorie_incoherente", reason)
        values["categorie"] = completed.categorie.value
    if completed.motif is not None:
        values["motif"] = completed.motif
    if completed.jour is not None and (completed.jour or None) != (known.date_mouvement if known.is_dated else None):
        values |= _date(known, completed.jour or None, intervals)
    if values:
        connection.execute(update(MouvementRegistre).where(_TABLE.id == known.id).values(values))


def _date(known: Row[Any], jour: date | None, intervals: _Intervals) -> dict[str, object]:
    """The columns of a mouvement that happened on that day, or on an unknown one between its two exports."""
    interval = intervals[known.liste].get(known.import_id)
    if interval is None:
        raise _WrongValue("jour", "date_connue", "sa date vient d'un fichier ou d'un logiciel : corrigez-la là-bas")
    if jour is not None and not interval.has(jour):
        raise _WrongValue("jour", "date_hors_intervalle", f"le {short_date(jour)} n'est pas possible : {interval}")
    day = jour or interval.until
    return {"date_mouvement": day, "date_tableau": day, "is_dated": jour is not None}


def _is_incomplete(code_commune: str) -> ColumnElement[bool]:
    lacks_one = or_(_TABLE.categorie == Categorie.NON_PRECISEE, ~_TABLE.is_dated)
    return (_TABLE.code_commune == code_commune) & lacks_one & (_TABLE.nature != Nature.MODIFICATION)


def _is_same(known: Row[Any], completed: CompletedLine) -> bool:
    names = (known.nom_naissance, completed.nom_naissance), (known.prenoms, completed.prenoms)
    return all(base_letters(one) == base_letters(other) for one, other in names)


def _to_completed(it: CompletedLine) -> CompletedMotif:
    try:
        categorie = Categorie(parse_categorie(it.categorie)) if it.categorie else None
    except ValueError:
        raise _WrongValue("categorie", "categorie_inconnue", "catégorie inconnue") from None
    try:
        jour = parse_jour(it.jour)
    except ValueError:
        raise _WrongValue("jour", "date_illisible", "date illisible : écrivez-la JJ/MM/AAAA") from None
    return CompletedMotif.model_construct(
        mouvement=it.mouvement, categorie=categorie, motif=it.motif or None, jour=jour
    )


def _to_cells(row: Row[Any], intervals: _Intervals) -> Iterator[object]:
    interval = intervals[row.liste].get(row.import_id)
    after = interval.after if interval and interval.after > date.min else None
    days = {
        "after": after,
        "until": interval and interval.until,
        "jour": row.date_mouvement if row.is_dated else None,
    }
    for name in TITLES:
        day = days.get(name)
        yield (short_date(day) if day else "") if name in days else getattr(row, name)


def _write_file(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """Write a file that was not there, with the columns of TITLES.

    Raises:
        ImportRefusedError: it was, or it cannot be written.
    """
    try:
        with path.open("x", encoding=ENCODING, newline="") as file:
            writer = SheetWriter(file)
            writer.write(TITLES.values())
            for row in rows:
                writer.write(row)
    except FileExistsError:
        raise ImportRefusedError(f"{path} existe déjà ; donnez un autre nom") from None
    except OSError as error:
        raise ImportRefusedError(f"{path} ne peut pas être écrit ({error.strerror})") from None


def _read_file(path: Path) -> Iterator[CompletedLine]:
    """The lines of a completed file; columns are found by their titles.

    Raises:
        ImportRefusedError: it cannot be read, or is another file.
    """
    file = open_file(path, Wanted(_match_columns, _ADVICE, {}))
    places = [file.columns.at(name) for name in _READ]
    with path.open("rb") as stream:
        for line, fields in file.iter_records(stream):
            if isinstance(fields, Broken):
                raise ImportRefusedError(f"ligne {line} : {fields}")
            if any(fields):
                texts = _clean(line, [*fields, *[""] * file.columns.width])
                yield CompletedLine(line, *(rearm(texts[place]) for place in places))


def _match_columns(titles: Sequence[str]) -> Columns:
    return find_columns(
        titles,
        {name: (title,) for name, title in TITLES.items()},
        missing_of=lambda found: [TITLES[name] for name in _READ if name not in found],
        refusal="ce n'est pas un fichier de « motifs --export »",
    )


def _clean(line: int, fields: list[str]) -> list[str]:
    try:
        return clean_fields(fields)[0]
    except ValueError:
        raise ImportRefusedError(f"ligne {line} : octets illisibles dans l'encodage du fichier") from None
