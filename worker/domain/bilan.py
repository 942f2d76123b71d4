"""Figures: who comes and who leaves, how many electors before and after, for each bureau and for the commune.

One pass over the mouvements of a list keeps the little that is needed of each elector whom the tableau shows.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import NamedTuple

from worker.domain.demande import Demande
from worker.domain.lignes import NUMERO_PROVISOIRE, format_numero, order_key
from worker.domain.mouvement import Mouvement
from worker.domain.selection import correction, is_in
from worker.domain.tableau import Bilan

_TAIL = Struct(">qii")
_NOWHERE = -1


class ShownMouvement(NamedTuple):
    """A mouvement that the tableau shows, and the bureaux whose lists it changes."""

    id: int
    arrives_in: str | None
    leaves: str | None

    @property
    def is_changement_bureau(self) -> bool:
        """Whether she stays in the commune and votes elsewhere in it."""
        return self.arrives_in is not None and self.leaves is not None


class Survey:
    """What is known once every mouvement has been seen: about 150 bytes for each that the tableau shows."""

    def __init__(self, demande: Demande) -> None:
        self.corrections: Counter[str] = Counter()
        """By bureau: what leads from its electors of now to those before the tableau."""
        self.has_provisoire = self.has_protegee = self.has_majorite = False
        self._demande = demande
        self._codes: dict[str | None, int] = {None: _NOWHERE}
        self._kept: list[bytes] = []

    def add(self, mouvement: Mouvement) -> None:
        """See one."""
        if sign := correction(mouvement, self._demande):
            if mouvement.arrives_in is not None:
                self.corrections[mouvement.arrives_in] += sign
            if mouvement.leaves is not None:
                self.corrections[mouvement.leaves] -= sign
        if is_in(mouvement, self._demande):
            self.has_provisoire |= format_numero(mouvement) == NUMERO_PROVISOIRE
            self.has_protegee |= mouvement.personne.is_protegee
            self.has_majorite |= mouvement.is_majorite
            came, left = self._number(mouvement.arrives_in), self._number(mouvement.leaves)
            self._kept.append(order_key(mouvement.personne) + b"\0" + _TAIL.pack(mouvement.id, came, left))

    def drain(self) -> Iterator[ShownMouvement]:
        """Those that the tableau shows, in the order of its lines, homonyms by their id; once."""
        kept, self._kept = self._kept, []
        kept.sort(reverse=True)
        codes = {number: code for code, number in self._codes.items()}
        while kept:
            id_, came, left = _TAIL.unpack(kept.pop()[-_TAIL.size :])
            yield ShownMouvement(id_, codes[came], codes[left])

    def _number(self, bureau: str | None) -> int:
        return self._codes.setdefault(bureau, len(self._codes))


class BureauElecteurs(NamedTuple):
    """A polling station, and how many electors of the list it has now, those of mouvements that are applied included.

    An empty code stands for the electors who have no bureau.
    """

    code: str
    libelle: str
    electeurs: int


@dataclass
class Side:
    """Who comes onto a list, or who leaves it: mouvements by their ids, in the order of the lines."""

    ids: "array[int]" = field(default_factory=lambda: array("q"))
    changements: int = 0
    """How many of them are changes of bureau."""

    def add(self, one: ShownMouvement) -> None:
        """Add one."""
        self.ids.append(one.id)
        self.changements += one.is_changement_bureau


@dataclass
class Sides:
    """Both, of one list."""

    additions: Side = field(default_factory=Side)
    retranchements: Side = field(default_factory=Side)


@dataclass(frozen=True)
class BureauFigures:
    """A bureau in a tableau."""

    bureau: BureauElecteurs
    sides: Sides
    bilan: Bilan


@dataclass(frozen=True)
class Figures:
    """The commune and its bureaux in a tableau."""

    sides: Sides
    bilan: Bilan
    bureaux: list[BureauFigures]

    @property
    def mouvements(self) -> int:
        """How many the tableau shows; a change of bureau counts once."""
        return len(self.sides.additions.ids) + len(self.sides.retranchements.ids)

    @property
    def impossibles(self) -> tuple[str, ...]:
        """Codes of the bureaux with fewer electors than none, before or after."""
        return tuple(one.bureau.code for one in self.bureaux if min(one.bilan.avant, one.bilan.apres) < 0)


def count_figures(
    bureaux: Iterable[BureauElecteurs], corrections: Mapping[str, int], shown: Iterable[ShownMouvement]
) -> Figures:
    """The figures of a tableau, its bureaux in the order of their numbers; a bureau that is not known is not lost.

    `corrections`: by bureau, what leads from its electors of now to those before the tableau.
    """
    commune, by_bureau = Sides(), defaultdict[str, Sides](Sides)
    for one in shown:
        # In the commune an elector who changes bureau leaves nothing: she is in part I only.
        (commune.retranchements if one.arrives_in is None else commune.additions).add(one)
        if one.arrives_in is not None:
            by_bureau[one.arrives_in].additions.add(one)
        if one.leaves is not None:
            by_bureau[one.leaves].retranchements.add(one)
    known = {bureau.code: bureau for bureau in bureaux}
    others = [BureauElecteurs(code, "", 0) for code in {*by_bureau, *corrections} - {*known}]
    figures = []
    for bureau in sorted([*known.values(), *others], key=_order):
        avant = bureau.electeurs + corrections.get(bureau.code, 0)
        figures.append(BureauFigures(bureau, by_bureau[bureau.code], _of_bureau(avant, by_bureau[bureau.code])))
    return Figures(commune, _of_commune(sum(one.bilan.avant for one in figures), commune), figures)


def _of_commune(avant: int, sides: Sides) -> Bilan:
    """Changes of bureau are neutral, and counted apart."""
    changements = sides.additions.changements
    return Bilan(
        avant=avant,
        inscriptions=len(sides.additions.ids) - changements,
        radiations=len(sides.retranchements.ids),
        arrivees=0,
        departs=0,
        changements=changements,
    )


def _of_bureau(avant: int, sides: Sides) -> Bilan:
    arrivees, departs = sides.additions.changements, sides.retranchements.changements
    return Bilan(
        avant=avant,
        inscriptions=len(sides.additions.ids) - arrivees,
        radiations=len(sides.retranchements.ids) - departs,
        arrivees=arrivees,
        departs=departs,
        changements=0,
    )


def _order(bureau: BureauElecteurs) -> tuple[bool, bool, int, str]:
    """Numbers as numbers, then other codes, then those who have no bureau."""
    is_number = bureau.code.isdecimal()
    return not bureau.code, not is_number, int(bureau.code) if is_number else 0, bureau.code
