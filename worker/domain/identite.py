"""Who an elector is, and where her name stands: names compared and sorted, what tells her from another one.

The order of names on a French list. First level: letters, without accents nor case; a space, a hyphen and an apostrophe
come before every letter, as in the Unicode collation (CLDR), so that LE BRUN comes before LEBLANC. Then accents: COTE,
COTÉ, CÔTE. Then the characters as they are, so that the order never depends on the order the electors came in.
"""

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from worker.domain.mouvement import Personne

FORGOTTEN = "EFFACÉ"
"""The birth name of an elector who was forgotten."""


class _Letters(dict[int, int | str | None]):
    """What becomes of each character of a decomposed text: accents go, and what is asked for once is known."""

    def __missing__(self, code: int) -> int | None:
        letter = None if unicodedata.combining(chr(code)) else code
        self[code] = letter
        return letter


_OTHER_LETTERS: dict[str, int | str | None] = {
    "Æ": "AE", "Œ": "OE", "Ø": "O", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "TH", "Ħ": "H", "Ŧ": "T", "Ŀ": "L", "ẞ": "SS",
    "\u0131": "I", "Ə": "E", "-": " ", "'": " ", "’": " ", "\u2010": " ", "\u2011": " ", ".": " ", "\u00a0": " ",
}  # fmt: skip
"""Letters that Unicode does not decompose, and what counts as a space."""

_LETTERS = _Letters(str.maketrans(_OTHER_LETTERS))

SortKey = tuple[str, str, str]


@lru_cache(maxsize=4_096)
def base_letters(text: str) -> str:
    """The first level: capital letters without accents, words separated by one space."""
    decomposed = text if text.isascii() else unicodedata.normalize("NFKD", text)
    letters = decomposed.upper().translate(_LETTERS)
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


class Portrait(NamedTuple):
    """What tells whether one who left and one who came may be one person; texts are as `base_letters` gives them."""

    nom: str
    prenoms: str
    date_naissance: str
    """AAAA-MM-JJ; unknown parts are zeros."""
    lieu_naissance: str
    """The commune of birth, or the country when the commune is not known."""
    adresse: str
    code_bureau: str
    numero: int
    """Order number in the bureau; 0 when there is none."""


Likeness = Callable[[Portrait, Portrait], bool]


def _is_same(*names: str) -> Likeness:
    """Whether these fields are known and the same; nothing, and zero, are not known."""

    def is_same(before: Portrait, after: Portrait) -> bool:
        values = [(getattr(before, name), getattr(after, name)) for name in names]
        return all(bool(one and one == other) for one, other in values)

    return is_same


def _shares_prenom(before: Portrait, after: Portrait) -> bool:
    return not set(before.prenoms.split()).isdisjoint(after.prenoms.split())


def _has_whole_date(before: Portrait, _after: Portrait) -> bool:
    """Whether a date of birth is known to the day: a year alone is that of too many."""
    return all(part.strip("0") for part in before.date_naissance.split("-"))


def _is_homonym(before: Portrait, after: Portrait) -> bool:
    return before[:_PARTS] == after[:_PARTS]


def _has_date_corrected(before: Portrait, after: Portrait) -> bool:
    """Whether one date may be the other one: completed, or with one of its three parts mistyped."""
    parts = zip(*((it.date_naissance or _UNKNOWN).split("-") for it in (before, after)), strict=True)
    known = [one == other for one, other in parts if one.strip("0") and other.strip("0")]
    return all(known) or (sum(known), len(known)) == (2, 3)


_UNKNOWN = "0000-00-00"
_PARTS = 4
"""The fields of a portrait that are the civil status come first."""
_PLACE, _HOME, _BORN = _is_same("code_bureau", "numero"), _is_same("nom", "adresse"), _is_same("date_naissance")

_PERHAPS_ONE: tuple[tuple[Likeness, ...], ...] = (
    (_PLACE, _shares_prenom),
    (_PLACE, _BORN),
    (_HOME, _shares_prenom),
    (_HOME, _BORN),
    (_is_same("prenoms", "date_naissance", "adresse"),),
    (_is_same("nom", "prenoms", "date_naissance"),),
    (_is_same("prenoms", "date_naissance", "lieu_naissance"),),
    (_is_same("nom", "date_naissance", "lieu_naissance"), _shares_prenom),
    (_is_same("nom", "prenoms"), _has_date_corrected),
    (_is_same("prenoms", "date_naissance"), _has_whole_date),
    (_is_same("nom", "date_naissance"), _has_whole_date, _shares_prenom),
    (_is_homonym,),
)
"""What two of one comparison share when they may be one person: one line of these is enough.

The first five are of an elector who stays where she is; the others of one who moved at the same time, and of whose
civil status one part was corrected, or one and the place of birth; the last one of homonyms of whom one left or came.
"""

BLOCKS = (
    ("code_bureau", "numero"),
    ("nom", "adresse"),
    ("prenoms", "date_naissance"),
    ("nom", "date_naissance"),
    ("nom", "prenoms"),
)
"""Two who may be one person are the same in all the fields of one of these at least: others need no second look."""


def is_perhaps_one(before: Portrait, after: Portrait) -> bool:
    """Whether one who left and one who came may be one person, whose civil status was corrected."""
    return any(all(is_alike(before, after) for is_alike in likenesses) for likenesses in _PERHAPS_ONE)


def is_surely_one(before: Portrait, after: Portrait) -> bool:
    """Whether only the place of birth differs, of one who votes or lives where she did: that is nobody else."""
    return differing(before, after) == ["lieu_naissance"] and (_PLACE(before, after) or _HOME(before, after))


def differing(before: Portrait, after: Portrait) -> list[str]:
    """The fields of two portraits that are not the same; a number alone is given anew at times."""
    return [name for name in Portrait._fields if name != "numero" and getattr(before, name) != getattr(after, name)]
