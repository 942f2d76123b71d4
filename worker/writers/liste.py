"""Which list is written, and what the file says of it."""

from dataclasses import dataclass
from datetime import date

from schemas.vocabulary import Liste

MAJORITE = 18
"""Age from which a citizen votes, in years. Code électoral, art. L. 2."""


@dataclass(frozen=True)
class ListeSpec:
    """One list of one commune, at one version of the register, on one day."""

    code_commune: str
    nom_commune: str
    code_departement: str
    liste: Liste
    version: int
    type_liste: str
    info_liste: str
    jour: date

    @property
    def last_birth(self) -> str:
        """The latest date of birth of a person of age, in the register's form.

        Compared as text: a partial date is then the oldest possible day, and somebody born on 29 February is of age
        on 1 March of a common year.
        """
        return f"{self.jour.year - MAJORITE:04}-{self.jour.month:02}-{self.jour.day:02}"

    @property
    def today(self) -> str:
        """The day of the file, in the register's form."""
        return self.jour.isoformat()
