"""Which list is written, and what the file says of it."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import BigInteger, BindParameter, Text, bindparam

from common.french import short_date
from schemas.vocabulary import Liste
from worker.domain.majorite import last_birth


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
    def nom_affiche(self) -> str:
        """The name of the commune as the file has it."""
        return self.nom_commune.upper()

    @property
    def date_creation(self) -> str:
        """The day of the file, as the file has it."""
        return short_date(self.jour)

    @property
    def last_birth(self) -> str:
        """The latest date of birth of a person of age, in the register's form."""
        return last_birth(self.jour)

    @property
    def today(self) -> str:
        """The day of the file, in the register's form."""
        return self.jour.isoformat()

    @property
    def parameters(self) -> dict[str, str | int]:
        """The values of a statement that was made for AnyListe."""
        return {name: getattr(self, name) for name in _PARAMETERS}


class AnyListe:
    """Stands for every ListeSpec of one list in a statement that is made once: its values are parameters.

    To make the statements of a file takes longer than to write the file of a village.
    """

    def __init__(self, liste: Liste) -> None:
        self.liste = liste
        self.version: BindParameter[int] = bindparam("version", type_=BigInteger, required=False)
        self.code_commune = _text("code_commune")
        self.nom_affiche = _text("nom_affiche")
        self.code_departement = _text("code_departement")
        self.type_liste = _text("type_liste")
        self.info_liste = _text("info_liste")
        self.date_creation = _text("date_creation")
        self.last_birth = _text("last_birth")
        self.today = _text("today")


def _text(name: str) -> BindParameter[str]:
    return bindparam(name, type_=Text, required=False)


Spec = ListeSpec | AnyListe

_PARAMETERS = vars(AnyListe(Liste.PRINCIPALE)).keys() - {"liste"}
