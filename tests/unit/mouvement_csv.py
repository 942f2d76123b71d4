"""Small CSV files of mouvements."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from schemas.profiles.source import read_mouvements
from tests.unit.reu_sample import zoe

HEADER = [it.titles[0] for it in read_mouvements().fields.values() if it.titles]

LIGNE = {
    "commune": "13055",
    "liste": "P",
    "nature": "inscription",
    "effet": "1erMars",
    "état": "actif",
    "date": "02/10/2026",
    "nom de naissance": "TILLEUL",
    "prénoms": "Zoé",
    "date de naissance": "14/03/1962",
    "catégorie": "inscription_volontaire",
    "motif": "Emménagement",
    "date de tableau": "10/01/2027",
    "nouveau bureau": "1",
    "commune de naissance": "ARLES",
}
"""One line; missing columns are empty."""


def lignes(count: int, **changes: str) -> list[dict[str, str]]:
    """This many mouvements, of electors with different first names; `changes` apply to all."""
    return [LIGNE | {"prénoms": zoe(index)} | changes for index in range(count)]


def write_mouvements(path: Path, rows: Iterable[Mapping[str, str]], titles: Iterable[str] = HEADER) -> Path:
    """Write a file with these columns. Returns the path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(titles), restval="", delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    return path
