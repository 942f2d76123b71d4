"""Files of any size, for load tests and benchmarks: ordinary electors, no nasty case beyond the realistic rates."""

import random
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from common.clock import jour_a_paris, now
from worker.demo.people import LINES, Ville, bureaux_of, iter_europeenne, iter_municipale, iter_principale, ville_of
from worker.demo.reu_format import ReuRow, write_lines

PRINCIPAL_LINES, MUNICIPAL_LINES, EUROPEAN_LINES = 1_819_378 / LINES, 11_175 / LINES, 10_364 / LINES


class Sizes(NamedTuple):
    """How many electors each list holds."""

    principale: int
    municipale: int
    europeenne: int


def sizes_of(principale: int) -> Sizes:
    """The complementary lists that go with a principal list of this size."""
    lines = principale / PRINCIPAL_LINES
    return Sizes(principale, round(lines * MUNICIPAL_LINES), round(lines * EUROPEAN_LINES))


def iter_electeurs(ville: Ville, sizes: Sizes, today: date) -> Iterator[ReuRow]:
    """The three lists of one commune, one elector at a time. Only the dates of birth of minors depend on `today`."""
    bureaux = bureaux_of(ville, sizes.principale)
    yield from iter_principale(ville, bureaux, sizes.principale, today)
    yield from iter_municipale(ville, bureaux, sizes.municipale)
    yield from iter_europeenne(ville, bureaux, sizes.europeenne)


def write_departement(
    path: Path, communes: Iterable[tuple[str, str]], total: int, *, today: date | None = None
) -> None:
    """Write one file of exactly `total` lines, the three lists counted, over these communes (INSEE code, name).

    Sizes are as unequal as in a real département: one large town, a median near a thousand for 1.8 million electors
    in 648 communes. Raises ValueError when there is less than one elector for each commune.
    """
    day = today or jour_a_paris(now())
    villes = [ville_of(code, nom) for code, nom in communes]
    lines = _share(total, [ville.code for ville in villes])
    write_lines(
        path, (electeur for ville in villes for electeur in iter_electeurs(ville, _split(lines[ville.code]), day))
    )


def _split(lines: int) -> Sizes:
    municipale, europeenne = round(lines * MUNICIPAL_LINES), round(lines * EUROPEAN_LINES)
    return Sizes(lines - municipale - europeenne, municipale, europeenne)


def _share(total: int, codes: list[str]) -> dict[str, int]:
    if total < len(codes) or not codes:
        raise ValueError(f"{total} electors cannot be shared among {len(codes)} communes")
    by_rank = sorted(codes, key=lambda code: random.Random(code).random())
    weights = [1 / (rank + 2) for rank in range(len(codes))]
    spare, whole = total - len(codes), sum(weights)
    lines = {code: 1 + int(spare * weight / whole) for code, weight in zip(by_rank, weights, strict=True)}
    lines[by_rank[0]] += total - sum(lines.values())
    return lines
