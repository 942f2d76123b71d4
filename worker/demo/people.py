"""Ordinary electors without end, at the rates of the export of a whole département (2024, 1,840,917 lines)."""

import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from worker.demo.places import NATIONS
from worker.demo.pools import pick, pools
from worker.demo.reu_format import EUROPEENNE, MUNICIPALE, PRINCIPALE, ReuRow
from worker.demo.ville import ELECTEURS_PER_BUREAU, Bureau, Ville

LINES = 1_840_917
PARTIAL_DATES = 961 / LINES
WITHOUT_PRENOM = 49 / LINES
MINORS = 2_482 / LINES

ADDRESS_COUNTRIES = ("FRANCE",) * 7 + ("France",) + ("",) * 2
ALONE_EVERY = 20  # one European elector in so many is not on the municipal list


def iter_principale(
    ville: Ville, bureaux: Sequence[Bureau], count: int, today: date | None, per_bureau: int = ELECTEURS_PER_BUREAU
) -> Iterator[ReuRow]:
    """Electors of the principal list, bureau after bureau. A longer list begins with the electors of a shorter one.

    Some are minors on the day `today`, some have a partial date of birth or no first name: none of these without a day.
    """
    rng = random.Random(f"{ville.code}/principale")
    draw, drawn_from = rng.random, pools()
    noms, dates, births, addresses = drawn_from.noms, drawn_from.dates, drawn_from.births, drawn_from.addresses
    for index in range(count):
        nom = noms[int(draw() * len(noms))]
        sexe, forenames = ("F", drawn_from.prenoms_f) if draw() < 0.52 else ("M", drawn_from.prenoms_m)
        prenoms = forenames[int(draw() * len(forenames))]
        usage = noms[int(draw() * len(noms))] if draw() < (0.35 if sexe == "F" else 0.01) else ""
        born = dates[int(draw() * len(dates))]
        rare = draw()
        if today and rare < MINORS + PARTIAL_DATES + WITHOUT_PRENOM:
            prenoms, born = _make_rare(rng, rare, prenoms, born, today)
        birth, address = births[int(draw() * len(births))], addresses[int(draw() * len(addresses))]
        yield ReuRow(
            *(ville.code, ville.label, PRINCIPALE, nom, "" if usage == nom else usage, prenoms, sexe),
            *(born, *birth, "Française", *address, ville.code_postal),
            *(ville.spellings[int(draw() * len(ville.spellings))], ADDRESS_COUNTRIES[int(draw() * 10)]),
            *(*bureaux[index // per_bureau], str(index % per_bureau + 1)),
        )


def iter_municipale(ville: Ville, bureaux: Sequence[Bureau], count: int) -> Iterator[ReuRow]:
    """Electors of the complementary municipal list."""
    for index in range(count):
        yield _european(ville, bureaux, MUNICIPALE, index, index)


def iter_europeenne(ville: Ville, bureaux: Sequence[Bureau], count: int) -> Iterator[ReuRow]:
    """Electors of the complementary European list: those of the municipal list, but one in twenty."""
    for index in range(count):
        is_alone = index % ALONE_EVERY == ALONE_EVERY - 1
        yield _european(ville, bureaux, EUROPEENNE, index, -index if is_alone else index)


def years_before(day: date, years: int) -> date:
    """The same day so many years earlier; 28 February for a 29th that did not exist."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def _make_rare(rng: random.Random, rare: float, prenoms: str, born: str, today: date) -> tuple[str, str]:
    if rare < MINORS:
        return prenoms, f"{years_before(today, 18) + timedelta(1 + int(364 * rng.random())):%d/%m/%Y}"
    if rare < MINORS + PARTIAL_DATES:
        return prenoms, pick(rng, (f"00/00/{born[-4:]}", f"00/{born[3:]}"))
    return "", born


def _european(ville: Ville, bureaux: Sequence[Bureau], liste: str, index: int, person: int) -> ReuRow:
    rng, drawn_from = random.Random(f"{ville.code}/european/{person}"), pools()
    nation = pick(rng, NATIONS)
    sexe, forenames = ("F", drawn_from.prenoms_f) if rng.random() < 0.5 else ("M", drawn_from.prenoms_m)
    prenoms, address = pick(rng, forenames), pick(rng, drawn_from.addresses)
    nom, born, city = pick(rng, drawn_from.noms), pick(rng, drawn_from.dates), pick(rng, nation.villes)
    return ReuRow(
        *(ville.code, ville.label, liste, nom, "", prenoms, sexe, born),
        *(nation.code, city, "99", nation.pays, nation.nationalite, *address, ville.code_postal, ville.label, "FRANCE"),
        *(*bureaux[index % len(bureaux)], str(index // len(bureaux) + 1)),
    )
