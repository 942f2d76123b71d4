"""LIBREVILLE, the demonstration commune, and every nasty case of real files among its electors.

Nobody here exists: surnames are common nouns, the code and the post code of the commune are given to no place. Two
tables have the electors and the mouvements:

- `electeurs.csv`: a line of the first REU export each, the case that it carries (`cas`), and what becomes of it in the
  second export (`ensuite`: `radié`, `inscrit`, or the fields that change);
- `mouvements.csv`: the file of mouvements, so that each of the six tableaux has something to show.

Days in braces are relative to the day of the demonstration (`_relative`).
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from common.calendrier import cloture, days_before, dix_janvier, jour_a_paris, now

_FOLDER = Path(__file__).parent


class DemoCommune(NamedTuple):
    """The demonstration commune."""

    code: str
    label: str


LIBREVILLE = DemoCommune("13900", "LIBREVILLE")
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
    scrutin = soon + timedelta(days=(6 - soon.weekday()) % 7)
    reunion = days_before(scrutin, 23)
    return DemoCalendrier(scrutin, reunion, reunion - timedelta(days=182))


def years_before(day: date, years: int) -> date:
    """The same day so many years earlier; 28 February for a 29th that did not exist."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def _relative(today: date, *, nul: str = "") -> Mapping[str, str]:
    majority = years_before(today, 18)
    days = {
        "aujourd'hui": today,
        "réunion - 10 jours": demo_calendrier(today).reunion - timedelta(10),
        "18 ans": majority,
        "18 ans demain": majority + timedelta(1),
        "18 ans dans 90 jours": majority + timedelta(90),
        "17 ans depuis 7 jours": years_before(today, 17) - timedelta(7),
    }
    written = {name: f"{day:%d/%m/%Y}" for name, day in days.items()}
    return written | {"année des 18 ans": str(majority.year), "nul": nul}


def _read(name: str, relative: Mapping[str, str]) -> Iterator[list[str]]:
    with (_FOLDER / name).open(encoding="utf-8", newline="") as file:
        for values in csv.reader(file, delimiter=";"):
            yield [value.format_map(relative) if "{" in value else value for value in values]


def first_rows(today: date, *, with_nul: bool = False) -> Iterator[ReuRow]:
    """The electors of the first export; `with_nul` leaves a NUL in the address of BOUSSOLE Anne-Lise."""
    _, *lines = _read("electeurs.csv", _relative(today, nul="\0" if with_nul else ""))
    return (ReuRow(*values) for _, then, *values in lines if then != "inscrit")


def second_rows(today: date) -> Iterator[ReuRow]:
    """The electors of the second export, of today."""
    _, *lines = _read("electeurs.csv", _relative(today))
    for _, then, *values in lines:
        changes = dict(change.split("=") for change in then.split("; ") if "=" in change)
        if then != "radié":
            yield ReuRow(*values)._replace(**changes)


def libreville_rows(*, today: date | None = None, with_nul: bool = False) -> list[dict[str, str]]:
    """The electors of the first export, as column → value."""
    rows = first_rows(today or jour_a_paris(now()), with_nul=with_nul)
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def write_reu(path: Path, *, today: date | None = None, with_nul: bool = False) -> None:
    """Write the first export, of the day of the commission's meeting."""
    write_lines(path, first_rows(today or jour_a_paris(now()), with_nul=with_nul))


def write_second_reu(path: Path, today: date) -> None:
    """Write the second export; `write_reu` with the same `today` gives the one before it."""
    write_lines(path, second_rows(today))


def write_mouvements(path: Path, today: date) -> None:
    """Write the file of mouvements; the second export changes no elector in it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";", lineterminator="\n").writerows(_read("mouvements.csv", _relative(today)))


def _format_line(values: tuple[str, ...]) -> str:
    """One line with its LF: every value quoted but the last, nothing at all for an empty value."""
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
