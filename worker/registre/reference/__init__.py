"""Reference lists: the communes and départements of France today, and the nationalities of the European Union.

Communes and départements come from the Code officiel géographique: `LICENCE.md` says how their CSV files are made.
Births may name former communes: a code that is absent is not an error.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

_FOLDER = Path(__file__).parent

NATIONALITES_CSV = _FOLDER / "nationalites.csv"
"""Nationalities of the member states of the European Union: ISO 3166-1 code, label, other spellings, the day on which
the state became a member, and the first day after its membership.

`EL` and `UK` are the codes of the European institutions for `GR` and `GB`. Sources: treaties of accession; agreement on
the withdrawal of the United Kingdom (OJ L 29, 31/01/2020), in force since 1 February 2020.
"""

DEPARTEMENTS_NAISSANCE_SEULE = frozenset({"20", "985", "99"})
"""Codes of births that are no département today: Corse before 1976, Mayotte before 2011, abroad.

75 (Seine), 78 (Seine-et-Oise), both until 1968, and 91 to 94 (Algérie, until 3 July 1962) are old meanings of codes
that exist today, so they are not here.
"""

_ARRONDISSEMENTS = (
    ("13055", "13201", "13216"),
    ("69123", "69381", "69389"),
    ("75056", "75101", "75120"),
)
_COLLECTIVITES = frozenset({"975", "977", "978", "984", "986", "987", "988", "989"})
_CODE_COMMUNE = re.compile(r"(?:\d{2}|2[AB])\d{3}", re.ASCII)


class Nationalite(NamedTuple):
    """The nationality of a state that is or was a member of the European Union. Days are AAAA-MM-JJ."""

    code: str
    libelle: str
    autres: tuple[str, ...]
    since: str
    until: str
    """The first day after its membership; empty while it is a member."""

    @property
    def spellings(self) -> frozenset[str]:
        """The spellings of registers: the code, the labels of both genders, in any case, with and without accents."""
        labels = {self.libelle, *self.autres}
        decomposed = [unicodedata.normalize("NFD", label) for label in labels]
        plain = {"".join(it for it in text if not unicodedata.combining(it)) for text in decomposed}
        words = {self.code, *labels, *plain}
        return frozenset({*words, *map(str.upper, words), *map(str.lower, words)})


def departement_of(code_commune: str) -> str:
    """Return the département of an INSEE commune code: `2A` of `2A004`, `971` of `97105`, `99` of `99131`."""
    return code_commune[:3] if code_commune.startswith(("97", "98")) else code_commune[:2]


def commune_of(code: str) -> str:
    """Return the commune of a code; for an arrondissement municipal, Paris, Lyon or Marseille.

    An electoral list is the commune's. Source: Code électoral, art. L. 16; INSEE, Code officiel géographique.
    """
    if not is_code_commune(code):
        return code
    return next(
        (commune for commune, first, last in _ARRONDISSEMENTS if first <= code <= last), code
    )


def arrondissements_of(code_commune: str) -> frozenset[str]:
    """Return the codes of the arrondissements municipaux of a commune."""
    ranges = (
        range(int(first), int(last) + 1)
        for commune, first, last in _ARRONDISSEMENTS
        if commune == code_commune
    )
    return frozenset(str(code) for codes in ranges for code in codes)


def is_code_commune(text: str) -> bool:
    """Return whether the text has the form of an INSEE commune code, used or not: `13055`."""
    return _CODE_COMMUNE.fullmatch(text) is not None


def iter_communes() -> Iterator[list[str]]:
    """Yield the code, the official name and the département of every commune of today, ordered by code.

    The arrondissements municipaux of Paris, Lyon and Marseille are among them.
    """
    return _read(_FOLDER / "communes.csv")


@cache
def read_departements() -> dict[str, str]:
    """Return the names of every département and overseas collectivity of today, by code and ordered by it."""
    return dict(_read(_FOLDER / "departements.csv"))


@cache
def nationalites() -> tuple[Nationalite, ...]:
    """Return the nationality of every state that is or was a member of the European Union, ordered by code."""
    return tuple(
        Nationalite(code, libelle, tuple(filter(None, autres.split(","))), since, until)
        for code, libelle, autres, since, until in _read(NATIONALITES_CSV)
    )


def name_departement(code: str) -> str:
    """Return the heading of a document: `Département : Bouches-du-Rhône`, `Polynésie française`; else an empty text.

    An overseas collectivity is no département. Constitution, art. 73 and 74.
    """
    nom = read_departements().get(code, "")
    return f"Département : {nom}" if nom and code not in _COLLECTIVITES else nom


def _read(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            yield line.rstrip("\n").split(";")
