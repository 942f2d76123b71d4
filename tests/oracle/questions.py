"""The questions of an import before it goes on: it compares identities, not totals.

Source: the register's specification, « Corrections of November 2026 ».
"""

from collections import Counter
from collections.abc import Callable, Sequence

from tests.oracle.comparing import Comparison, compare
from tests.oracle.history import Inscrit, Lines

MANY = 0.2
LEAST = 5
"""Number of electors: fewer leave or change together by chance."""


class Questions:
    """The conditions for a question about a list that an export replaces."""

    def asks_about(self, liste: str, before: Lines, after: Lines, part: Callable[[Inscrit], str]) -> bool:
        """Whether there is a question about a list, or about an arrondissement of it."""
        found = compare(before, after)
        return self.loses_bureau(liste, before, after) or any(
            self.asks_about_part(
                tuple(it for it in before if part(it) == of),
                tuple(it for it in after if part(it) == of),
                Comparison(
                    [it for it in found.changes if part(it.inscrit._replace(bureau=it.ancien or it.nouveau)) == of],
                    0,
                    [pair for pair in found.pairs if part(pair[0]) == of],
                ),
            )
            for of in sorted({part(it) for it in (*before, *after)})
        )

    def asks_about_part(self, before: Lines, after: Lines, found: Comparison) -> bool:
        """Whether electors vanish, the population is another one, or a field changes for many."""
        natures = Counter(it.nature for it in found.changes)
        left, came = natures["radiation"], natures["inscription"]
        stayed = len(before) - left
        return (
            self.is_loss(len(before), left, came)
            or (left >= LEAST and 2 * stayed < len(before) and came > stayed)
            or self.is_cut(before, after, found)
            or any(self.changes(found, name) > max(LEAST - 1, MANY * stayed) for name in _FIELDS)
        )

    def is_loss(self, known: int, left: int, came: int) -> bool:
        """Whether more than a fifth of the known electors vanish: five or more, or the list shrinks."""
        return left > MANY * known and (left >= LEAST or came < left)

    def is_cut(self, before: Lines, after: Lines, found: Comparison) -> bool:
        """Whether the end of the list is missing, in the order of its file, of its numbers, or of names in `after`."""
        left = Counter(it.inscrit for it in found.changes if it.nature == "radiation")
        by_number = sorted(before, key=lambda it: (it.bureau, it.numero))
        runs = [_run(order, left) for order in (before, by_number)]
        runs += [_count_behind(before, after[-1:], left, key) for key in (_name, lambda it: (it.bureau, *_name(it)))]
        return max(runs) >= max(LEAST, left.total() / 2)

    def loses_bureau(self, liste: str, before: Lines, after: Lines) -> bool:
        """Whether a bureau of the principal list, or of five electors or more of another list, has none left."""
        counts, least = Counter(it.bureau for it in before), 1 if liste == "P" else LEAST
        return any(counts[bureau] >= least for bureau in {*counts} - {it.bureau for it in after})

    def changes(self, found: Comparison, name: str) -> int:
        """The number of remaining electors for whom a field changes."""
        return sum(getattr(here, name) != getattr(there, name) for here, there in found.pairs)


_FIELDS = ("bureau", "voie", "usage", "nationalite")
"""Fields of an elector that an export may change without another identity."""


def _run(order: Sequence[Inscrit], left: Counter[Inscrit]) -> int:
    """How many at the end are among the departures."""
    rest, number = left.copy(), 0
    for it in reversed(order):
        if not rest[it]:
            break
        rest[it] -= 1
        number += 1
    return number


def _name(it: Inscrit) -> tuple[str, ...]:
    return it.personne.nom, it.personne.prenoms


def _count_behind(before: Lines, last: Lines, left: Counter[Inscrit], key: Callable[[Inscrit], tuple[str, ...]]) -> int:
    """How many departures are after the last line, unless half as many others are after it too."""
    behind = Counter(it for it in before for line in last if key(it) > key(line))
    gone = (behind & left).total()
    return gone if gone > 2 * (behind.total() - gone) else 0
