"""The six tableaux as one table: title, parts, who signs; the articles of each are in `common.calendrier`.

Source: Code électoral before 2019, art. L. 11-2, L. 17, L. 33, R. 5, R. 10, R. 11, R. 16, R. 17 and R. 18; in force,
art. L. 19, L. 20, L. 31, R. 13 and R. 14.
"""

from dataclasses import dataclass
from enum import StrEnum

from schemas.tableaux import TypeTableau


class Signataire(StrEnum):
    """Who signs."""

    COMMISSION_ADMINISTRATIVE = "Les membres de la commission administrative"
    MAIRE = "Le maire"


MEMBRES_COMMISSION = 3
"""The mayor, the délégué de l'administration, the délégué of the tribunal. Code électoral before 2019, art. L. 17."""


@dataclass(frozen=True)
class PartieModele:
    """A part: its title, and what its total counts."""

    titre: str
    total: str


@dataclass(frozen=True)
class Modele:
    """How the law has one type of tableau drawn up."""

    titre: str
    additions: PartieModele
    retranchements: PartieModele | None
    """None: the tableau has one part only."""
    signataire: Signataire | None
    """None: no signature is required; the mayor may sign."""
    formule: str
    """What precedes « à LIBREVILLE, le … » where it is signed."""


_ADDITIONS = PartieModele("I. Additions (inscriptions)", "Total des additions")
_RETRANCHEMENTS = PartieModele("II. Retranchements (radiations)", "Total des retranchements")
_INSCRIPTIONS = PartieModele("I. Inscriptions", "Total des inscriptions")
_RADIATIONS = PartieModele("II. Radiations", "Total des radiations")

MODELES = {
    TypeTableau.PREMIER_RECTIFICATIF: Modele(
        "Premier tableau rectificatif (additions et retranchements)",
        _ADDITIONS,
        _RETRANCHEMENTS,
        Signataire.COMMISSION_ADMINISTRATIVE,
        "Fait",
    ),
    TypeTableau.SECOND_RECTIFICATIF: Modele(
        "Second tableau rectificatif (tableau définitif)",
        _ADDITIONS,
        _RETRANCHEMENTS,
        Signataire.COMMISSION_ADMINISTRATIVE,
        "Fait",
    ),
    TypeTableau.ADDITIONS: Modele(
        "Tableau des additions",
        _ADDITIONS,
        None,
        Signataire.COMMISSION_ADMINISTRATIVE,
        "Fait",
    ),
    TypeTableau.CINQ_JOURS: Modele(
        "Tableau des cinq jours (rectifications depuis la clôture de la liste ou le dernier scrutin)",
        _ADDITIONS,
        _RETRANCHEMENTS,
        Signataire.MAIRE,
        "Publié",
    ),
    TypeTableau.VINGT_JOURS: Modele(
        "Tableau des vingt jours (inscriptions et radiations)",
        _INSCRIPTIONS,
        _RADIATIONS,
        None,
        "Publié",
    ),
    TypeTableau.CINQ_JOURS_REU: Modele(
        "Tableau des cinq jours (inscriptions et radiations)",
        _INSCRIPTIONS,
        _RADIATIONS,
        None,
        "Publié",
    ),
}
