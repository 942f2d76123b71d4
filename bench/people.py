"""Invented electors for REU exports of any size, at the rates of a real département (2024, 1,840,917 lines).

A commune and its bureaux; values to draw from; the electors of each list; files of a town or of a département.
"""

import random
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from bench import words
from bench.words import BUREAU_NAMES, NATIONS, Birth
from common.calendrier import jour_a_paris, now
from worker.demo.libreville import years_before
from worker.registre.reference import departement_of

ELECTEURS_PER_BUREAU = 900
_BATCH = 2000

COLUMNS = (
    "code du l'ugle",
    "libellé de l'ugle",
    "libellé du type de liste",
    "nom de naissance",
    "nom d'usage",
    "prénoms",
    "sexe",
    "date de naissance",
    "code commune de naissance",
    "libellé commune de naissance",
    "code département de naissance",
    "pays de naissance",
    "libellé nationalité",
    "numéro de voie",
    "libellé de voie",
    "complément 1",
    "complément 2",
    "lieu-dit",
    "code postal",
    "commune",
    "pays",
    "code du bureau de vote",
    "libellé du bureau de vote",
    "code circonscription législative du bureau de vote",
    "libellé canton du bureau de vote",
    "libellé circonscription métropolitaine du bureau de vote",
    "numéro d'ordre dans le bureau de vote",
)
"""The 27 headers in the order of the export; « du l'ugle » is the platform's own spelling."""


class ReuRow(NamedTuple):
    """One elector on one list: the 27 values of a line, in the order of COLUMNS."""

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


def _format_line(values: tuple[str, ...]) -> str:
    """Quote every value but the last; write nothing for an empty value."""
    *quoted, last = values
    text = '";"'.join(quoted)
    if text.count('"') == 2 * len(quoted) - 2:
        return f'"{text}";{last}\n'.replace('""', "")
    fields = ['"' + value.replace('"', '""') + '"' if value else "" for value in quoted]
    return f"{';'.join(fields)};{last}\n"


def write_lines(path: Path, electeurs: Iterable[ReuRow]) -> None:
    """Write header and electors as UTF-8 without BOM, a batch at a time: memory does not grow with their number."""
    rest = iter(electeurs)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(_format_line(COLUMNS))
        while batch := [_format_line(electeur) for electeur in islice(rest, _BATCH)]:
            file.writelines(batch)


class Ville(NamedTuple):
    """A commune; `spellings` are its spellings in addresses, the common one many times."""

    code: str
    label: str
    code_postal: str
    spellings: tuple[str, ...]
    circonscription: str
    canton: str


class ReuBureau(NamedTuple):
    """A bureau de vote, under the names of the fields of a line."""

    bureau: str
    bureau_nom: str
    circonscription: str
    canton: str
    circonscription_nom: str


def ville_of(code: str, nom: str) -> Ville:
    """Return a commune from its INSEE code and its name; post code, canton and circonscription are invented."""
    label = _capitals(nom)
    departement = departement_of(code)
    prefix = {"2A": "20", "2B": "20"}.get(departement, departement)
    spaced = label.replace("-", " ")
    return Ville(
        code=code,
        label=label,
        code_postal=prefix.ljust(5, "0"),
        spellings=(label,) * 17 + (nom, spaced, spaced.replace("SAINT", "ST")),
        circonscription=f"{departement}-{1 + int(code[-3:]) % 10:02}",
        canton=label,
    )


def bureaux_of(ville: Ville, electeurs: int) -> Sequence[ReuBureau]:
    """Return the bureaux for so many electors on the principal list."""
    number = int(ville.circonscription.partition("-")[2])
    return [
        ReuBureau(
            bureau=f"{index + 1:04}",
            bureau_nom=BUREAU_NAMES[index % len(BUREAU_NAMES)]
            + (f" {index + 1}" if index >= len(BUREAU_NAMES) else ""),
            circonscription=ville.circonscription,
            canton=ville.canton,
            circonscription_nom=f"{number}{'re' if number == 1 else 'e'} circonscription",
        )
        for index in range(max(1, -(-electeurs // ELECTEURS_PER_BUREAU)))
    ]


def _capitals(nom: str) -> str:
    decomposed = unicodedata.normalize("NFD", nom.upper().replace("Œ", "OE"))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


SIZE = 8192
FIRST_BIRTH, LAST_BIRTH = date(1928, 1, 1), date(2004, 12, 31)
T = TypeVar("T")


class Address(NamedTuple):
    """The part of an address before the post code."""

    numero: str
    voie: str
    complement_1: str
    complement_2: str
    lieu_dit: str


class Pools(NamedTuple):
    """Values to draw from; a common value is present many times."""

    noms: tuple[str, ...]
    prenoms_f: tuple[str, ...]
    prenoms_m: tuple[str, ...]
    dates: tuple[str, ...]
    births: tuple[Birth, ...]
    addresses: tuple[Address, ...]


def pick(rng: random.Random, values: Sequence[T]) -> T:
    """Return one of the values; unlike `choice`, the same one in every version of Python."""
    return values[int(rng.random() * len(values))]


@cache
def pools() -> Pools:
    """Return the pools, equal in every run. One surname in a hundred does not fit in Latin-1."""
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
        return pick(rng, words.BIRTHS_ABROAD)
    birth = pick(rng, words.BIRTHS_FRANCE)
    return birth if rng.random() < 0.8 else birth._replace(pays="France")


def _address(rng: random.Random) -> Address:
    kind = rng.random()
    if kind < 0.04:
        return Address("", "", "", "", pick(rng, words.LIEUX_DITS))
    numero = str(1 + int(120 * rng.random() ** 2)) + (pick(rng, (" BIS", " TER", "B")) if kind > 0.96 else "")
    voie = f"{pick(rng, words.STREET_TYPES)} {pick(rng, words.STREET_NAMES)}"
    appartement = f"Appt {1 + int(60 * rng.random())}" if rng.random() < 0.15 else ""
    batiment = f"Bât {pick(rng, 'ABCDEF')} Résidence Les Mûriers" if rng.random() < 0.08 else ""
    lieu_dit = pick(rng, words.LIEUX_DITS) if rng.random() < 0.04 else ""
    return Address(numero, voie, appartement, batiment, lieu_dit)


PRINCIPALE, MUNICIPALE, EUROPEENNE = (
    "Liste principale",
    "Liste complémentaire municipale",
    "Liste complémentaire européenne",
)
LINES = 1_840_917
PARTIAL_DATES = 961 / LINES
WITHOUT_PRENOM = 49 / LINES
MINORS = 2_482 / LINES

ADDRESS_COUNTRIES = ("FRANCE",) * 7 + ("France",) + ("",) * 2
ONLY_EUROPEAN_EVERY = 20  # one European elector in so many is not on the municipal list


def iter_principale(
    ville: Ville, bureaux: Sequence[ReuBureau], count: int, today: date | None, per_bureau: int = ELECTEURS_PER_BUREAU
) -> Iterator[ReuRow]:
    """Yield electors of the principal list, bureau after bureau. A longer list begins as a shorter one.

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


def iter_municipale(ville: Ville, bureaux: Sequence[ReuBureau], count: int) -> Iterator[ReuRow]:
    """Yield electors of the complementary municipal list."""
    for index in range(count):
        yield _european(ville, bureaux, MUNICIPALE, index, index)


def iter_europeenne(ville: Ville, bureaux: Sequence[ReuBureau], count: int) -> Iterator[ReuRow]:
    """Yield electors of the complementary European list: those of the municipal list, but one in twenty."""
    for index in range(count):
        is_only_european = index % ONLY_EUROPEAN_EVERY == ONLY_EUROPEAN_EVERY - 1
        yield _european(ville, bureaux, EUROPEENNE, index, -index if is_only_european else index)


def _make_rare(rng: random.Random, rare: float, prenoms: str, born: str, today: date) -> tuple[str, str]:
    if rare < MINORS:
        return prenoms, f"{years_before(today, 18) + timedelta(1 + int(364 * rng.random())):%d/%m/%Y}"
    if rare < MINORS + PARTIAL_DATES:
        return prenoms, pick(rng, (f"00/00/{born[-4:]}", f"00/{born[3:]}"))
    return "", born


def _european(ville: Ville, bureaux: Sequence[ReuBureau], liste: str, index: int, person: int) -> ReuRow:
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


LIBREVILLE = Ville(
    code="13900",
    label="LIBREVILLE",
    code_postal="13900",
    spellings=("LIBREVILLE",) * 17 + ("Libreville", "LIBRE VILLE", "LIBRE-VILLE"),
    circonscription="13-16",
    canton="LIBREVILLE-1",
)
PRINCIPAL_LINES, MUNICIPAL_LINES, EUROPEAN_LINES = 1_819_378 / LINES, 11_175 / LINES, 10_364 / LINES


class Sizes(NamedTuple):
    """The number of electors of each list."""

    principale: int
    municipale: int
    europeenne: int


def sizes_of(principale: int) -> Sizes:
    """Return the sizes of the lists of a commune with a principal list of this size."""
    lines = principale / PRINCIPAL_LINES
    return Sizes(principale, round(lines * MUNICIPAL_LINES), round(lines * EUROPEAN_LINES))


def iter_electeurs(ville: Ville, sizes: Sizes, today: date) -> Iterator[ReuRow]:
    """Yield the three lists of one commune. Only the dates of birth of minors depend on `today`."""
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


def write_town(path: Path, size: int, *, today: date | None = None) -> None:
    """Write an export of LIBREVILLE with so many ordinary electors on the principal list."""
    write_lines(path, iter_electeurs(LIBREVILLE, sizes_of(size), today or jour_a_paris(now())))
