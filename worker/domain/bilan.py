"""Figures: who comes and who leaves, how many electors before and after, for each bureau and for the commune."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from worker.domain.survey import Shown
from worker.domain.tableau import Bilan


@dataclass(frozen=True)
class Bureau:
    """A polling station, and how many electors of the list it has now, those of mouvements that are applied included.

    An empty code stands for the electors who have no bureau.
    """

    code: str
    libelle: str
    maintenant: int


@dataclass
class Side:
    """Who comes onto a list, or who leaves it: mouvements by their ids, in the order of the lines."""

    ids: "array[int]" = field(default_factory=lambda: array("q"))
    changements: int = 0
    """How many of them are changes of bureau."""

    def add(self, one: Shown) -> None:
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

    bureau: Bureau
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


def count_figures(bureaux: Iterable[Bureau], corrections: Mapping[str, int], shown: Iterable[Shown]) -> Figures:
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
    others = [Bureau(code, "", 0) for code in {*by_bureau, *corrections} - {*known}]
    figures = []
    for bureau in sorted([*known.values(), *others], key=_order):
        avant = bureau.maintenant + corrections.get(bureau.code, 0)
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


def _order(bureau: Bureau) -> tuple[bool, bool, int, str]:
    """Numbers as numbers, then other codes, then those who have no bureau."""
    is_number = bureau.code.isdecimal()
    return not bureau.code, not is_number, int(bureau.code) if is_number else 0, bureau.code
