"""The six tableaux as one table: title, articles of law, parts, who signs.

Source: Code électoral before 2019, art. L. 11-2, L. 17, L. 33, R. 5, R. 10, R. 11, R. 16, R. 17 and R. 18; in force,
art. L. 19, L. 20, L. 31, R. 13 and R. 14.
"""

from dataclasses import dataclass
from enum import StrEnum

from schemas.tableaux import TypeTableau


class Regime(StrEnum):
    """The law of 1 August 2016 replaced the yearly revision by the répertoire électoral unique on 1 January 2019."""

    REVISION_ANNUELLE = "revision_annuelle"
    REPERTOIRE_UNIQUE = "repertoire_unique"


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
    """What the law says of one type of tableau."""

    titre: str
    reference_legale: str
    regime: Regime
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
        "Code électoral (avant 2019), art. R. 5, R. 10 et R. 11",
        Regime.REVISION_ANNUELLE,
        _ADDITIONS,
        _RETRANCHEMENTS,
        Signataire.COMMISSION_ADMINISTRATIVE,
        "Fait",
    ),
    TypeTableau.SECOND_RECTIFICATIF: Modele(
        "Second tableau rectificatif (tableau définitif)",
        "Code électoral (avant 2019), art. R. 16",
        Regime.REVISION_ANNUELLE,
        _ADDITIONS,
        _RETRANCHEMENTS,
        Signataire.COMMISSION_ADMINISTRATIVE,
        "Fait",
    ),
    TypeTableau.ADDITIONS: Modele(
        "Tableau des additions",
        "Code électoral (avant 2019), art. L. 11-2 (alinéa 2), L. 17 (alinéa 4) et R. 10 (alinéa 3)",
        Regime.REVISION_ANNUELLE,
        _ADDITIONS,
        None,
        Signataire.COMMISSION_ADMINISTRATIVE,
        "Fait",
    ),
    TypeTableau.CINQ_JOURS: Modele(
        "Tableau des cinq jours (rectifications depuis la clôture de la liste ou le dernier scrutin)",
        "Code électoral (avant 2019), art. L. 33 (alinéa 2), R. 17 et R. 18",
        Regime.REVISION_ANNUELLE,
        _ADDITIONS,
        _RETRANCHEMENTS,
        Signataire.MAIRE,
        "Publié",
    ),
    TypeTableau.VINGT_JOURS: Modele(
        "Tableau des vingt jours (inscriptions et radiations)",
        "Code électoral, art. L. 19, L. 20 et R. 13",
        Regime.REPERTOIRE_UNIQUE,
        _INSCRIPTIONS,
        _RADIATIONS,
        None,
        "Publié",
    ),
    TypeTableau.CINQ_JOURS_REU: Modele(
        "Tableau des cinq jours (inscriptions et radiations)",
        "Code électoral, art. L. 20, L. 31 et R. 14",
        Regime.REPERTOIRE_UNIQUE,
        _INSCRIPTIONS,
        _RADIATIONS,
        None,
        "Publié",
    ),
}
