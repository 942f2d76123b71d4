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

    def asks_about(self, before: Lines, after: Lines, part: Callable[[Inscrit], str]) -> bool:
        """Whether there is a question about a list, or about an arrondissement of it."""
        found = compare(before, after)
        return any(
            self.asks_about_part(
                tuple(it for it in before if part(it) == of),
                after,
                Comparison(
                    [it for it in found.changes if part(it.inscrit._replace(bureau=it.ancien or it.nouveau)) == of],
                    0,
                    [pair for pair in found.pairs if part(pair[0]) == of],
                ),
            )
            for of in sorted({part(it) for it in (*before, *after)})
        )

    def asks_about_part(self, before: Lines, after: Lines, found: Comparison) -> bool:
        """Whether electors vanish, a bureau is lost, the population is another one, or a field changes for many."""
        natures = Counter(it.nature for it in found.changes)
        left, came = natures["radiation"], natures["inscription"]
        stayed = len(before) - left
        return (
            self.is_loss(len(before), left, came)
            or (left >= LEAST and 2 * stayed < len(before) and came > stayed)
            or self.is_cut(before, found)
            or self.loses_bureau(before, after)
            or any(self.changes(found, name) > max(LEAST - 1, MANY * stayed) for name in _FIELDS)
        )

    def is_loss(self, known: int, left: int, came: int) -> bool:
        """Whether more than a fifth of the known electors vanish: five or more, or the list shrinks."""
        return left > MANY * known and (left >= LEAST or came < left)

    def is_cut(self, before: Lines, found: Comparison) -> bool:
        """Whether the end of the list is missing, in the order of its file or of its numbers."""
        left = Counter(it.inscrit for it in found.changes if it.nature == "radiation")
        by_number = sorted(before, key=lambda it: (it.bureau, it.numero))
        runs = [_run(order, left) for order in (before, by_number)]
        return max(runs) >= max(LEAST, left.total() / 2)

    def loses_bureau(self, before: Lines, after: Lines) -> bool:
        """Whether a bureau of five electors or more has none left."""
        counts = Counter(it.bureau for it in before)
        return any(counts[bureau] >= LEAST for bureau in {*counts} - {it.bureau for it in after})

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
