"""Who an elector is, and where her name stands: names compared and sorted, what tells her from another one.

The order of names on a French list. First level: letters, without accents nor case; a space, a hyphen and an apostrophe
come before every letter, as in the Unicode collation (CLDR), so that LE BRUN comes before LEBLANC. Then accents: COTE,
COTÉ, CÔTE. Then the characters as they are, so that the order never depends on the order the electors came in.
"""

import unicodedata
from hashlib import blake2b

from worker.domain.mouvement import Personne

_LETTERS = str.maketrans({
    "Æ": "AE", "Œ": "OE", "Ø": "O", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "TH", "Ħ": "H", "Ŧ": "T", "Ŀ": "L", "ẞ": "SS",
    "\u0131": "I", "Ə": "E", "-": " ", "'": " ", "’": " ", "\u2010": " ", "\u2011": " ", ".": " ", "\u00a0": " ",
})  # fmt: skip
"""Letters that Unicode does not decompose, and what counts as a space."""

SortKey = tuple[str, str, str]


def base_letters(text: str) -> str:
    """The first level: capital letters without accents, words separated by one space."""
    if text.isascii():
        letters = text.upper().translate(_LETTERS)
    else:
        decomposed = unicodedata.normalize("NFKD", text).upper().translate(_LETTERS)
        letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(letters.split())


def sort_key(text: str) -> SortKey:
    """What a name is sorted by."""
    return base_letters(text), unicodedata.normalize("NFD", text).casefold(), text


Identite = bytes
"""The key of an elector: a digest of birth name, first names, date of birth, and commune or country of birth.

Homonyms share it, they are real. Eight bytes, since those of a whole town are held at once.
"""


def fold_identite(
    nom_naissance: str, prenoms: str, date_naissance: str, commune: str, pays: str
) -> tuple[str, str, str, str]:
    """What an elector is known by; accents, case and hyphens do not count."""
    return base_letters(nom_naissance), base_letters(prenoms), date_naissance, base_letters(commune or pays)


def identite(nom_naissance: str, prenoms: str, date_naissance: str, commune: str, pays: str) -> Identite:
    """The key of an elector."""
    words = fold_identite(nom_naissance, prenoms, date_naissance, commune, pays)
    return blake2b("\0".join(words).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def identite_of(personne: Personne) -> Identite:
    """The key of the elector of a mouvement."""
    return identite(
        personne.nom_naissance,
        personne.prenoms,
        personne.date_naissance,
        personne.commune_naissance,
        personne.pays_naissance,
    )


class Homonyms:
    """Which mouvements are of one elector, or of several who cannot be told apart."""

    def __init__(self) -> None:
        self._first: dict[Identite, int] = {}
        self._all: dict[Identite, list[int]] = {}

    def add(self, key: Identite, id_: int) -> None:
        """Count a mouvement."""
        first = self._first.setdefault(key, id_)
        if first != id_:
            self._all.setdefault(key, [first]).append(id_)

    def ids(self) -> list[int]:
        """Those of electors who are there twice, elector by elector."""
        return [id_ for ids in self._all.values() for id_ in ids]
