"""A mouvement: an elector comes onto a list, leaves it, or changes bureau. Code électoral, art. L. 16 to L. 20."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from schemas.vocabulary import Categorie, Nature


class Effet(StrEnum):
    """When a mouvement takes effect, as openElec names it."""

    PREMIER_MARS = "1erMars"
    IMMEDIAT = "Immediat"
    ELECTION = "Election"


class Etat(StrEnum):
    """A mouvement is actif until it is applied to the list; its number is 0 (provisional) until then."""

    ACTIF = "actif"
    APPLIQUE = "applique"


@dataclass(frozen=True)
class Personne:
    """The elector of a mouvement, as the tableau prints her; dates AAAA-MM-JJ with zeros where unknown."""

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
    """Her address is masked. Code électoral, art. L. 37."""


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
    """The day it was decided; what « since the last meeting » counts from. Not dated: the last day that is possible."""
    scrutin: date | None
    """The poll it was made or applied for (J-5, additions)."""
    ancien_bureau: str
    nouveau_bureau: str
    numero: int
    personne: Personne
    after: date | None = None
    """Of a mouvement that is not dated: it happened after this day, which is `date.min` when nothing says which day.
    None: its day is known."""
    is_presumed: bool = False
    """Whether its category is only presumed from the date of birth: the town hall may still say another one."""
    is_majorite: bool = False
    """The elector's eighteenth birthday, who was on the list before. Code électoral, art. L. 11, II."""
    is_in_list: bool = True
    """False: the list that a tableau counts from is that of an export taken before this mouvement."""

    @property
    def is_applied(self) -> bool:
        """Whether the list that a tableau counts from shows its effect."""
        return self.etat is Etat.APPLIQUE and self.is_in_list

    @property
    def is_changement_bureau(self) -> bool:
        """Whether the elector stays in the commune and votes elsewhere in it."""
        return self.nature is Nature.MODIFICATION and self.ancien_bureau != self.nouveau_bureau

    @property
    def is_listed(self) -> bool:
        """Whether a tableau shows it: a modification that changes no bureau is left out, as openElec does."""
        return self.nature is not Nature.MODIFICATION or self.is_changement_bureau

    @property
    def arrives_in(self) -> str | None:
        """The bureau whose list the elector comes onto, in part I; None when nobody comes."""
        return None if self.nature is Nature.RADIATION else self.nouveau_bureau

    @property
    def leaves(self) -> str | None:
        """The bureau whose list the elector leaves, in part II by bureau; None when nobody leaves."""
        return None if self.nature is Nature.INSCRIPTION else self.ancien_bureau
