"""A letter or a certificate of the town hall, independent of the renderer. Its habits are those of NF Z 11-001."""

from dataclasses import dataclass

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


def mairie(of_commune: str) -> tuple[str, ...]:
    """Return the block of the town hall, `of_commune` being « de LIBREVILLE »; its address is not known here."""
    return f"Mairie {of_commune}", f"Adresse : {BLANK}", f"Téléphone, courriel : {BLANK[:24]}"
