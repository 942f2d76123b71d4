"""A mouvement: an elector joins a list, leaves it, or changes bureau. Code électoral, art. L. 16 to L. 20."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

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


@dataclass(frozen=True)
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


@dataclass(frozen=True)
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
    is_presumed: bool = False
    """Whether the category is only presumed from the date of birth: the town hall may still give another one."""
    is_majorite: bool = False
    """The eighteenth birthday of an elector who was on the list before. Code électoral, art. L. 11, II."""
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
