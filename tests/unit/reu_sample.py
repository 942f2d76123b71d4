"""Small REU exports, one elector a line, in the format of the platform or of a préfecture; files of mouvements."""

import csv
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from schemas.profiles.source import read_mouvements
from worker.demo.libreville import read_electeurs

TITLES = tuple(next(read_electeurs(date(2026, 11, 25))))

PREFECTURE = {
    "code du l'ugle": "Code de l'UGLE",
    "code commune de naissance": "code de la commune de naissance",
    "code département de naissance": "code du département de naissance",
    "libellé nationalité": "identifiant nationalité",
    "code circonscription législative du bureau de vote": "circonscription législative du bureau de vote",
    "libellé canton du bureau de vote": "canton du bureau de vote",
    "libellé circonscription métropolitaine du bureau de vote": "code canton du bureau de vote",
}
"""Titles in files of préfectures, in place of the platform's own."""

VALUES = (
    "13055",
    "MARSEILLE",
    "Liste principale",
    "D'AUBIGNE",
    "",
    "Apolline Capucine",
    "F",
    "14/03/1962",
    "13055",
    "MARSEILLE",
    "13",
    "FRANCE",
    "Française",
    "12 BIS",
    "Rue de l'Hôtel de Ville",
    "",
    "",
    "",
    "13001",
    "MARSEILLE",
    "FRANCE",
    "0001",
    "HOTEL DE VILLE",
    "13-16",
    "MARSEILLE-1",
    "",
    "1",
)

ELECTEUR = dict(zip(TITLES, VALUES, strict=True))


COMMUNE, LISTE, NOM, PRENOMS = TITLES[0], TITLES[2], TITLES[3], TITLES[5]
DATE, NATIONALITE, VOIE, BUREAU, CIRCONSCRIPTION, CANTON, NUMERO = (
    TITLES[n] for n in (7, 12, 14, 21, 23, 24, 26)
)
LIBELLE_BUREAU = TITLES[22]
POSTAL = TITLES[18]
EUROPEENNE = {LISTE: "Liste complémentaire européenne", NATIONALITE: "Belge"}
MUNICIPALE = {LISTE: "Liste complémentaire municipale", NATIONALITE: "Belge"}


def zoe(index: int) -> str:
    """Distinct first names, without digits."""
    return "Zoé " + str(index).translate(_LETTERS)


_LETTERS = str.maketrans("0123456789", "ABCDEFGHIJ")


def electeurs(count: int, changes: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """This many electors of one list, with distinct names and numbers; `changes` apply to all."""
    same = dict(changes or {})
    return [
        ELECTEUR | {PRENOMS: zoe(index), NUMERO: str(index + 1)} | same for index in range(count)
    ]


def write_reu(
    path: Path,
    rows: Iterable[Mapping[str, str]],
    *,
    titles: Mapping[str, str] | None = None,
    separator: str = ";",
    encoding: str = "utf-8",
) -> Path:
    """Write an export; `titles` replaces some of the platform's. Returns the path."""
    path.write_bytes(format_reu(rows, titles=titles, separator=separator).encode(encoding))
    return path


def format_reu(
    rows: Iterable[Mapping[str, str]],
    *,
    titles: Mapping[str, str] | None = None,
    separator: str = ";",
) -> str:
    """The text of an export; `titles` replaces some of the platform's."""
    lines = [
        [(titles or {}).get(title, title) for title in TITLES],
        *([row[title] for title in TITLES] for row in rows),
    ]
    return "".join(
        separator.join(_quote(*place) for place in enumerate(line)) + "\n" for line in lines
    )


def _quote(place: int, value: str) -> str:
    if not value or place == len(TITLES) - 1:
        return value
    return '"' + value.replace('"', '""') + '"'


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


def write_mouvements(
    path: Path, rows: Iterable[Mapping[str, str]], titles: Iterable[str] = HEADER
) -> Path:
    """Write a file with these columns. Returns the path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(titles), restval="", delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    return path
