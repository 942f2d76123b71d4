"""The words of the tableaux: which one, how it is laid out, for whom it is printed; labels beside."""

from enum import StrEnum


class TypeTableau(StrEnum):
    """Which tableau of changes. The last two exist since 2019, the others until then.

    Source: Code électoral before 2019, art. L. 11-2, L. 33, R. 10 and R. 16; since 2019, art. R. 13 and R. 14.
    """

    PREMIER_RECTIFICATIF = "premier_rectificatif"
    SECOND_RECTIFICATIF = "second_rectificatif"
    ADDITIONS = "additions"
    CINQ_JOURS = "cinq_jours"
    VINGT_JOURS = "vingt_jours"
    CINQ_JOURS_REU = "cinq_jours_reu"

    @property
    def label(self) -> str:
        """The short name, as a clerk reads it in a list of files."""
        return _TYPE_LABELS[self]


class Presentation(StrEnum):
    """One table for the commune, one for each bureau, or the figures only."""

    COMMUNE = "commune"
    PAR_BUREAU = "par_bureau"
    RECAPITULATIF = "recapitulatif"

    @property
    def label(self) -> str:
        """The presentation, as a clerk reads it."""
        return _PRESENTATION_LABELS[self]


class Edition(StrEnum):
    """Whom the print is for: posted in public, or read by the commission, which sees the full motif (R. 8)."""

    AFFICHAGE = "affichage"
    COMMISSION = "commission"

    @property
    def label(self) -> str:
        """The edition, as a clerk reads it."""
        return _EDITION_LABELS[self]


_TYPE_LABELS = {
    TypeTableau.PREMIER_RECTIFICATIF: "Premier tableau rectificatif",
    TypeTableau.SECOND_RECTIFICATIF: "Second tableau rectificatif",
    TypeTableau.ADDITIONS: "Tableau des additions",
    TypeTableau.CINQ_JOURS: "Tableau des cinq jours (avant 2019)",
    TypeTableau.VINGT_JOURS: "Tableau des vingt jours",
    TypeTableau.CINQ_JOURS_REU: "Tableau des cinq jours",
}

_PRESENTATION_LABELS = {
    Presentation.COMMUNE: "commune",
    Presentation.PAR_BUREAU: "par bureau",
    Presentation.RECAPITULATIF: "récapitulatif",
}

_EDITION_LABELS = {
    Edition.AFFICHAGE: "à afficher",
    Edition.COMMISSION: "pour la commission",
}
