"""A CSV file of mouvements, our own format (docs/registre.md): its columns, its bytes, its lines.

UTF-8 and `;`, or as a REU export may be. Nothing is corrected: a line is kept as it is, or rejected.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from schemas import vocabulary
from worker.domain.mouvement import Categorie, Effet, Etat, Nature
from worker.registre.imports.file import ImportedFile, open_file
from worker.registre.imports.lines import (
    LineError,
    clean_line,
    find_columns,
    fold_title,
    parse_bureau,
    parse_commune,
    parse_date,
    parse_numero,
    unknown_commune,
)
from worker.registre.imports.records import Broken, Columns, Wanted

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
"""The title of each column, by the column of the table `mouvement` that it becomes."""

_ADVICE = "enregistrez-le en « CSV UTF-8 », séparateur point-virgule"


def open_mouvements(path: Path) -> ImportedFile:
    """Read the titles, and the whole file once for its SHA-256.

    Raises:
        ImportRefusedError: it cannot be read, is empty, or is not a file of mouvements.
    """
    return open_file(path, Wanted(match_mouvement_columns, _ADVICE, {"code_commune": 5, "departement_naissance": 2}))


def match_mouvement_columns(header: Sequence[str]) -> Columns:
    """Find the columns by their titles, whatever their order, accents and case.

    Raises:
        ImportRefusedError: a column is missing, or stands twice; the message names them.
    """
    titles = {field: (title,) for field, title in TITLES.items()}
    return find_columns(header, titles, missing_of=_missing, refusal="ce n'est pas un fichier de mouvements")


def _missing(found: Container[str]) -> list[str]:
    return [title for field, title in REQUIRED.items() if field not in found]


_YES, _NO = ("oui", "o", "1", "x", "vrai"), ("", "non", "n", "0", "faux")


class MouvementParser:
    """Turns the fields of a line into a row of the table `mouvement`."""

    def __init__(self, columns: Columns, communes: Container[str]) -> None:
        """Lines of communes that are not in `communes` are rejected."""
        self._columns = columns
        self._communes = communes

    def parse(self, fields: list[str] | Broken) -> tuple[dict[str, Any], int]:
        """The row, and how many of its values had to be cleaned.

        Raises:
            LineError: the line must be rejected.
        """
        texts, count = clean_line(self._columns, fields)
        row = {field: _parse(field, texts[self._columns.at(field)]) for field in TITLES}
        self._check(row)
        return row | {"date_tableau": row["date_tableau"] or row["date_mouvement"]}, count

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
    """`25/11/2026` or `2026-11-25`; None when there is none.

    Raises:
        ValueError: no such day.
    """
    return vocabulary.parse_jour(text) if text else None


def _parse(field: str, text: str) -> Any:  # noqa: ANN401 — whatever the column holds
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
    """The code of a category, from it or from its label; empty when it is not said.

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
"""How a column is read; the others are kept as they are."""
