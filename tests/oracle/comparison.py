"""Where the product and the oracle differ; and a history that shows it, as short as it can be."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from tests.oracle.answers import Answer, Figures, Line, Liste, Tableau
from tests.oracle.comparing import plain
from tests.oracle.computation import Oracle
from tests.oracle.history import LISTES, Bring, History, Import, Personne, Redate, Step, Undo

_NOBODY = Figures()
_NOTHING_TO_COUNT_FROM = {"couverture_debut", "couverture_lacune"}
"""Whether a minor was on the list before the first export, or meanwhile, is not known: nor is who comes of age."""


class Difference(NamedTuple):
    """What the two say of one step."""

    place: int
    what: str
    product: object
    oracle: object

    def __str__(self) -> str:
        return f"step {self.place}, {self.what}: product {self.product}, oracle {self.oracle}"


def find_differences(history: History, answers: Sequence[Answer], oracle: Oracle) -> list[Difference]:
    """What the product's answers and those of an oracle that has seen nothing yet do not have in common."""
    return [
        Difference(place, *difference)
        for place, (said, computed) in enumerate(zip(answers, oracle.answer(history), strict=True))
        for difference in _differ(said, computed)
    ] + [
        Difference(place, f"its own balance of « {bureau} »", figures, "even")
        for place, said in enumerate(answers)
        if isinstance(said, Tableau) and not said.gaps
        for bureau, figures in said.figures.items()
        if not figures.is_even
    ]


def _differ(said: Answer, computed: Answer) -> Iterator[tuple[str, object, object]]:
    if type(said) is not type(computed):
        yield "answer", said, computed
    elif isinstance(said, Tableau) and isinstance(computed, Tableau):
        yield from _differ_tableaux(said, computed)
    elif isinstance(said, Liste) and isinstance(computed, Liste):
        if said.electeurs != computed.electeurs:
            yield "electors", dict(said.electeurs - computed.electeurs), dict(computed.electeurs - said.electeurs)
        if said.mineurs != computed.mineurs:
            yield "minors", said.mineurs, computed.mineurs
    elif said != computed:
        yield "answer", said, computed


def _differ_tableaux(said: Tableau, computed: Tableau) -> Iterator[tuple[str, object, object]]:
    for name in ("first", "last", "remarks", "is_provisional"):
        if getattr(said, name) != getattr(computed, name):
            yield name, getattr(said, name), getattr(computed, name)
    if _hindering(said) != _hindering(computed):
        yield "gaps", _hindering(said), _hindering(computed)
    if not computed.gaps & _NOTHING_TO_COUNT_FROM and "bureau_inconnu" not in said.gaps:
        lines = _plain(said.lines), _plain(computed.lines)
        if lines[0] != lines[1]:
            yield "lines", dict(lines[0] - lines[1]), dict(lines[1] - lines[0])
        if said.mouvements != computed.mouvements:
            yield "mouvements", said.mouvements, computed.mouvements
    if not computed.gaps:
        for bureau in sorted({*said.figures, *computed.figures}):
            figures = said.figures.get(bureau, _NOBODY), computed.figures.get(bureau, _NOBODY)
            if figures[0] != figures[1]:
                yield f"figures of « {bureau} »", *figures


def _hindering(tableau: Tableau) -> frozenset[str]:
    """Why it is not covered; that its balance cannot be right is news only where nothing else says so.

    A bureau that no export has ever told of (an import that was undone) is the product's own remark.
    """
    gaps = tableau.gaps - {"bureau_inconnu"}
    return gaps - {"bilan_impossible"} or gaps


def _plain(lines: Counter[Line]) -> Counter[Line]:
    """In one spelling: the register prints the last one that it was told."""
    found: Counter[Line] = Counter()
    for line, count in lines.items():
        found[line._replace(personne=plain(line.personne))] += count
    return found


def shorten(history: History, fails: Callable[[History], bool]) -> History:
    """A history that still fails, from which nothing can be taken: no step, nobody of the commune."""
    while (shorter := next((it for it in _shorter(history) if fails(it)), None)) is not None:
        history = shorter
    return history


def _shorter(history: History) -> Iterator[History]:
    places = range(len(history.steps))
    for size in (4, 1):
        yield from (_without_steps(history, {*places[place : place + size]}) for place in places[::size])
    known = {it.personne for step in history.steps if isinstance(step, Import) for it in chain(*step.listes.values())}
    known |= {it.change.personne for step in history.steps if isinstance(step, Bring) for it in step.lines}
    for liste in LISTES:
        if any(isinstance(step, Import) and liste in step.listes for step in history.steps):
            yield _without(history, {(liste, it) for it in known})
    for personne in sorted(known):
        yield _without(history, {(liste, personne) for liste in LISTES})


def _without_steps(history: History, places: set[int]) -> History:
    """The same without some steps; what is said of an import that is left out goes with it."""
    imports = [place for place, step in enumerate(history.steps) if isinstance(step, Import)]
    kept = [place for place in imports if place not in places]
    steps: list[Step] = []
    for place, step in enumerate(history.steps):
        if place in places:
            continue
        if not isinstance(step, Redate | Undo):
            steps.append(step)
        elif imports[step.link] in kept:
            steps.append(replace(step, link=kept.index(imports[step.link])))
    return History(tuple(steps))


def _without(history: History, left_out: set[tuple[str, Personne]]) -> History:
    """The same without some people in all exports and files; a list where nobody is left is absent, and not emptied."""
    steps: list[Step] = []
    for step in history.steps:
        if isinstance(step, Import):
            listes = {
                liste: kept
                for liste, lines in step.listes.items()
                if (kept := tuple(it for it in lines if (liste, it.personne) not in left_out))
            }
            step = replace(step, listes=listes)  # noqa: PLW2901 — the step, shorter
        elif isinstance(step, Bring):
            lines = tuple(it for it in step.lines if (step.liste, it.change.personne) not in left_out)
            step = replace(step, lines=lines)  # noqa: PLW2901 — the same
        steps.append(step)
    return History(tuple(steps))
