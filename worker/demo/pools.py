"""What ordinary electors are drawn from: long tuples built once, so that one elector costs a few index look-ups."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from typing import NamedTuple, TypeVar

from worker.demo import places, words
from worker.demo.places import Birth

SIZE = 8192
FIRST_BIRTH, LAST_BIRTH = date(1928, 1, 1), date(2004, 12, 31)
T = TypeVar("T")


class Address(NamedTuple):
    """The part of an address that stands before the post code."""

    numero: str
    voie: str
    complement_1: str
    complement_2: str
    lieu_dit: str


class Pools(NamedTuple):
    """Values to draw from; a value that is common is there many times."""

    noms: tuple[str, ...]
    prenoms_f: tuple[str, ...]
    prenoms_m: tuple[str, ...]
    dates: tuple[str, ...]
    births: tuple[Birth, ...]
    addresses: tuple[Address, ...]


def pick(rng: random.Random, values: Sequence[T]) -> T:
    """One of the values; unlike `choice`, the same one in every version of Python."""
    return values[int(rng.random() * len(values))]


@cache
def pools() -> Pools:
    """The pools, the same in every run. One surname in a hundred does not fit in Latin-1."""
    rng = random.Random(0)
    days = range((LAST_BIRTH - FIRST_BIRTH).days + 1)
    return Pools(
        noms=_noms(rng),
        prenoms_f=_prenoms(rng, words.PRENOMS_F.split()),
        prenoms_m=_prenoms(rng, words.PRENOMS_M.split()),
        dates=tuple(f"{FIRST_BIRTH + timedelta(day):%d/%m/%Y}" for day in days),
        births=tuple(_birth(rng) for _ in range(SIZE)),
        addresses=tuple(_address(rng) for _ in range(SIZE)),
    )


def _noms(rng: random.Random) -> tuple[str, ...]:
    common, endings, rare = words.SURNAMES.split(), words.SURNAME_ENDINGS.split(), words.SURNAMES_BEYOND_LATIN_1.split()
    return tuple(
        pick(rng, rare) if index % 100 == 0 else pick(rng, common) + (pick(rng, endings) if rng.random() < 0.3 else "")
        for index in range(SIZE)
    )


def _prenoms(rng: random.Random, names: Sequence[str]) -> tuple[str, ...]:
    counts = (1, 2, 2, 3, 3, 3)
    return tuple(" ".join(dict.fromkeys(pick(rng, names) for _ in range(pick(rng, counts)))) for _ in range(SIZE))


def _birth(rng: random.Random) -> Birth:
    if rng.random() < 0.1:
        return pick(rng, places.BIRTHS_ABROAD)
    birth = pick(rng, places.BIRTHS_FRANCE)
    return birth if rng.random() < 0.8 else birth._replace(pays="France")


def _address(rng: random.Random) -> Address:
    kind = rng.random()
    if kind < 0.04:
        return Address("", "", "", "", pick(rng, places.LIEUX_DITS))
    numero = str(1 + int(120 * rng.random() ** 2)) + (pick(rng, (" BIS", " TER", "B")) if kind > 0.96 else "")
    voie = f"{pick(rng, places.STREET_TYPES)} {pick(rng, places.STREET_NAMES)}"
    appartement = f"Appt {1 + int(60 * rng.random())}" if rng.random() < 0.15 else ""
    batiment = f"Bât {pick(rng, 'ABCDEF')} Résidence Les Mûriers" if rng.random() < 0.08 else ""
    lieu_dit = pick(rng, places.LIEUX_DITS) if rng.random() < 0.04 else ""
    return Address(numero, voie, appartement, batiment, lieu_dit)
