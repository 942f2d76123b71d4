"""LIBREVILLE into the register: two exports of the REU, a file of mouvements, its electoral calendar."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from common.calendrier import jour_a_paris
from worker.demo.libreville import LIBREVILLE, demo_calendrier, write_mouvements, write_reu, write_second_reu
from worker.registre.communes import add_commune
from worker.registre.imports.report import ImportSummary
from worker.registre.models import Import
from worker.registre.mouvements.importer import import_mouvements
from worker.registre.reu.importer import Intake, import_file
from worker.registre.scrutins import ALL_LISTS, KnownScrutin, Reunion, add_reunion, set_scrutin

BY = "démonstration"
_SECOND = "libreville-reu-2.csv"


def loaded_on(engine: Engine) -> date | None:
    """The day LIBREVILLE was loaded, which its dates are counted from; None when it is yet to be."""
    query = select(Import.finished_at).where(
        Import.file_name == _SECOND, Import.imported_by == BY, Import.finished_at.is_not(None)
    )
    with engine.connect() as connection:
        loaded = connection.scalars(query.order_by(Import.id.desc()).limit(1)).one_or_none()
    return jour_a_paris(loaded) if loaded else None


def load_libreville(engine: Engine, folder: Path, today: date) -> Iterator[tuple[Path, ImportSummary]]:
    """Import its files one after the other, each yielded once it is imported; the second export gives mouvements.

    The file of mouvements is complete until the commission's meeting: the tableau des vingt jours rests on it.
    """
    with engine.begin() as connection:
        add_commune(connection, LIBREVILLE.code, LIBREVILLE.label)
        set_demo_calendrier(connection, today)
    first, mouvements, second = folder / "libreville-reu.csv", folder / "libreville-mouvements.csv", folder / _SECOND
    write_reu(first, today=today)
    reunion = demo_calendrier(today).reunion
    yield first, import_file(engine, first, imported_by=BY, accept_rejects=True, intake=Intake(reunion))
    write_mouvements(mouvements, today)
    yield mouvements, import_mouvements(engine, mouvements, imported_by=BY, complete_until=reunion)
    write_second_reu(second, today)
    yield second, import_file(engine, second, imported_by=BY, accept_rejects=True, intake=Intake(today))


def set_demo_calendrier(connection: Connection, today: date) -> None:
    """Write the poll and the meetings to the register; a second time does nothing."""
    days = demo_calendrier(today)
    set_scrutin(connection, KnownScrutin(LIBREVILLE.code, days.scrutin, "Élection municipale partielle", None))
    for day in (days.reunion_precedente, days.reunion):
        add_reunion(connection, LIBREVILLE.code, Reunion(ALL_LISTS, day))
