"""Invented electors for REU exports of any size: those of the demonstration, their values mixed anew."""

import csv
import random
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

from common.calendrier import jour_a_paris, now
from worker.demo import libreville
from worker.demo.libreville import years_before
from worker.registre.reference import departement_of

ELECTEURS_PER_BUREAU = 900
PRINCIPALE, MUNICIPALE, EUROPEENNE = (
    "Liste principale",
    "Liste complémentaire municipale",
    "Liste complémentaire européenne",
)

_OF_MUNICIPALE, _OF_EUROPEENNE = 0.0061, 0.0057
"""Electors of the complementary lists for one of the principal list, in a real département (2024)."""
_MINORS, _PARTIAL_DATES, _WITHOUT_PRENOM = 0.0013, 0.0005, 0.00003
"""Shares of a principal list there."""

_POOL = 8192
_BUREAU_NAMES = ("HOTEL DE VILLE", "ECOLE DES TILLEULS", "SALLE DES FETES", "GYMNASE DU LAC")
_FIRST_BIRTH, _LAST_BIRTH = date(1928, 1, 1), date(2004, 12, 31)
_DEMO = Path(libreville.__file__).with_name("electeurs.csv")


class ReuRow(NamedTuple):
    """One elector on one list: the 27 values of a line, in the order of the export."""

    ugle_code: str
    ugle: str
    liste: str
    nom: str
    nom_usage: str
    prenoms: str
    sexe: str
    date_naissance: str
    code_naissance: str
    commune_naissance: str
    departement_naissance: str
    pays_naissance: str
    nationalite: str
    numero_voie: str
    voie: str
    complement_1: str
    complement_2: str
    lieu_dit: str
    code_postal: str
    ville: str
    pays: str
    bureau: str
    bureau_nom: str
    circonscription: str
    canton: str
    circonscription_nom: str
    numero_ordre: str


class Ville(NamedTuple):
    """A commune: its INSEE code and its name in capitals; the others are invented."""

    code: str
    label: str
    code_postal: str
    circonscription: str


class _Pools(NamedTuple):
    """Values to draw from; a common value is present many times."""

    noms: Sequence[str]
    prenoms: dict[str, Sequence[str]]
    """By sexe."""
    dates: Sequence[str]
    ordinary: Sequence[ReuRow]
    foreign: Sequence[ReuRow]


def ville_of(code: str, nom: str) -> Ville:
    """Return a commune from its INSEE code and its name."""
    departement = departement_of(code)
    decomposed = unicodedata.normalize("NFD", nom.upper().replace("Œ", "OE"))
    return Ville(
        code=code,
        label="".join(letter for letter in decomposed if not unicodedata.combining(letter)),
        code_postal={"2A": "20", "2B": "20"}.get(departement, departement).ljust(5, "0"),
        circonscription=f"{departement}-{1 + int(code[-3:]) % 10:02}",
    )


def bureau_of(ville: Ville, index: int) -> dict[str, str]:
    """Return a bureau de vote, by the names of the fields of a line."""
    return {
        "bureau": f"{index + 1:04}",
        "bureau_nom": f"{_BUREAU_NAMES[index % len(_BUREAU_NAMES)]} {index + 1}",
        "circonscription": ville.circonscription,
        "canton": ville.label,
        "circonscription_nom": f"{ville.circonscription[-2:]}e circonscription",
    }


def count_bureaux(electeurs: int) -> int:
    """Return the number of bureaux for so many electors on the principal list."""
    return max(1, -(-electeurs // ELECTEURS_PER_BUREAU))


def iter_liste(
    ville: Ville, bureaux: int, liste: str, count: int, today: date | None = None
) -> Iterator[ReuRow]:
    """Yield the electors of a list, bureau after bureau. The electors of one complementary list are on the other too.

    With `today`, a few electors of the principal list are minors that day, have a partial date of birth or no prénom.
    """
    is_principale, pools = liste == PRINCIPALE, _pools()
    rng = random.Random(f"{ville.code}/{is_principale}")
    places, in_bureau = [bureau_of(ville, index) for index in range(bureaux)], -(-count // bureaux)
    for index in range(count):
        born, lives = (
            rng.choice(pools.ordinary if is_principale else pools.foreign),
            rng.choice(pools.ordinary),
        )
        sexe = "F" if rng.random() < 0.52 else "M"
        has_usage = rng.random() < (0.35 if sexe == "F" else 0.01)
        row = lives._replace(
            ugle_code=ville.code,
            ugle=ville.label,
            liste=liste,
            nom=rng.choice(pools.noms),
            nom_usage=rng.choice(pools.noms) if has_usage else "",
            prenoms=rng.choice(pools.prenoms[sexe]),
            sexe=sexe,
            date_naissance=rng.choice(pools.dates),
            code_naissance=born.code_naissance,
            commune_naissance=born.commune_naissance,
            departement_naissance=born.departement_naissance,
            pays_naissance=born.pays_naissance,
            nationalite=born.nationalite,
            code_postal=ville.code_postal,
            ville=ville.label,
            **places[index // in_bureau],
            numero_ordre=str(index % in_bureau + 1),
        )
        yield _make_rare(rng, row, today) if today and is_principale else row


def _make_rare(rng: random.Random, row: ReuRow, today: date) -> ReuRow:
    rare = rng.random()
    if rare < _MINORS:
        born = years_before(today, 18) + timedelta(rng.randint(1, 364))
        return row._replace(date_naissance=f"{born:%d/%m/%Y}")
    if rare < _MINORS + _PARTIAL_DATES:
        return row._replace(
            date_naissance=rng.choice(("00/00/", "00/01/")) + row.date_naissance[-4:]
        )
    return row._replace(prenoms="") if rare < _MINORS + _PARTIAL_DATES + _WITHOUT_PRENOM else row


@cache
def _pools() -> _Pools:
    rng = random.Random(0)
    with _DEMO.open(encoding="utf-8", newline="") as file:
        electeurs = [
            ReuRow(*values)
            for cas, then, *values in csv.reader(file, delimiter=";")
            if not cas and not then
        ]
    ordinary = [row for row in electeurs if row.liste == PRINCIPALE]
    names = {
        sexe: sorted({name for row in ordinary if row.sexe == sexe for name in row.prenoms.split()})
        for sexe in "FM"
    }
    days = range((_LAST_BIRTH - _FIRST_BIRTH).days + 1)
    return _Pools(
        noms=[_nom(rng, ordinary) for _ in range(_POOL)],
        prenoms={
            sexe: [" ".join(rng.sample(names[sexe], rng.randint(1, 3))) for _ in range(_POOL)]
            for sexe in "FM"
        },
        dates=[f"{_FIRST_BIRTH + timedelta(day):%d/%m/%Y}" for day in days],
        ordinary=ordinary,
        foreign=[row for row in electeurs if row.liste != PRINCIPALE],
    )


def _nom(rng: random.Random, ordinary: Sequence[ReuRow]) -> str:
    return "-".join(rng.choice(ordinary).nom for _ in range(rng.choice((1, 1, 2))))


def sizes_of(principale: int) -> Mapping[str, int]:
    """Return the sizes of the lists of a commune with a principal list of this size."""
    others = {
        MUNICIPALE: round(principale * _OF_MUNICIPALE),
        EUROPEENNE: round(principale * _OF_EUROPEENNE),
    }
    return {PRINCIPALE: principale, **others}


def uneven_sizes(total: int, codes: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """Share about `total` electors among communes, as unequally as in a real département: one town, many villages."""
    by_rank = sorted(codes, key=lambda code: random.Random(code).random())
    weights = [1 / (rank + 2) for rank in range(len(codes))]
    return {
        code: sizes_of(max(1, int(total * it / sum(weights))))
        for code, it in zip(by_rank, weights, strict=True)
    }


def iter_electeurs(ville: Ville, sizes: Mapping[str, int], today: date) -> Iterator[ReuRow]:
    """Yield the lists of one commune. Only the dates of birth of minors depend on `today`."""
    bureaux = count_bureaux(sizes[PRINCIPALE])
    for liste, count in sizes.items():
        yield from iter_liste(ville, bureaux, liste, count, today)


def write_lines(path: Path, electeurs: Iterable[ReuRow]) -> None:
    """Write an export in the format of the platform."""
    with _DEMO.open(encoding="utf-8", newline="") as demo:
        _cas, _then, *titles = next(csv.reader(demo, delimiter=";"))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(titles)
        writer.writerows(electeurs)


def write_town(path: Path, size: int, *, today: date | None = None) -> None:
    """Write an export of LIBREVILLE with so many ordinary electors on the principal list."""
    day = today or jour_a_paris(now())
    write_lines(path, iter_electeurs(ville_of(*libreville.LIBREVILLE), sizes_of(size), day))
