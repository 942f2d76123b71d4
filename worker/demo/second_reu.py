"""LIBREVILLE's export one month later: who came, who left, who votes elsewhere, and homonyms to tell apart."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import count
from pathlib import Path

from worker.demo.libreville import BUREAUX, LIBREVILLE, libreville_rows
from worker.demo.people import iter_principale
from worker.demo.reu_format import PRINCIPALE, ReuRow, write_lines

EVERY = 33
"""In each run of so many electors of the principal list, one leaves, one changes bureau, one moves house, one marries.

Their places in the run are never those of nasty cases, which stand on every third place from the second on.
"""
LEAVES, CHANGES_BUREAU, MOVES, MARRIES = 3, 20, 21, 23

HOMONYM_WHO_MOVES, SPELLED_ANEW, NAMESAKE = 25, 80, 34
"""Places of one of the two HORLOGE Victorin, of an ÉPUISETTE, of GIROUETTE Sidonie, whose namesake arrives."""

NEWCOMERS, POOL = 12, 40
"""How many come, of so many invented people."""

_FIRST_NUMBER = 701
_STREET = {"complement_1": "", "complement_2": "", "lieu_dit": "", "ville": "LIBREVILLE", "pays": "FRANCE"}
_QUAI = _STREET | {"numero_voie": "5", "voie": "Quai des Cordiers"}
_ALLEE = _STREET | {"numero_voie": "18", "voie": "Allée des Sorbiers"}


def write_second_reu(path: Path, today: date) -> None:
    """Write the export of one month after `write_reu`, which is given the same `today`."""
    write_lines(path, second_rows(today))


def second_rows(today: date) -> Iterator[ReuRow]:
    """The electors of the three lists, one month later."""
    principale, others = first_rows(today)
    numbers = count(_FIRST_NUMBER)
    for place, electeur in enumerate(principale):
        if place % EVERY != LEAVES:
            yield _one_month_later(place, electeur, numbers)
    for newcomer in (*newcomers(0, NEWCOMERS), principale[NAMESAKE]._replace(**_ALLEE)):
        yield newcomer._replace(numero_ordre=str(next(numbers)))
    yield from _complementary(others)


def first_rows(today: date) -> tuple[list[ReuRow], list[ReuRow]]:
    """The electors of the first export: of the principal list, then of the others."""
    rows = [ReuRow(*row.values()) for row in libreville_rows(today=today)]
    is_principale = [row.liste.capitalize() == PRINCIPALE for row in rows]
    apart = zip(rows, is_principale, strict=True)
    return rows[: sum(is_principale)], [row for row, is_on_it in apart if not is_on_it]


def newcomers(first: int, last: int) -> list[ReuRow]:
    """Invented people who are not on the list: the same ones whenever the same places are asked for."""
    elsewhere = LIBREVILLE._replace(code=f"{LIBREVILLE.code}/newcomers")
    people = list(iter_principale(elsewhere, BUREAUX, POOL, None, per_bureau=POOL // len(BUREAUX)))
    return [people[place * 7 % POOL]._replace(ugle_code=LIBREVILLE.code) for place in range(first, last)]


def _one_month_later(place: int, electeur: ReuRow, numbers: Iterator[int]) -> ReuRow:
    if place == SPELLED_ANEW:
        return electeur._replace(nom=electeur.nom.replace("É", "E"))
    if place == HOMONYM_WHO_MOVES or place % EVERY == CHANGES_BUREAU:
        other = next(bureau for bureau in BUREAUX[place % 2 :] if bureau.bureau != electeur.bureau)
        return electeur._replace(**other._asdict(), **_ALLEE, numero_ordre=str(next(numbers)))
    if place % EVERY == MOVES:
        return electeur._replace(**_QUAI)
    if place % EVERY == MARRIES:
        return electeur._replace(nom_usage="POIRIER-DES-BROUETTES")
    return electeur


def _complementary(electeurs: Sequence[ReuRow]) -> Iterator[ReuRow]:
    """One European leaves both lists, another comes onto both, a third votes elsewhere for the municipal list."""
    for electeur in electeurs:
        if electeur.nom == "QUINQUET":
            yield electeur._replace(**BUREAUX[0]._asdict(), numero_ordre="9")
        elif electeur.nom != "TOURTEREAU":
            yield electeur
        if electeur.nom == "BOCAGE":
            yield electeur._replace(nom="GLAÇURE", prenoms="Joachim Basile", numero_ordre="9", **_QUAI)
