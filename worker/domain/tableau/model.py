"""A tableau: the legal form of each of the six types, and the printed content, independent of the renderer.

The content is plain data, for rendering and for tests. The articles of each type are in `common.law`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from common.french import format_birth, short_date
from schemas.tableaux import Edition, TypeTableau
from schemas.vocabulary import Categorie
from worker.domain.identite import Etat, Mouvement, Personne, base_letters, sort_key
from worker.errors import CountMismatchError


class Signataire(StrEnum):
    """The person or body that signs a tableau."""

    COMMISSION_ADMINISTRATIVE = "Les membres de la commission administrative"
    MAIRE = "Le maire"


MEMBRES_COMMISSION = 3
"""The mayor, the délégué de l'administration, the délégué of the tribunal. Code électoral before 2019, art. L. 17."""


@dataclass(frozen=True)
class PartieModele:
    """A part of a tableau: its title, and the label of its total."""

    titre: str
    total: str


@dataclass(frozen=True)
class Modele:
    """The legal form of one type of tableau."""

    titre: str
    additions: PartieModele
    retranchements: PartieModele | None = None
    """None: the tableau has one part only."""
    signataire: Signataire | None = None
    """None: no signature is required; the mayor may sign."""
    has_dates: bool = False
    """Whether each line gives the date of its mouvement. Code électoral, art. R. 13."""


_ADDITIONS = PartieModele("I. Additions (inscriptions)", "Total des additions")
_RETRANCHEMENTS = PartieModele("II. Retranchements (radiations)", "Total des retranchements")
_INSCRIPTIONS = PartieModele("I. Inscriptions", "Total des inscriptions")
_INSCRIPTIONS_L30 = PartieModele(
    "I. Inscriptions au titre de l’article L. 30", "Total des inscriptions"
)
_RADIATIONS = PartieModele("II. Radiations", "Total des radiations")

MODELES = {
    TypeTableau.PREMIER_RECTIFICATIF: Modele(
        "Premier tableau rectificatif (additions et retranchements)",
        _ADDITIONS,
        _RETRANCHEMENTS,
        Signataire.COMMISSION_ADMINISTRATIVE,
    ),
    TypeTableau.SECOND_RECTIFICATIF: Modele(
        "Second tableau rectificatif (tableau définitif)",
        _ADDITIONS,
        _RETRANCHEMENTS,
        Signataire.COMMISSION_ADMINISTRATIVE,
    ),
    TypeTableau.ADDITIONS: Modele(
        "Tableau des additions", _ADDITIONS, signataire=Signataire.COMMISSION_ADMINISTRATIVE
    ),
    TypeTableau.CINQ_JOURS: Modele(
        "Tableau des cinq jours (rectifications depuis la clôture de la liste ou le dernier scrutin)",
        _ADDITIONS,
        _RETRANCHEMENTS,
        Signataire.MAIRE,
    ),
    TypeTableau.VINGT_JOURS: Modele(
        "Tableau des vingt jours (inscriptions et radiations)",
        _INSCRIPTIONS,
        _RADIATIONS,
        has_dates=True,
    ),
    TypeTableau.CINQ_JOURS_REU: Modele(
        "Tableau des cinq jours (inscriptions de l’article L. 30 et radiations)",
        _INSCRIPTIONS_L30,
        _RADIATIONS,
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
    adresse: str
    bureau: str
    nationalite: str
    motif: str
    date: str = ""


@dataclass(frozen=True)
class Partie:
    """Part I (additions) or part II (retranchements); an empty one prints « Néant »."""

    titre: str
    lignes: Iterable[Ligne]
    """Can be read several times; a long part builds its lines while they are read."""
    total: str


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
    """In the commune's totals: electors who changed bureau, counted separately."""
    others: int = 0
    """Balance of the mouvements of the period that the tableau does not show."""

    @property
    def is_still(self) -> bool:
        """Whether no mouvement of the period concerns these electors."""
        return not any(
            (
                self.inscriptions,
                self.radiations,
                self.arrivees,
                self.departs,
                self.changements,
                self.others,
            )
        )

    @property
    def apres(self) -> int:
        """The number of electors after the tableau."""
        return (
            self.avant
            + self.inscriptions
            + self.arrivees
            - self.radiations
            - self.departs
            + self.others
        )


@dataclass(frozen=True)
class Section:
    """The whole commune, or one bureau."""

    code: str
    """Bureau code, empty for the commune."""
    titre: str
    parties: tuple[Partie, ...]
    bilan: Bilan


@dataclass(frozen=True)
class Signatures:
    """The signatory: `Les membres de la commission administrative`, or `Le maire`, and the place and date."""

    titre: str
    places: int
    """Number of boxes to sign in, five at most."""
    lieu: str


@dataclass(frozen=True)
class Tableau:
    """The content of one printed tableau."""

    type: str
    presentation: str
    titre: str
    reference_legale: str
    nom_commune: str
    code_commune: str
    liste: str
    objet: str
    edite_le: str
    is_provisoire: bool
    """PROVISOIRE on every page: the tableau was requested before the day on which it is final."""
    sections: tuple[Section, ...]
    """In `commune`: one. In `par_bureau`: each bureau, then the commune with its totals. In `recapitulatif`: each
    bureau, then the commune, drawn as rows of one table of Bilan."""
    signatures: Signatures | None
    notes: tuple[str, ...] = field(default=())
    """Printed once, small, at the end: the sources, what number 0 means, masked addresses…"""
    has_nationalite: bool = False
    """Complementary lists print the nationality column (LO 227-3)."""
    has_dates: bool = False
    avis: tuple[str, ...] = field(default=())
    """Printed once in a frame, for the electors: what the tableau is, until when to read it, who may contest it."""
    periode: str = ""
    """On every page, the days that most lines share: `Date des mouvements, sauf indication : entre le … et le …`."""
    mention: str = ""
    """On every page: `Exemplaire de la commission — ne pas afficher`."""
    mouvements: int = 0
    """Number of mouvements shown; a change of bureau counts once."""
    departement: str = ""
    """`Département : Bouches-du-Rhône`; empty if it is unknown."""
    bilans: tuple[tuple[str, str, Bilan], ...] = field(default=())
    """Code, title and balance of each bureau and of the commune, also where they are not printed."""


ADRESSE_MASQUEE = "Adresse non communiquée"
"""Printed for a protected person. Code électoral, art. L. 37."""
NUMERO_PROVISOIRE = "0"
BATCH = 500
"""Maximum number of mouvements in memory while lines are read."""


@dataclass(frozen=True)
class LigneRules:
    """The effects of the edition, the list and the type of tableau on a line."""

    edition: Edition
    has_nationalite: bool
    has_dates: bool
    commune: str = ""
    """The name of the commune, which the addresses in it leave out with its postal code; empty: they are whole."""
    periode: str = ""
    """The date that most lines share, as `format_date` writes it; these lines leave it out."""
    code_commune: str = ""
    """The INSEE code of that commune: another one of the same name has another postal code."""

    def to_ligne(self, mouvement: Mouvement) -> Ligne:
        """Return the line of a mouvement."""
        personne = mouvement.personne
        return Ligne(
            numero=format_numero(mouvement),
            nom_naissance=personne.nom_naissance,
            nom_usage="" if personne.nom_usage == personne.nom_naissance else personne.nom_usage,
            prenoms=personne.prenoms,
            naissance=format_naissance(personne),
            adresse=ADRESSE_MASQUEE if personne.is_protegee else self._shorten(personne.adresse),
            bureau=format_bureau(mouvement),
            nationalite=personne.nationalite if self.has_nationalite else "",
            date=self._date(mouvement) if self.has_dates else "",
            motif=printed_motif(mouvement, self.edition),
        )

    def _date(self, mouvement: Mouvement) -> str:
        printed = format_date(mouvement)
        return "" if printed == self.periode else printed

    def _shorten(self, adresse: str) -> str:
        """Return `3 Rue du Puits` of `3 Rue du Puits, 13900 LIBREVILLE`, if that is the commune of the tableau.

        Communes share names, but none in a département: the name and the first digits of the postal code are one
        commune (INSEE, Code officiel géographique 2026).
        """
        street, _, place = adresse.rpartition(", ")
        code, _, ville = place.partition(" ")
        is_here = (
            street
            and code.isdigit()
            and code.startswith(_postal_prefix(self.code_commune))
            and ville
            and base_letters(ville) == base_letters(self.commune)
        )
        return street if is_here else adresse


_POSTAL = {"2A": "20", "2B": "20", "977": "971", "978": "971"}
"""The first digits of the postal codes of a département, where they are not its code."""


def _postal_prefix(code_commune: str) -> str:
    departement = code_commune[: 3 if code_commune.startswith(("97", "98")) else 2]
    return _POSTAL.get(departement, departement)


def printed_motif(mouvement: Mouvement, edition: Edition) -> str:
    """Return the category for a posted tableau; for the commission, the whole motif (R. 8)."""
    if edition is Edition.COMMISSION and mouvement.motif:
        return mouvement.motif
    return (
        Categorie.CHANGEMENT_BUREAU if mouvement.is_changement_bureau else mouvement.categorie
    ).label


Fetch = Callable[[Sequence[int]], Iterable[Mouvement]]
"""Returns mouvements, in the order of the ids asked for."""


@dataclass(frozen=True)
class Lignes:
    """The lines of mouvements, built while they are read; can be read several times."""

    ids: Sequence[int]
    fetch: Fetch
    rules: LigneRules

    def __iter__(self) -> Iterator[Ligne]:
        """Yield the lines; raises what `fetch_in_batches` raises."""
        return map(self.rules.to_ligne, fetch_in_batches(self.fetch, self.ids))


def fetch_in_batches(fetch: Fetch, ids: Sequence[int]) -> Iterator[Mouvement]:
    """Yield any number of mouvements, with one batch in memory at a time.

    Raises:
        CountMismatchError: a mouvement is missing; no elector is left out silently.
    """
    for start in range(0, len(ids), BATCH):
        batch = list(ids[start : start + BATCH])
        found = 0
        for mouvement in fetch(batch):
            found += 1
            yield mouvement
        if found != len(batch):
            raise CountMismatchError(
                f"Mouvements demandés au registre : {len(batch)}, lus : {found}."
            )


def order_key(personne: Personne) -> bytes:
    """Return the sort key of a line: birth name, first names and date of birth, in the French order.

    Bytes take a quarter of the memory of the same texts in tuples, and have the same order.
    """
    texts = *sort_key(personne.nom_naissance), *sort_key(personne.prenoms), personne.date_naissance
    return "\0".join(texts).encode("utf-8", "surrogatepass")


def format_numero(mouvement: Mouvement) -> str:
    """Return the number, `1012`; 0 until the mouvement is applied."""
    return NUMERO_PROVISOIRE if mouvement.etat is Etat.ACTIF else str(mouvement.numero)


def format_date(mouvement: Mouvement) -> str:
    """Return the date, `20/09/2026`; for an undated mouvement, the days between which it happened."""
    last = short_date(mouvement.date_mouvement)
    if mouvement.after is None:
        return last
    if mouvement.after == date.min:
        return f"le {last} au plus tard"
    return f"entre le {short_date(mouvement.after)} et le {last}"


def format_naissance(personne: Personne) -> str:
    """Return `14/03/1962 à MARSEILLE (13)` or `00/08/1953 à ORAN (ALGÉRIE)`, without unknown parts."""
    is_abroad = personne.departement_naissance in {"", "99"}
    where = personne.pays_naissance if is_abroad else personne.departement_naissance
    place = personne.commune_naissance or where
    if place and where and place != where:
        place = f"{place} ({where})"
    return " à ".join(filter(None, (format_birth(personne.date_naissance), place)))


def format_bureau(mouvement: Mouvement) -> str:
    """Return the bureau, `0001`, or `0001 → 0002` for a change of bureau; a dash if there is none."""
    if mouvement.is_changement_bureau:
        return f"{mouvement.ancien_bureau or '–'} → {mouvement.nouveau_bureau or '–'}"
    return mouvement.nouveau_bureau or mouvement.ancien_bureau or "–"
