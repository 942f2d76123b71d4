"""The REU / ELIRE export « Liste des électeurs actifs », as the platform writes it."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

COLUMNS = (
    "code du l'ugle",
    "libellé de l'ugle",
    "libellé du type de liste",
    "nom de naissance",
    "nom d'usage",
    "prénoms",
    "sexe",
    "date de naissance",
    "code commune de naissance",
    "libellé commune de naissance",
    "code département de naissance",
    "pays de naissance",
    "libellé nationalité",
    "numéro de voie",
    "libellé de voie",
    "complément 1",
    "complément 2",
    "lieu-dit",
    "code postal",
    "commune",
    "pays",
    "code du bureau de vote",
    "libellé du bureau de vote",
    "code circonscription législative du bureau de vote",
    "libellé canton du bureau de vote",
    "libellé circonscription métropolitaine du bureau de vote",
    "numéro d'ordre dans le bureau de vote",
)
"""The 27 headers in the order of the export; « du l'ugle » is the platform's own spelling."""

PRINCIPALE = "Liste principale"
MUNICIPALE = "Liste complémentaire municipale"
EUROPEENNE = "Liste complémentaire européenne"

BATCH = 2000


class ReuRow(NamedTuple):
    """One elector on one list: the 27 values of a line, in the order of COLUMNS."""

    ugle_code: str
    ugle: str
    liste: str
    nom: str
    nom_usage: str
    prenoms: str
    sexe: str
    date_naissance: str
    code_naissance: str
    commune_naissance: str
    departement_naissance: str
    pays_naissance: str
    nationalite: str
    numero_voie: str
    voie: str
    complement_1: str
    complement_2: str
    lieu_dit: str
    code_postal: str
    ville: str
    pays: str
    bureau: str
    bureau_nom: str
    circonscription: str
    canton: str
    circonscription_nom: str
    numero_ordre: str


def format_line(values: tuple[str, ...]) -> str:
    """One line with its LF: every value quoted but the last, nothing at all for an empty value."""
    *quoted, last = values
    text = '";"'.join(quoted)
    if text.count('"') == 2 * len(quoted) - 2:
        return f'"{text}";{last}\n'.replace('""', "")
    fields = ['"' + value.replace('"', '""') + '"' if value else "" for value in quoted]
    return f"{';'.join(fields)};{last}\n"


def write_lines(path: Path, electeurs: Iterable[ReuRow]) -> None:
    """Write header and electors as UTF-8 without BOM, a batch at a time: memory does not grow with their number."""
    rest = iter(electeurs)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(format_line(COLUMNS))
        while batch := [format_line(electeur) for electeur in islice(rest, BATCH)]:
            file.writelines(batch)
