"""Who an elector is: what tells her from another one of the same list."""

from hashlib import blake2b

from worker.domain.collation import base_letters
from worker.domain.mouvement import Personne

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
