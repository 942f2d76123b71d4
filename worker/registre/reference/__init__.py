"""The communes and départements of France today, from the Code officiel géographique.

The two CSV files beside are made by `rebuild.py`; `LICENCE.md` tells their source and how to redo them.
Births name places that are no longer there: a birth code that is absent here is not an error.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

COMMUNES_CSV = Path(__file__).with_name("communes.csv")
DEPARTEMENTS_CSV = Path(__file__).with_name("departements.csv")

DEPARTEMENTS_NAISSANCE_SEULE = frozenset({"20", "99"})
"""Codes that a birth may bear though no département of today does: Corse before 1976, and abroad.

75 (Seine), 78 (Seine-et-Oise), both until 1968, and 91 to 94 (Algérie, until 3 July 1962) are old meanings of codes
that exist today, hence not here.
"""

CODES_NAISSANCE_ALGERIE = frozenset({"91352", "92352", "93352", "94352"})
"""Commune codes of births in Algérie before 3 July 1962: départements of Alger, Oran, Constantine, du Sud."""

_ARRONDISSEMENTS = (("13055", "13201", "13216"), ("69123", "69381", "69389"), ("75056", "75101", "75120"))
_COLLECTIVITES = frozenset({"975", "977", "978", "984", "986", "987", "988", "989"})
_CODE_COMMUNE = re.compile(r"(?:\d{2}|2[AB])\d{3}", re.ASCII)


class CommuneOfficielle(NamedTuple):
    """A commune, or an arrondissement municipal of Paris, Lyon or Marseille, under its official spelling."""

    code: str
    nom: str
    departement: str


class Departement(NamedTuple):
    """A département or an overseas collectivity, under its official spelling."""

    code: str
    nom: str


def departement_of(code_commune: str) -> str:
    """The département that an INSEE commune code belongs to: `2A` of `2A004`, `971` of `97105`, `99` of `99131`."""
    return code_commune[:3] if code_commune.startswith(("97", "98")) else code_commune[:2]


def commune_of(code: str) -> str:
    """The commune that a code stands for: that of an arrondissement municipal of Paris, Lyon or Marseille is theirs.

    An electoral list is the commune's. Source: Code électoral, art. L. 16; INSEE, Code officiel géographique.
    """
    if not is_code_commune(code):
        return code
    return next((commune for commune, first, last in _ARRONDISSEMENTS if first <= code <= last), code)


def is_code_commune(text: str) -> bool:
    """Whether the text has the form of an INSEE commune code, whatever place had, has or will have it: `13055`."""
    return _CODE_COMMUNE.fullmatch(text) is not None


def iter_communes() -> Iterator[CommuneOfficielle]:
    """Every commune of today in the order of its code, read line by line."""
    for code, nom, departement in _read(COMMUNES_CSV):
        yield CommuneOfficielle(code, nom, departement)


def iter_departements() -> Iterator[Departement]:
    """Every département and overseas collectivity of today in the order of its code."""
    for code, nom in _read(DEPARTEMENTS_CSV):
        yield Departement(code, nom)


def name_departement(code: str) -> str:
    """As the head of a paper names it: `Département : Bouches-du-Rhône`, `Polynésie française`; empty for none of them.

    An overseas collectivity is no département. Constitution, art. 73 and 74.
    """
    for departement in iter_departements():
        if departement.code == code:
            return departement.nom if code in _COLLECTIVITES else f"Département : {departement.nom}"
    return ""


def _read(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            yield line.rstrip("\n").split(";")
