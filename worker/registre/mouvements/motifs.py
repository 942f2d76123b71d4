"""Why electors came or left, when nobody said it yet, as after the comparison of two exports of the REU.

A clerk completes a CSV file, which she may save as a workbook; it names the mouvements by their numbers. Reading it
back adds no mouvement, so a line that a spreadsheet has changed is refused, not counted as one more.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, func, select, update

from common.files import ENCODING, SheetWriter, rearm
from schemas.declarations import CompletedMotif
from schemas.vocabulary import CATEGORIES, Categorie, Nature
from worker.domain.identite import base_letters
from worker.errors import ImportRefusedError, RefusedError
from worker.registre.imports.file import open_file
from worker.registre.imports.lines import clean_fields, find_columns
from worker.registre.imports.records import Broken, Columns, Wanted
from worker.registre.models import MouvementRegistre
from worker.registre.mouvements.importer import parse_categorie

TITLES = {
    "id": "mouvement",
    "liste": "liste",
    "nature": "nature",
    "date_mouvement": "date",
    "nom_naissance": "nom de naissance",
    "prenoms": "prénoms",
    "date_naissance": "date de naissance",
    "categorie": "catégorie",
    "motif": "motif",
}
"""The title of each column, by the column of the table `mouvement`; the clerk fills in the last two."""
_READ = ("id", "nom_naissance", "prenoms", "categorie", "motif")
_ADVICE = "complétez le fichier de « motifs --export », et enregistrez-le en « CSV UTF-8 » ou en classeur (.xlsx)"
_ID_DIGITS = 18
_TABLE = MouvementRegistre.__table__.c


class CompletedLine(NamedTuple):
    """One line of a completed file, as it is written."""

    line: int
    id: str
    nom_naissance: str
    prenoms: str
    categorie: str
    motif: str

    @property
    def mouvement(self) -> int:
        """Its number; 0, which none has, when it is no number."""
        return int(self.id) if self.id.isdecimal() and len(self.id) <= _ID_DIGITS else 0


def count_without_categorie(connection: Connection, code_commune: str) -> int:
    """How many inscriptions and radiations of the commune have no category."""
    return connection.execute(select(func.count()).where(_lacks_categorie(code_commune))).scalar_one()


def write_motifs(connection: Connection, code_commune: str, path: Path) -> int:
    """Write the inscriptions and radiations that have no category; returns how many. Of none, no file.

    Raises:
        ImportRefusedError: the file exists, or cannot be written.
    """
    columns = [_TABLE[name] for name in TITLES]
    rows = connection.execute(select(*columns).where(_lacks_categorie(code_commune)).order_by(_TABLE.id)).all()
    if rows:
        _write_file(path, rows)
    return len(rows)


def read_motifs(path: Path) -> list[CompletedLine]:
    """The lines of a completed file; those without category nor motif are left for later.

    Raises:
        ImportRefusedError: it cannot be read, or is another file.
    """
    return [it for it in _read_file(path) if it.categorie or it.motif]


def note_lines(connection: Connection, code_commune: str, completed: Iterable[CompletedLine]) -> None:
    """Note their categories and motifs; what was said before is replaced.

    Raises:
        ImportRefusedError: one cannot be noted: the transaction must not be committed.
    """
    for it in completed:
        _write_motif(connection, code_commune, it)


def note_motifs(connection: Connection, code_commune: str, completed: Sequence[CompletedMotif]) -> None:
    """Note the categories and motifs of mouvements known by their numbers.

    Raises:
        RefusedError: one of them cannot be noted, so none is: the transaction must not be committed.
    """
    for place, it in enumerate(completed):
        nature = connection.scalar(select(_TABLE.nature).where(_is_it(code_commune, it.mouvement)))
        where = f"data.note.motifs.{place}"
        if nature is None:
            raise RefusedError(
                f"Le mouvement n° {it.mouvement} n'est pas, ou plus, dans le registre de la commune.",
                code="mouvement_inconnu",
                field=f"{where}.mouvement",
            )
        if not _is_allowed(it.categorie, Nature(nature)):
            raise RefusedError(
                f"La catégorie « {it.categorie.label} » n'est pas celle d'une {nature} (mouvement n° {it.mouvement}).",
                code="categorie_incoherente",
                field=f"{where}.categorie",
            )
        _note(connection, code_commune, it.mouvement, it.categorie, it.motif)


def _note(connection: Connection, code_commune: str, number: int, categorie: Categorie, motif: str) -> None:
    values = {"categorie": categorie.value, "motif": motif}
    connection.execute(update(MouvementRegistre).where(_is_it(code_commune, number)).values(values))


def _is_it(code_commune: str, number: int) -> ColumnElement[bool]:
    return (_TABLE.code_commune == code_commune) & (_TABLE.id == number)


def _is_allowed(categorie: Categorie, nature: Nature) -> bool:
    return categorie in {Categorie.NON_PRECISEE, *CATEGORIES[nature]}


def _lacks_categorie(code_commune: str) -> ColumnElement[bool]:
    is_ours = _TABLE.code_commune == code_commune
    return is_ours & (_TABLE.categorie == Categorie.NON_PRECISEE) & (_TABLE.nature != Nature.MODIFICATION)


def _write_motif(connection: Connection, code_commune: str, completed: CompletedLine) -> None:
    number = completed.mouvement
    columns: list[Any] = [_TABLE.nature, _TABLE.nom_naissance, _TABLE.prenoms]
    known = connection.execute(select(*columns).where(_is_it(code_commune, number))).first()
    if known is None or not _is_same(known, completed):
        raise ImportRefusedError(
            f"ligne {completed.line} : ce mouvement n'est pas, ou plus, dans le registre de la commune"
        )
    _note(connection, code_commune, number, _categorie(completed, Nature(known.nature)), completed.motif)


def _is_same(known: Row[Any], completed: CompletedLine) -> bool:
    names = (known.nom_naissance, completed.nom_naissance), (known.prenoms, completed.prenoms)
    return all(base_letters(one) == base_letters(other) for one, other in names)


def _categorie(completed: CompletedLine, nature: Nature) -> Categorie:
    try:
        categorie = Categorie(parse_categorie(completed.categorie))
    except ValueError:
        raise ImportRefusedError(f"ligne {completed.line} : catégorie inconnue") from None
    if not _is_allowed(categorie, nature):
        raise ImportRefusedError(f"ligne {completed.line} : cette catégorie n'est pas celle d'une {nature}")
    return categorie


def _write_file(path: Path, rows: Iterable[Sequence[object]]) -> None:
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
