"""An independent reader of list files, and their expected lines by the rules of the arrêté; it names no column.

Positions are those of the table of 29 columns; the header itself is in a golden file.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from typing import Any

from common.texte import clean
from tests.golden.cases import FOLDER

HEADER = (FOLDER / "liste_vide" / "CE.csv").read_text("utf-8").removesuffix("\n").split(";")
FILE_COLUMNS = 6
ADDRESS_AT = 20
JOUR = "2026-11-25"
OF_AGE = "2008-11-25"
YOUNGEST = "2010-11-25"

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_NO_NUMBER = {"0", "sans"}

Fields = Mapping[str, Any]


def read_csv(content: bytes) -> tuple[list[str], list[list[str]]]:
    """Header and lines of a CSV file without quotes."""
    *lines, after_the_last = content.decode("utf-8", "strict").split("\n")
    assert after_the_last == ""
    header, *rows = (line.split(";") for line in lines)
    return header, rows


def read_xml(content: bytes) -> tuple[list[str], list[list[str]]]:
    """Header and lines of an XML file: the element names without the container, and a line per elector."""
    root = ET.fromstring(content)  # noqa: S314 — our own file
    assert root.tag == "ListeElectorale"
    top = [element for element in root if element.tag != "Electeur"]
    electeurs = [list(_leaves(element)) for element in root.iter("Electeur")]
    names = [element.tag for element in [*top, *(electeurs[0] if electeurs else [])]]
    return names, [[element.text or "" for element in [*top, *leaves]] for leaves in electeurs]


def _leaves(electeur: ET.Element) -> Iterator[ET.Element]:
    *identity, address = electeur
    assert len(identity) == ADDRESS_AT - FILE_COLUMNS
    yield from identity
    yield from address


def is_of_age(fields: Fields) -> bool:
    """Whether the elector is 18 on JOUR; unknown parts of the date count as the earliest possible.

    An unreadable date counts as of age, and so does the date of a person under 16.
    """
    born = clean(fields["date_naissance"])
    return not _DATE.fullmatch(born) or born <= OF_AGE or born > YOUNGEST


def rank(fields: Fields) -> tuple[bytes | int, ...]:
    """The sort key of the elector in the file."""
    texts = (fields[name].encode() for name in ("nom_naissance", "prenoms", "date_naissance"))
    numero = fields["numero_ordre"]
    return (fields["code_bureau"].encode(), -1 if numero is None else numero, *texts, fields["id"])


def expected_line(fields: Fields, bureaux: Mapping[str, Fields]) -> list[str]:
    """The 29 values of an elector of the principal list, before the separators of the CSV are replaced."""
    it = {name: clean(value) if isinstance(value, str) else value for name, value in fields.items()}
    bureau = {name: clean(value) for name, value in bureaux.get(fields["code_bureau"], {}).items()}
    born = it["date_naissance"]
    numero = "" if it["numero_general"] is None else str(it["numero_general"])
    return [
        *("G", "L", "25/11/2026", "13", "13900", "LIBREVILLE"),
        *(numero, it["sexe"], it["nom_naissance"]),
        "" if it["nom_usage"] == it["nom_naissance"] else it["nom_usage"],
        it["prenoms"],
        "/".join(reversed(born.split("-"))) if _DATE.fullmatch(born) else born,
        *(it["commune_naissance"], it["departement_naissance"], it["pays_naissance"], ""),
        *(bureau.get("libelle", ""), it["code_bureau"]),
        *(bureau.get("code_canton", ""), bureau.get("code_circonscription", "")),
        *(it["complement1"], it["complement2"]),
        "" if it["numero_voie"].lower() in _NO_NUMBER else it["numero_voie"],
        *(it["type_voie"], it["libelle_voie"], it["lieu_dit"], it["code_postal"], it["ville"]),
        it["pays"] or "FRANCE",
    ]


def for_csv(line: list[str]) -> list[str]:
    """The values with `;` and `"` replaced, which the CSV cannot contain."""
    return [value.replace(";", ",").replace('"', "'") for value in line]
