"""The lines of a tableau: what is printed of an elector, and in which order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from common.french import short_date
from schemas.tableaux import Edition
from worker.domain.identite import sort_key
from worker.domain.mouvement import Categorie, Etat, Mouvement, Personne
from worker.domain.tableau import Ligne
from worker.errors import CountMismatchError

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
            date=short_date(mouvement.date_mouvement) if self.has_dates else "",
            motif=self.motif(mouvement),
        )

    def motif(self, mouvement: Mouvement) -> str:
        """The category only where the tableau is posted; the commission reads the whole motif (R. 8)."""
        if self.edition is Edition.COMMISSION and mouvement.motif:
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
