"""Mouvements (code électoral, art. L. 16 to L. 20), the identity of their electors, and the order of names.

The identity: how electors are compared, and who may be one person.

The order of names on a French list. First level: letters, without accents or case; a space, a hyphen and an apostrophe
sort before every letter, as in the Unicode collation (CLDR), so that LE BRUN precedes LEBLANC. Then accents: COTE,
COTÉ, CÔTE. Then the characters themselves, so that the order never depends on the order of the input.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from operator import attrgetter
from typing import NamedTuple

from common.texte import normalize
from schemas.profiles.platform import IDENTITY
from schemas.vocabulary import Categorie, Nature


class Effet(StrEnum):
    """The time at which a mouvement takes effect, under openElec's names."""

    PREMIER_MARS = "1erMars"
    IMMEDIAT = "Immediat"
    ELECTION = "Election"


class Etat(StrEnum):
    """A mouvement is actif until it is applied to the list; its number is 0 (provisional) until then."""

    ACTIF = "actif"
    APPLIQUE = "applique"


@dataclass(frozen=True, slots=True)
class Personne:
    """The elector of a mouvement, with the values of the tableau; dates AAAA-MM-JJ with zeros where unknown."""

    nom_naissance: str
    nom_usage: str
    prenoms: str
    date_naissance: str
    commune_naissance: str
    departement_naissance: str
    pays_naissance: str
    adresse: str
    nationalite: str
    is_protegee: bool = False
    """Whether the address is masked. Code électoral, art. L. 37."""


@dataclass(frozen=True, slots=True)
class Mouvement:
    """One mouvement of one list of one commune. Bureau codes are empty where there is none (before or after)."""

    id: int
    nature: Nature
    effet: Effet
    etat: Etat
    categorie: Categorie
    motif: str
    date_tableau: date
    date_mouvement: date
    """The day of the decision; « since the last meeting » counts from it. Undated: the last possible day."""
    scrutin: date | None
    """The poll that the mouvement was made or applied for (J-5, additions)."""
    ancien_bureau: str
    nouveau_bureau: str
    numero: int
    personne: Personne
    after: date | None = None
    """Set for an undated mouvement: it happened after this day, which is `date.min` if no day is known. None: the
    mouvement is dated."""
    is_majorite: bool = False
    """The elector was on the list before, and counts from the eighteenth birthday. Code électoral, art. L. 11, II."""
    is_in_list: bool = True
    """False: the tableau counts from the list of an export taken before this mouvement."""

    @property
    def is_applied(self) -> bool:
        """Whether the list that a tableau counts from shows its effect."""
        return self.etat is Etat.APPLIQUE and self.is_in_list

    @property
    def is_changement_bureau(self) -> bool:
        """Whether the elector stays in the commune and votes in another bureau."""
        return self.nature is Nature.MODIFICATION and self.ancien_bureau != self.nouveau_bureau

    @property
    def is_listed(self) -> bool:
        """Whether a tableau shows it: a modification without a change of bureau is left out, as in openElec."""
        return self.nature is not Nature.MODIFICATION or self.is_changement_bureau

    @property
    def arrives_in(self) -> str | None:
        """The bureau whose list the elector joins, in part I; None for a radiation."""
        return None if self.nature is Nature.RADIATION else self.nouveau_bureau

    @property
    def leaves(self) -> str | None:
        """The bureau whose list the elector leaves, in part II by bureau; None for an inscription."""
        return None if self.nature is Nature.INSCRIPTION else self.ancien_bureau


FORGOTTEN = "EFFACÉ"
"""The birth name of an elector whose data were erased."""


_LETTERS = str.maketrans({
    "Æ": "AE", "Œ": "OE", "Ø": "O", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "TH", "Ħ": "H", "Ŧ": "T", "Ŀ": "L", "ẞ": "SS",
    "\u0131": "I", "Ə": "E", "-": " ", "'": " ", "’": " ", "\u2010": " ", "\u2011": " ", ".": " ", "\u00a0": " ",
})  # fmt: skip
"""Letters that Unicode does not decompose, and characters that count as a space."""


@lru_cache(maxsize=4_096)
def base_letters(text: str) -> str:
    """Return the first level: capital letters without accents, words separated by one space."""
    letters = normalize("NFKD", text).upper()
    if not letters.isascii():
        letters = "".join(it for it in letters if not unicodedata.combining(it))
    return " ".join(letters.translate(_LETTERS).split())


def sort_key(text: str) -> tuple[str, str, str]:
    """Return the sort key of a name."""
    return base_letters(text), normalize("NFD", text).casefold(), text


Identite = bytes
"""The key of an elector: a digest of birth name, first names, date of birth, and commune or country of birth.

Real homonyms share it. It has eight bytes, because the keys of a whole town are in memory at once.
"""


def fold_identite(
    nom_naissance: str, prenoms: str, date_naissance: str, commune: str, pays: str
) -> tuple[str, str, str, str]:
    """Return the folded identity of an elector; accents, case and hyphens do not count."""
    return (
        base_letters(nom_naissance),
        base_letters(prenoms),
        date_naissance,
        base_letters(commune or pays),
    )


def identite(
    nom_naissance: str, prenoms: str, date_naissance: str, commune: str, pays: str
) -> Identite:
    """Return the key of an elector."""
    words = fold_identite(nom_naissance, prenoms, date_naissance, commune, pays)
    return blake2b("\0".join(words).encode("utf-8", "surrogatepass"), digest_size=8).digest()


who_of: Callable[[Personne], tuple[str, str, str, str, str]] = attrgetter(*IDENTITY)
"""Returns the values of the identity, as `identite` takes them."""


def identite_of(personne: Personne) -> Identite:
    """Return the key of the elector of a mouvement."""
    return identite(*who_of(personne))


class Portrait(NamedTuple):
    """Values that show whether a departure and an arrival may be one person; texts have the form of `base_letters`."""

    nom: str
    prenoms: str
    date_naissance: str
    """AAAA-MM-JJ; unknown parts are zeros."""
    lieu_naissance: str
    """The commune of birth, or the country if the commune is unknown."""
    adresse: str
    code_bureau: str
    numero: int
    """Order number in the bureau; 0 if there is none."""


Likeness = Callable[[Portrait, Portrait], bool]


def _is_same(*names: str) -> Likeness:
    """Build a test that these fields are known and equal; empty texts and zero are unknown."""

    def is_same(before: Portrait, after: Portrait) -> bool:
        values = [(getattr(before, name), getattr(after, name)) for name in names]
        return all(bool(one and one == other) for one, other in values)

    return is_same


def _shares_prenom(before: Portrait, after: Portrait) -> bool:
    return not set(before.prenoms.split()).isdisjoint(after.prenoms.split())


def _has_whole_date(before: Portrait, _after: Portrait) -> bool:
    """Test that the date of birth is known to the day: too many persons share a year."""
    return all(part.strip("0") for part in before.date_naissance.split("-"))


def _is_homonym(before: Portrait, after: Portrait) -> bool:
    return before[:4] == after[:4]  # the civil status


def _has_date_corrected(before: Portrait, after: Portrait) -> bool:
    """Test that the dates may be one date: completed, or with one of its three parts mistyped."""
    parts = zip(
        *((it.date_naissance or "0000-00-00").split("-") for it in (before, after)), strict=True
    )
    known = [one == other for one, other in parts if one.strip("0") and other.strip("0")]
    return all(known) or (sum(known), len(known)) == (2, 3)


_PLACE, _HOME, _BORN = (
    _is_same("code_bureau", "numero"),
    _is_same("nom", "adresse"),
    _is_same("date_naissance"),
)

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
"""What two electors of one comparison share if they may be one person: one of these lines is enough.

The first five concern an elector who stays in place; the others one who moved at the same time, and of whose civil
status one part was corrected, or one and the place of birth; the last one homonyms of whom one left or arrived.
"""

BLOCKS = (
    ("code_bureau", "numero"),
    ("nom", "adresse"),
    ("prenoms", "date_naissance"),
    ("nom", "date_naissance"),
    ("nom", "prenoms"),
)
"""Two electors who may be one person are equal in all fields of at least one block: other pairs are not compared."""


def is_perhaps_one(before: Portrait, after: Portrait) -> bool:
    """Return whether an elector who left and one who arrived may be one person with a corrected civil status."""
    return any(
        all(is_alike(before, after) for is_alike in likenesses) for likenesses in _PERHAPS_ONE
    )


def is_surely_one(before: Portrait, after: Portrait) -> bool:
    """Return whether only the place of birth differs, for an equal place on the list or an equal name and address."""
    return differing(before, after) == ["lieu_naissance"] and (
        _PLACE(before, after) or _HOME(before, after)
    )


def differing(before: Portrait, after: Portrait) -> list[str]:
    """Return the fields that differ between two portraits, without the number, which is reassigned at times."""
    return [
        name
        for name in Portrait._fields
        if name != "numero" and getattr(before, name) != getattr(after, name)
    ]
