"""The CSV file of mouvements whose reason nobody said: written for a clerk, who completes it, and read back."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from worker.domain.texte import clean
from worker.errors import ImportRefusedError
from worker.registre.reu_columns import fold_title
from worker.registre.reu_file import unreadable

SEPARATOR = ";"
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
_FORMULA_STARTS = ("=", "+", "-", "@")


class Said(NamedTuple):
    """One line of a completed file, as it is written."""

    line: int
    id: str
    nom_naissance: str
    prenoms: str
    categorie: str
    motif: str


def write_file(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a file that was not there, with the columns of TITLES.

    Raises:
        ImportRefusedError: it was, or it cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, delimiter=SEPARATOR)
            writer.writerow(TITLES.values())
            writer.writerows([_disarm(str(value)) for value in row] for row in rows)
    except FileExistsError:
        raise ImportRefusedError(f"{path} existe déjà ; donnez un autre nom") from None
    except OSError as error:
        raise ImportRefusedError(f"{path} ne peut pas être écrit ({error.strerror})") from None


def read_file(path: Path) -> Iterator[Said]:
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
                yield Said(lines.line_num, *(_rearm(clean(padded[place])) for place in places))
    except csv.Error:
        raise ImportRefusedError(f"{path.name} : la ligne {lines.line_num} est illisible") from None


def _read_text(path: Path) -> str:
    """UTF-8, or Windows-1252 where a spreadsheet saved it so."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ImportRefusedError(f"{path.name} : ce n'est pas un fichier CSV en UTF-8")


def _disarm(value: str) -> str:
    """What a spreadsheet would run as a formula, as text."""
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value


def _rearm(value: str) -> str:
    return value[1:] if value.startswith("'") and value[1:].startswith(_FORMULA_STARTS) else value
