"""LIBREVILLE, the demonstration commune, whose electors show the difficult cases of real files.

No elector is real: surnames are common nouns, and no place has the code and the post code of the commune. Two tables
have the electors and the mouvements:

- `electeurs.csv`: a line of the first REU export each, the case that it shows (`cas`), and its change in the second
  export (`ensuite`: `radié`, `inscrit`, or the fields that change);
- `mouvements.csv`: the file of mouvements, so that each of the six tableaux has lines.

Days in braces are relative to the day of the demonstration (`_relative`).
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, select

from common.calendrier import (
    CalendarReunion,
    CalendarScrutin,
    cloture,
    days_before,
    dix_janvier,
    jour_a_paris,
)
from worker.registre.communes import add_commune
from worker.registre.imports.report import ImportSummary
from worker.registre.models import Import
from worker.registre.mouvements.importer import import_mouvements
from worker.registre.reu.importer import Intake, import_file
from worker.registre.scrutins import add_reunion, set_scrutin


class DemoCommune(NamedTuple):
    """The INSEE code and the name of the demonstration commune."""

    code: str
    label: str


LIBREVILLE = DemoCommune("13900", "LIBREVILLE")

JANVIER, FEVRIER = dix_janvier(2018), cloture(2018)
"""The dates of the last tableaux rectificatifs."""
SCRUTIN_2018 = date(2018, 4, 22)
"""A poll of that year: in April, so that it has a tableau des additions (art. L. 11-2 before 2019)."""


class DemoCalendrier(NamedTuple):
    """The dates from which the tableaux of today's law are counted."""

    scrutin: date
    """The next poll: a Sunday, more than a week away."""
    reunion: date
    """The commission's meeting before it, between the 24th and the 21st day (art. L. 19): mouvements until then are in
    the tableau des vingt jours, later ones in the tableau des cinq jours."""
    reunion_precedente: date


def demo_calendrier(today: date) -> DemoCalendrier:
    """Return the dates around a day."""
    soon = today + timedelta(days=8)
    scrutin = soon + timedelta(days=(6 - soon.weekday()) % 7)
    reunion = days_before(scrutin, 23)
    return DemoCalendrier(scrutin, reunion, reunion - timedelta(days=182))


def years_before(day: date, years: int) -> date:
    """Return the day so many years earlier; 28 February in place of a missing 29 February."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def _read(name: str, today: date) -> Iterator[list[str]]:
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
    relative = written | {"année des 18 ans": str(majority.year)}
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        for values in csv.reader(file, delimiter=";"):
            yield [value.format_map(relative) if "{" in value else value for value in values]


def read_electeurs(today: date, *, is_second: bool = False) -> Iterator[dict[str, str]]:
    """Yield the electors of the first or of the second export, their values by title."""
    (_, _, *titles), *lines = _read("electeurs.csv", today)
    for _, then, *values in lines:
        changes = (
            dict(change.split("=") for change in then.split("; ") if "=" in change)
            if is_second
            else {}
        )
        if then != ("radié" if is_second else "inscrit"):
            yield dict(zip(titles, values, strict=True)) | changes


def write_electeurs(path: Path, electeurs: Iterable[Mapping[str, str]]) -> None:
    """Write an export of the REU."""
    rows = [*electeurs]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0]], delimiter=";", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_mouvements(path: Path, today: date) -> None:
    """Write the file of mouvements; the second export changes no elector in it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";", lineterminator="\n").writerows(
            _read("mouvements.csv", today)
        )


BY = "démonstration"
_SECOND = "libreville-reu-2.csv"


def loaded_on(engine: Engine) -> date | None:
    """Return the day LIBREVILLE was loaded, from which its dates are counted; None when it is not loaded."""
    query = select(Import.finished_at).where(
        Import.file_name == _SECOND, Import.imported_by == BY, Import.finished_at.is_not(None)
    )
    with engine.connect() as connection:
        loaded = connection.scalars(query.order_by(Import.id.desc()).limit(1)).one_or_none()
    return jour_a_paris(loaded) if loaded else None


def load_libreville(
    engine: Engine, folder: Path, today: date
) -> Iterator[tuple[Path, ImportSummary]]:
    """Import the files one after the other, and yield each with its summary; the second export adds mouvements.

    The file of mouvements is complete until the commission's meeting, as the tableau des vingt jours requires.
    """
    with engine.begin() as connection:
        add_commune(connection, LIBREVILLE.code, LIBREVILLE.label)
        set_demo_calendrier(connection, today)
    first, mouvements, second = (
        folder / "libreville-reu.csv",
        folder / "libreville-mouvements.csv",
        folder / _SECOND,
    )
    write_electeurs(first, read_electeurs(today))
    reunion = demo_calendrier(today).reunion
    yield (
        first,
        import_file(engine, first, imported_by=BY, accept_rejects=True, intake=Intake(reunion)),
    )
    write_mouvements(mouvements, today)
    yield mouvements, import_mouvements(engine, mouvements, imported_by=BY, complete_until=reunion)
    write_electeurs(second, read_electeurs(today, is_second=True))
    yield (
        second,
        import_file(engine, second, imported_by=BY, accept_rejects=True, intake=Intake(today)),
    )


def set_demo_calendrier(connection: Connection, today: date) -> None:
    """Write the poll and the meetings to the register, idempotently."""
    days = demo_calendrier(today)
    poll = CalendarScrutin(
        days.scrutin, "Élection municipale partielle", code_commune=LIBREVILLE.code
    )
    set_scrutin(connection, poll)
    for day in (days.reunion_precedente, days.reunion):
        add_reunion(connection, LIBREVILLE.code, CalendarReunion(day))
