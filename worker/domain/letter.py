"""A letter or a certificate of the town hall, independent of the renderer. Its habits are those of NF Z 11-001."""

from dataclasses import dataclass
from typing import NamedTuple

BLANK = "_" * 34
"""A line to fill in by hand, for what the register does not know."""


@dataclass(frozen=True)
class Letter:
    """A letter in portrait; every value is ready to print."""

    titre: str
    """The title of the file."""
    nom_commune: str
    expediteur: tuple[str, ...]
    destinataire: tuple[str, ...]
    """Empty for a certificate, which is addressed to nobody."""
    lieu: str
    """`LIBREVILLE, le ____`: the day is written by the person who signs."""
    objet: str
    reference: str
    corps: tuple[str, ...]
    signataire: str
    recours: tuple[str, ...] = ()
    """The remedies and their delays, under a title of their own."""
    pied: tuple[str, ...] = ()
    """Printed small below the signature: what identifies a file, and what for."""
    has_cachet: bool = True
    """Whether there is room for the stamp of the town hall."""


class Mairie(NamedTuple):
    """What the town hall has noted of itself; what is empty is not known, and a letter has a line for it."""

    voie: str = ""
    ville: str = ""
    telephone: str = ""
    courriel: str = ""
    signataire: str = ""
    """Name and quality of who signs."""

    def address_block(self, of_commune: str) -> tuple[str, ...]:
        """Return the lines of the town hall, `of_commune` being « de LIBREVILLE »."""
        address = [it for it in (self.voie, self.ville) if it] or [f"Adresse : {BLANK}"]
        contact = [it for it in (self.telephone, self.courriel) if it]
        return (
            f"Mairie {of_commune}",
            *address,
            *(contact or [f"Téléphone, courriel : {BLANK[:24]}"]),
        )

    @property
    def signature(self) -> str:
        """The line above the signature."""
        return self.signataire or "Le maire, ou par délégation :"
