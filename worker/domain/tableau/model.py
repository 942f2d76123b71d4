"""A tableau: how the law has each of the six types drawn up, and what one prints, whoever draws it.

What it prints is plain data, the same whether it is rendered or tested. The articles of each type, and what is known
of them, are in `common.law`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from common.french import short_date
from schemas.tableaux import Edition, TypeTableau
from schemas.vocabulary import Categorie
from worker.domain.identite import sort_key
from worker.domain.mouvement import Etat, Mouvement, Personne
from worker.errors import CountMismatchError


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
_INSCRIPTIONS_L30 = PartieModele("I. Inscriptions au titre de l’article L. 30", "Total des inscriptions")
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
        _INSCRIPTIONS_L30,
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
    """`20/09/2026`, or `entre le 10/09/2026 et le 19/03/2027`; empty where the tableau prints none."""


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
    """avant + inscriptions + arrivees − radiations − departs + autres = apres.

    Changes of bureau are neutral in the commune.
    """

    avant: int
    inscriptions: int
    radiations: int
    arrivees: int
    departs: int
    changements: int
    """In the commune's totals: electors who changed bureau, counted apart."""
    others: int = 0
    """What the mouvements of the period that the tableau does not show add to the list, or take from it."""

    @property
    def apres(self) -> int:
        """Electors after."""
        return self.avant + self.inscriptions + self.arrivees - self.radiations - self.departs + self.others


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
    """PROVISOIRE on every page: the tableau was asked for before the day from which it is final."""
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


ADRESSE_MASQUEE = "Adresse non communiquée"
"""Of a protected person. Code électoral, art. L. 37."""
NUMERO_PROVISOIRE = "0"
BATCH = 500
"""Mouvements that are in memory at once while lines are read."""
_ETRANGER = "99"
_WHOLE_DATE = 10


@dataclass(frozen=True)
class LigneRules:
    """What the edition, the list and the type of tableau change in a line."""

    edition: Edition
    has_nationalite: bool
    has_dates: bool

    def to_ligne(self, mouvement: Mouvement) -> Ligne:
        """The line of a mouvement."""
        personne = mouvement.personne
        return Ligne(
            numero=format_numero(mouvement),
            nom_naissance=personne.nom_naissance,
            nom_usage="" if personne.nom_usage == personne.nom_naissance else personne.nom_usage,
            prenoms=personne.prenoms,
            naissance=format_naissance(personne),
            adresse=ADRESSE_MASQUEE if personne.is_protegee else personne.adresse,
            bureau=format_bureau(mouvement),
            nationalite=personne.nationalite if self.has_nationalite else "",
            date=format_date(mouvement) if self.has_dates else "",
            motif=printed_motif(mouvement, self.edition),
        )


def printed_motif(mouvement: Mouvement, edition: Edition) -> str:
    """The category only where the tableau is posted; the commission reads the whole motif (R. 8)."""
    if edition is Edition.COMMISSION and mouvement.motif:
        return mouvement.motif
    return (Categorie.CHANGEMENT_BUREAU if mouvement.is_changement_bureau else mouvement.categorie).label


Fetch = Callable[[Sequence[int]], Iterable[Mouvement]]
"""Gives mouvements, in the order of the ids asked for."""


@dataclass(frozen=True)
class Lignes:
    """The lines of these mouvements, made while they are read, as often as one likes."""

    ids: Sequence[int]
    fetch: Fetch
    rules: LigneRules

    def __iter__(self) -> Iterator[Ligne]:
        """Make them, as `fetch_in_batches` gives their mouvements."""
        return map(self.rules.to_ligne, fetch_in_batches(self.fetch, self.ids))


def fetch_in_batches(fetch: Fetch, ids: Sequence[int]) -> Iterator[Mouvement]:
    """Any number of mouvements, a few at once.

    Raises:
        CountMismatchError: a mouvement has gone; no elector is left out in silence.
    """
    for start in range(0, len(ids), BATCH):
        batch = list(ids[start : start + BATCH])
        found = 0
        for mouvement in fetch(batch):
            found += 1
            yield mouvement
        if found != len(batch):
            raise CountMismatchError(f"Mouvements demandés au registre : {len(batch)}, lus : {found}.")


def order_key(personne: Personne) -> bytes:
    """What lines are sorted by: birth name, first names and date of birth, as a French reader looks for them.

    Bytes, which take a quarter of the memory of the same texts in tuples, and are in the same order.
    """
    texts = *sort_key(personne.nom_naissance), *sort_key(personne.prenoms), personne.date_naissance
    return "\0".join(texts).encode("utf-8", "surrogatepass")


def format_numero(mouvement: Mouvement) -> str:
    """`1012`; 0 until the mouvement is applied."""
    return NUMERO_PROVISOIRE if mouvement.etat is Etat.ACTIF else str(mouvement.numero)


def format_date(mouvement: Mouvement) -> str:
    """`20/09/2026`; of a mouvement that is not dated, the days that it lies between."""
    last = short_date(mouvement.date_mouvement)
    if mouvement.after is None:
        return last
    if mouvement.after == date.min:
        return f"le {last} au plus tard"
    return f"entre le {short_date(mouvement.after)} et le {last}"


def format_naissance(personne: Personne) -> str:
    """`14/03/1962 à MARSEILLE (13)`, `00/08/1953 à ORAN (ALGÉRIE)`; what is not known is left out."""
    born = personne.date_naissance
    if len(born) == _WHOLE_DATE:
        born = f"{born[8:]}/{born[5:7]}/{born[:4]}"
    is_abroad = personne.departement_naissance in {"", _ETRANGER}
    where = personne.pays_naissance if is_abroad else personne.departement_naissance
    place = personne.commune_naissance or where
    if place and where and place != where:
        place = f"{place} ({where})"
    return " à ".join(filter(None, (born, place)))


def format_bureau(mouvement: Mouvement) -> str:
    """`0001`, or `0001 → 0002` for a change of bureau; a dash where there is none."""
    if mouvement.is_changement_bureau:
        return f"{mouvement.ancien_bureau or '–'} → {mouvement.nouveau_bureau or '–'}"
    return mouvement.nouveau_bureau or mouvement.ancien_bureau or "–"
