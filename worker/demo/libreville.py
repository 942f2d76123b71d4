"""LIBREVILLE, the demonstration commune: 330 electors, and every nasty case of real files among them.

Its export on the day of the commission's meeting, then today's: inscriptions, radiations, changes of bureau, and
homonyms to tell apart. Its electoral calendar: a poll is coming, the commission de contrôle has met. The tableaux of
the yearly revision, which ended in 2018, are archives of that year.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple

from common.calendrier import cloture, days_before, dix_janvier, jour_a_paris, now
from worker.demo.cases import EUROPEAN_LIST, EUROPEAN_ONLY, MUNICIPAL_LIST, MUNICIPAL_ONLY, Case, principal_cases
from worker.demo.people import (
    LINES,
    ONLY_EUROPEAN_EVERY,
    ReuBureau,
    Ville,
    bureaux_of,
    iter_europeenne,
    iter_municipale,
    iter_principale,
    ville_of,
)
from worker.demo.reu_format import COLUMNS, PRINCIPALE, ReuRow, write_lines

LIBREVILLE = Ville(
    code="13900",
    label="LIBREVILLE",
    code_postal="13900",
    spellings=("LIBREVILLE",) * 17 + ("Libreville", "LIBRE VILLE", "LIBRE-VILLE"),
    circonscription="13-16",
    canton="LIBREVILLE-1",
)

PRINCIPALE_SIZE, MUNICIPALE_SIZE, EUROPEENNE_SIZE = 330, 24, 20
PER_BUREAU = 83

BUREAUX = tuple(
    ReuBureau(code, nom, LIBREVILLE.circonscription, canton, "16e circonscription")
    for code, nom, canton in (
        ("0001", "HOTEL DE VILLE", "LIBREVILLE-1"),
        ("0002", "ECOLE DES TILLEULS", "LIBREVILLE-1"),
        ("0003", "SALLE DES FETES", ""),
        ("0004", "GYMNASE DU LAC", "LIBREVILLE-2"),
    )
)


def libreville_rows(*, today: date | None = None, with_nul: bool = False) -> list[dict[str, str]]:
    """The electors of the three lists, as column → value.

    Always the same, but for the dates of birth around 18 years, which follow `today` (by default the date in Paris).
    `with_nul` leaves a NUL in the address of BOUSSOLE Anne-Lise.
    """
    electeurs = _demonstration(today or jour_a_paris(now()), with_nul=with_nul)
    return [dict(zip(COLUMNS, electeur, strict=True)) for electeur in electeurs]


def write_reu(path: Path, *, size: int | None = None, today: date | None = None, with_nul: bool = False) -> None:
    """Write LIBREVILLE's export; with a size, that many ordinary electors on the principal list and no nasty case."""
    day = today or jour_a_paris(now())
    if size is None:
        write_lines(path, _demonstration(day, with_nul=with_nul))
    else:
        write_lines(path, iter_electeurs(LIBREVILLE, sizes_of(size), day))


def _demonstration(today: date, *, with_nul: bool) -> Iterator[ReuRow]:
    principale = list(iter_principale(LIBREVILLE, BUREAUX, PRINCIPALE_SIZE, None, PER_BUREAU))
    municipale = list(iter_municipale(LIBREVILLE, BUREAUX, MUNICIPALE_SIZE))
    europeenne = list(iter_europeenne(LIBREVILLE, BUREAUX, EUROPEENNE_SIZE))
    cases = principal_cases(today)
    _place(cases, principale, range(1, PRINCIPALE_SIZE, PRINCIPALE_SIZE // len(cases)))
    _place(MUNICIPAL_LIST, municipale, range(MUNICIPALE_SIZE))
    _place(EUROPEAN_LIST, europeenne, range(EUROPEENNE_SIZE))
    _place(MUNICIPAL_ONLY, municipale, range(EUROPEENNE_SIZE, MUNICIPALE_SIZE))
    _place(EUROPEAN_ONLY, europeenne, range(ONLY_EUROPEAN_EVERY - 1, EUROPEENNE_SIZE, ONLY_EUROPEAN_EVERY))
    for electeur in (*principale, *municipale, *europeenne):
        yield electeur if with_nul else ReuRow(*(value.replace("\0", "") for value in electeur))


def _place(cases: Sequence[Case], electeurs: list[ReuRow], positions: range) -> None:
    for case, position in zip(cases, positions, strict=False):
        electeurs[position] = case.applied_to(electeurs[position])


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
    """Write the export of today; that of `write_reu`, which is given the same `today`, comes before it."""
    write_lines(path, second_rows(today))


def second_rows(today: date) -> Iterator[ReuRow]:
    """The electors of the three lists, in the second export."""
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


_SUNDAY = 6


JANVIER, FEVRIER = dix_janvier(2018), cloture(2018)
"""The dates of the last tableaux rectificatifs."""
SCRUTIN_2018 = date(2018, 4, 22)
"""A poll of that year: in April, so that it has a tableau des additions (art. L. 11-2 before 2019)."""


class DemoCalendrier(NamedTuple):
    """The dates that the tableaux of today's law are counted from."""

    scrutin: date
    """The coming poll: a Sunday, more than a week away."""
    reunion: date
    """The commission's meeting before it, between the 24th and the 21st day (art. L. 19): mouvements until then are in
    the tableau des vingt jours, later ones in the tableau des cinq jours."""
    reunion_precedente: date


def demo_calendrier(today: date) -> DemoCalendrier:
    """The dates around a day."""
    soon = today + timedelta(days=8)
    scrutin = soon + timedelta(days=(_SUNDAY - soon.weekday()) % 7)
    reunion = days_before(scrutin, 23)
    return DemoCalendrier(scrutin, reunion, reunion - timedelta(days=182))


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
