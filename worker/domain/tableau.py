"""A tableau: how the law has each of the six types drawn up, and what one prints, whoever draws it.

What it prints is plain data, the same whether it is rendered or tested. The articles of each type, and what is known
of them, are in `common.law`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
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
    has_dates: bool = False
    """Whether each line gives the date of its mouvement. Code électoral, art. R. 13."""


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
        has_dates=True,
    ),
    TypeTableau.CINQ_JOURS_REU: Modele(
        "Tableau des cinq jours (inscriptions et radiations)",
        _INSCRIPTIONS,
        _RADIATIONS,
        None,
        "Publié",
    ),
}


@dataclass(frozen=True, slots=True)
class Ligne:
    """One line: one elector in one part. Every value is ready to print."""

    numero: str
    nom_naissance: str
    nom_usage: str
    prenoms: str
    naissance: str
    """`14/03/1962 à MARSEILLE (13)`."""
    adresse: str
    bureau: str
    """`0001`, or `0001 → 0002` for a change of bureau."""
    nationalite: str
    motif: str
    date: str = ""
    """`20/09/2026`, of the mouvement; empty where the tableau prints none."""


@dataclass(frozen=True)
class Partie:
    """Part I (additions) or part II (retranchements); an empty one prints « Néant »."""

    titre: str
    """`I. Additions (inscriptions)`."""
    lignes: Iterable[Ligne]
    """Read as often as one likes; made while they are read, where there may be many."""
    total: str
    """`Total des additions : douze (12) électeurs`; in words and figures."""


@dataclass(frozen=True)
class Bilan:
    """avant + inscriptions + arrivees − radiations − departs = apres. Changes of bureau are neutral in the commune."""

    avant: int
    inscriptions: int
    radiations: int
    arrivees: int
    departs: int
    changements: int
    """In the commune's totals: electors who changed bureau, counted apart."""

    @property
    def apres(self) -> int:
        """Electors after."""
        return self.avant + self.inscriptions + self.arrivees - self.radiations - self.departs


@dataclass(frozen=True)
class Section:
    """The whole commune, or one bureau."""

    code: str
    """Bureau code, empty for the commune."""
    titre: str
    """`Bureau 0001 — HOTEL DE VILLE`, or `Commune de LIBREVILLE`."""
    parties: tuple[Partie, ...]
    bilan: Bilan


@dataclass(frozen=True)
class Signatures:
    """Who signs: `Les membres de la commission administrative`, or `Le maire`; where and when it is left to fill in."""

    titre: str
    places: int
    """How many boxes to sign in."""
    has_seal: bool
    lieu: str
    """« Fait à LIBREVILLE, le … »."""


@dataclass(frozen=True)
class Tableau:
    """One document."""

    type: str
    """Code: `premier_rectificatif`, `vingt_jours`…"""
    presentation: str
    """`commune`, `par_bureau` or `recapitulatif`."""
    titre: str
    """Official title."""
    reference_legale: str
    """`Code électoral, art. R. 13, L. 19 et L. 20`."""
    nom_commune: str
    code_commune: str
    liste: str
    """Label and code: `Liste principale (générale) — P`."""
    objet: str
    """`Date de tableau : 10 janvier 2026`, or `Scrutin du 11 avril 2027`."""
    edite_le: str
    """`Édité le 25/11/2026 à 09:30`."""
    is_provisoire: bool
    """PROVISOIRE on every page while the date de tableau is in the future."""
    sections: tuple[Section, ...]
    """In `commune`: one. In `par_bureau`: each bureau, then the commune with its totals. In `recapitulatif`: each
    bureau, then the commune, drawn as rows of one table of Bilan."""
    signatures: Signatures | None
    notes: tuple[str, ...] = field(default=())
    """Printed once, at the end: what number 0 means, « consultable jusqu'au 05/12/2026 », masked addresses…"""
    has_nationalite: bool = False
    """Complementary lists print the nationality column (LO 227-3)."""
    has_dates: bool = False
    """The tableau des vingt jours prints the date of each mouvement (R. 13)."""
    mention: str = ""
    """On every page: `Exemplaire de la commission — ne pas afficher`."""
    mouvements: int = 0
    """How many it shows; a change of bureau counts once."""
    departement: str = ""
    """`Département : Bouches-du-Rhône`; empty where it is not known."""
    bureaux_impossibles: tuple[str, ...] = field(default=())
    """Codes of the bureaux that would have had, or would have, fewer electors than none; empty for those without."""
