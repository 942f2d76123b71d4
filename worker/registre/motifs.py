"""Why electors came or left, when nobody said it yet, as after the comparison of two exports of the REU.

A clerk completes a file that names the mouvements by their numbers. Reading it back adds no mouvement, so a line that a
spreadsheet has changed is refused, not counted as one more.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select, update

from worker.domain.collation import base_letters
from worker.domain.controles_tableau import CATEGORIES
from worker.domain.mouvement import Categorie, Nature
from worker.errors import ImportRefusedError
from worker.registre.motif_file import TITLES, Said, read_file, write_file
from worker.registre.mouvement_lines import parse_categorie
from worker.registre.mouvement_models import MouvementRegistre

_ID_DIGITS = 18
_TABLE = MouvementRegistre.__table__.c


def count_unsaid(connection: Connection, code_commune: str) -> int:
    """How many inscriptions and radiations of the commune have no category."""
    return connection.execute(select(func.count()).where(_is_unsaid(code_commune))).scalar_one()


def write_motifs(connection: Connection, code_commune: str, path: Path) -> int:
    """Write the inscriptions and radiations that have no category; returns how many. Of none, no file.

    Raises:
        ImportRefusedError: the file exists, or cannot be written.
    """
    columns = [_TABLE[name] for name in TITLES]
    rows = connection.execute(select(*columns).where(_is_unsaid(code_commune)).order_by(_TABLE.id)).all()
    if rows:
        write_file(path, rows)
    return len(rows)


def read_motifs(connection: Connection, code_commune: str, path: Path) -> int:
    """Note the categories and motifs of a completed file; returns how many mouvements it completed.

    Lines without category nor motif are left for later; what was said before is replaced.

    Raises:
        ImportRefusedError: it is another file, or a line cannot be noted: the transaction must not be committed.
    """
    said = [it for it in read_file(path) if it.categorie or it.motif]
    for it in said:
        _note(connection, code_commune, it)
    return len(said)


def _is_unsaid(code_commune: str) -> ColumnElement[bool]:
    is_ours = _TABLE.code_commune == code_commune
    return is_ours & (_TABLE.categorie == Categorie.NON_PRECISEE) & (_TABLE.nature != Nature.MODIFICATION)


def _note(connection: Connection, code_commune: str, said: Said) -> None:
    number = int(said.id) if said.id.isdecimal() and len(said.id) <= _ID_DIGITS else 0
    is_it = (_TABLE.code_commune == code_commune) & (_TABLE.id == number)
    columns: list[Any] = [_TABLE.nature, _TABLE.nom_naissance, _TABLE.prenoms]
    known = connection.execute(select(*columns).where(is_it)).first()
    if known is None or not _is_same(known, said):
        raise ImportRefusedError(f"ligne {said.line} : ce mouvement n'est pas, ou plus, dans le registre de la commune")
    values = {"categorie": _categorie(said, Nature(known.nature)).value, "motif": said.motif}
    connection.execute(update(MouvementRegistre).where(is_it).values(values))


def _is_same(known: Row[Any], said: Said) -> bool:
    names = (known.nom_naissance, said.nom_naissance), (known.prenoms, said.prenoms)
    return all(base_letters(one) == base_letters(other) for one, other in names)


def _categorie(said: Said, nature: Nature) -> Categorie:
    try:
        categorie = Categorie(parse_categorie(said.categorie))
    except ValueError:
        raise ImportRefusedError(f"ligne {said.line} : catégorie inconnue") from None
    if categorie not in {Categorie.NON_PRECISEE, *CATEGORIES[nature]}:
        raise ImportRefusedError(f"ligne {said.line} : cette catégorie n'est pas celle d'une {nature}")
    return categorie
