"""Why electors came or left, when nobody said it yet, as after the comparison of two exports of the REU.

A clerk completes a CSV file that names the mouvements by their numbers. Reading it back adds no mouvement, so a line
that a spreadsheet has changed is refused, not counted as one more.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, func, select, update

from common.spreadsheet import ENCODING, SEPARATOR, SheetWriter, rearm
from worker.domain.controles import CATEGORIES
from worker.domain.identite import base_letters
from worker.domain.mouvement import Categorie, Nature
from worker.domain.texte import clean
from worker.errors import ImportRefusedError
from worker.registre.imports.file import unreadable
from worker.registre.imports.lines import fold_title
from worker.registre.models import MouvementRegistre
from worker.registre.mouvements.file import parse_categorie

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


def read_motifs(connection: Connection, code_commune: str, path: Path) -> int:
    """Note the categories and motifs of a completed file; returns how many mouvements it completed.

    Lines without category nor motif are left for later; what was said before is replaced.

    Raises:
        ImportRefusedError: it is another file, or a line cannot be noted: the transaction must not be committed.
    """
    completed = [it for it in _read_file(path) if it.categorie or it.motif]
    for it in completed:
        _write_motif(connection, code_commune, it)
    return len(completed)


def _lacks_categorie(code_commune: str) -> ColumnElement[bool]:
    is_ours = _TABLE.code_commune == code_commune
    return is_ours & (_TABLE.categorie == Categorie.NON_PRECISEE) & (_TABLE.nature != Nature.MODIFICATION)


def _write_motif(connection: Connection, code_commune: str, completed: CompletedLine) -> None:
    number = int(completed.id) if completed.id.isdecimal() and len(completed.id) <= _ID_DIGITS else 0
    is_it = (_TABLE.code_commune == code_commune) & (_TABLE.id == number)
    columns: list[Any] = [_TABLE.nature, _TABLE.nom_naissance, _TABLE.prenoms]
    known = connection.execute(select(*columns).where(is_it)).first()
    if known is None or not _is_same(known, completed):
        raise ImportRefusedError(
            f"ligne {completed.line} : ce mouvement n'est pas, ou plus, dans le registre de la commune"
        )
    values = {"categorie": _categorie(completed, Nature(known.nature)).value, "motif": completed.motif}
    connection.execute(update(MouvementRegistre).where(is_it).values(values))


def _is_same(known: Row[Any], completed: CompletedLine) -> bool:
    names = (known.nom_naissance, completed.nom_naissance), (known.prenoms, completed.prenoms)
    return all(base_letters(one) == base_letters(other) for one, other in names)


def _categorie(completed: CompletedLine, nature: Nature) -> Categorie:
    try:
        categorie = Categorie(parse_categorie(completed.categorie))
    except ValueError:
        raise ImportRefusedError(f"ligne {completed.line} : catégorie inconnue") from None
    if categorie not in {Categorie.NON_PRECISEE, *CATEGORIES[nature]}:
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
    lines = csv.reader(io.StringIO(_read_text(path), newline=""), delimiter=SEPARATOR)
    try:
        header = [fold_title(title) for title in next(lines, [])]
        if missing := [TITLES[name] for name in _READ if fold_title(TITLES[name]) not in header]:
            raise ImportRefusedError(
                f"{path.name} : ce n'est pas un fichier de « motifs --export ». "
                f"Colonnes manquantes : {', '.join(missing)}"
            )
        places = [header.index(fold_title(TITLES[name])) for name in _READ]
        for fields in lines:
            if any(fields):
                padded = [*fields, *[""] * len(header)]
                yield CompletedLine(lines.line_num, *(rearm(clean(padded[place])) for place in places))
    except csv.Error:
        raise ImportRefusedError(f"{path.name} : la ligne {lines.line_num} est illisible") from None


def _read_text(path: Path) -> str:
    """UTF-8, or Windows-1252 where a spreadsheet saved it so."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    for encoding in (ENCODING, "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ImportRefusedError(f"{path.name} : ce n'est pas un fichier CSV en UTF-8")
