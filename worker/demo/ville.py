"""A commune and its bureaux, as the lines of an export repeat them."""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from worker.demo.places import BUREAU_NAMES
from worker.registre.reference import departement_of

ELECTEURS_PER_BUREAU = 900


class Ville(NamedTuple):
    """A commune; `spellings` are the ways in which addresses write it, the common one many times."""

    code: str
    label: str
    code_postal: str
    spellings: tuple[str, ...]
    circonscription: str
    canton: str


class Bureau(NamedTuple):
    """A bureau de vote, under the names of the fields of a line."""

    bureau: str
    bureau_nom: str
    circonscription: str
    canton: str
    circonscription_nom: str


def ville_of(code: str, nom: str) -> Ville:
    """A commune from its INSEE code and its name; post code, canton and circonscription are made up."""
    label = _capitals(nom)
    departement = departement_of(code)
    prefix = {"2A": "20", "2B": "20"}.get(departement, departement)
    spaced = label.replace("-", " ")
    return Ville(
        code=code,
        label=label,
        code_postal=prefix.ljust(5, "0"),
        spellings=(label,) * 17 + (nom, spaced, spaced.replace("SAINT", "ST")),
        circonscription=f"{departement}-{1 + int(code[-3:]) % 10:02}",
        canton=label,
    )


def bureaux_of(ville: Ville, electeurs: int) -> Sequence[Bureau]:
    """The bureaux that so many electors on the principal list need."""
    number = int(ville.circonscription.partition("-")[2])
    return [
        Bureau(
            bureau=f"{index + 1:04}",
            bureau_nom=BUREAU_NAMES[index % len(BUREAU_NAMES)]
            + (f" {index + 1}" if index >= len(BUREAU_NAMES) else ""),
            circonscription=ville.circonscription,
            canton=ville.canton,
            circonscription_nom=f"{number}{'re' if number == 1 else 'e'} circonscription",
        )
        for index in range(max(1, -(-electeurs // ELECTEURS_PER_BUREAU)))
    ]


def _capitals(nom: str) -> str:
    decomposed = unicodedata.normalize("NFD", nom.upper().replace("Œ", "OE"))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
