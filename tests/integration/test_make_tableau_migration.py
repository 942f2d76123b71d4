"""The record of files becomes that of tableaux too, and goes back: the lists stay as they were."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, inspect, text

from schemas.tableaux import TypeTableau
from tests.integration.tableau_desk import ASKED_AT, TableauDesk, open_desk
from tests.integration.tableau_register import (
    MOUVEMENTS,
    REUNION,
    REUNION_PRECEDENTE,
    SCRUTIN,
    add_scrutin,
    write_register,
)
from tests.parts.town import MIGRATED_TEMPLATE
from worker.db.migrate import current_revision, downgrade, migrate
from worker.db.types import Base

pytestmark = [
    pytest.mark.integration,
    pytest.mark.database(MIGRATED_TEMPLATE),
    pytest.mark.desk(opened_by=open_desk),
    pytest.mark.slow,
]

PREMIER, ADDITIONS, CINQ_JOURS = TypeTableau.PREMIER_RECTIFICATIF, TypeTableau.ADDITIONS, TypeTableau.CINQ_JOURS

ADDED = {"kind", "type_tableau", "presentation", "edition", "pages"}


@pytest.fixture
def desk(desk: TableauDesk) -> TableauDesk:
    write_register(desk.engine, MOUVEMENTS)
    add_scrutin(desk.engine, SCRUTIN, REUNION_PRECEDENTE, REUNION)
    return desk


def _rows(desk: TableauDesk) -> list[dict[str, object]]:
    with desk.engine.connect() as connection:
        query = text("SELECT * FROM derniers_exports ORDER BY export_id")
        return [dict(row) for row in connection.execute(query).mappings()]


def test_the_migration_makes_the_columns_that_the_code_expects(desk: TableauDesk) -> None:
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)
    for name in ("export", "request"):
        Base.metadata.tables[name].to_metadata(metadata)

    def is_wanted(_item: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
        return kind == "column" or name in metadata.tables

    with desk.engine.connect() as connection:
        options = {"compare_type": True, "include_object": is_wanted}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_going_back_keeps_the_lists_and_coming_again_loses_nothing_of_them(desk: TableauDesk) -> None:
    liste = desk.ring(desk.ask())
    desk.make(TypeTableau.VINGT_JOURS, scrutin=SCRUTIN)
    desk.ask_tableaux(TypeTableau.CINQ_JOURS_REU, scrutin=SCRUTIN)
    before = _rows(desk)
    assert [row["kind"] for row in before] == ["liste", "tableau", "tableau"]

    downgrade(desk.engine, "0002")
    columns = {column["name"] for column in inspect(desk.engine).get_columns("export")}
    assert not columns & {*ADDED, "parameters"}
    (row,) = _rows(desk)
    assert not row.keys() & ADDED
    assert row == {name: before[0][name] for name in row}

    migrate(desk.engine)
    assert len(set(current_revision(desk.engine))) == 1
    (row,) = _rows(desk)
    assert row == before[0] | {"reconciliation": None, "rests_on": None}, "what it is of is not known any more"
    made = desk.make(TypeTableau.VINGT_JOURS, scrutin=SCRUTIN)
    assert made.row["pages"] == len(made.pages)
    assert desk.ring(desk.ask())["sha256"] == liste["sha256"]


def test_what_was_made_before_its_date_is_known_as_provisional(desk: TableauDesk) -> None:
    asked: list[tuple[datetime, dict[str, Any]]] = [
        (datetime(2014, 1, 9, 23, tzinfo=UTC), {"types": [PREMIER], "date_tableau": date(2014, 1, 10)}),
        (datetime(2014, 1, 9, 22, tzinfo=UTC), {"types": [PREMIER], "date_tableau": date(2014, 1, 10)}),
        (datetime(2014, 1, 9, tzinfo=UTC), {"types": [ADDITIONS], "scrutin": date(2014, 5, 25)}),
        (datetime(2014, 1, 9, tzinfo=UTC), {"types": [CINQ_JOURS], "scrutin": date(2014, 3, 23)}),
        (ASKED_AT, {"types": [TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU], "scrutin": SCRUTIN}),
        (datetime(2027, 3, 1, tzinfo=UTC), {"types": [TypeTableau.VINGT_JOURS], "publication": date(2027, 3, 2)}),
    ]
    for created_at, fields in asked:
        desk.ask_tableaux(*fields.pop("types"), created_at=created_at, **fields)
    known = "SELECT provisoire_until FROM export ORDER BY id"
    with desk.engine.connect() as connection:
        before = [str(day) for (day,) in connection.execute(text(known))]
    assert before == ["None", "2014-01-10", "2014-03-06", "2014-03-19", "None", "2027-04-07", "2027-03-02"]
    downgrade(desk.engine, "0008")
    migrate(desk.engine)
    with desk.engine.connect() as connection:
        again = [str(day) for (day,) in connection.execute(text(known))]
    of_its_release = {"2014-03-19": "2014-03-18", "2027-04-07": "2027-04-06"}  # the fifth day, not the day after
    assert again == [of_its_release.get(day, day) for day in before]


def test_a_row_from_before_is_that_of_a_list(desk: TableauDesk) -> None:
    downgrade(desk.engine, "0002")
    asked = {"requested_by": "mairie", "outcome": "accepted", "reason": ""}
    _insert(
        desk, "request", id=1, source="/avant", event_id="1", event_type="liste_export", correlation_id="1", **asked
    )
    file = {"part": "P.csv", "liste": "P", "format": "csv", "file_name": "liste-P.csv", "label": "Liste P"}
    _insert(desk, "export", id=1, request_id=1, status="queued", anomalies="[]", **file)
    migrate(desk.engine)
    (row,) = _rows(desk)
    assert [row[name] for name in ("kind", "type_tableau", "presentation", "edition", "pages")] == [
        *("liste", "", "", "", None)
    ]
    assert desk.ring(1)["status"] == "ready"


def _insert(desk: TableauDesk, table: str, **values: object) -> None:
    """Write a row as the former release did."""
    values |= {"code_commune": "13900", "created_at": "2026-11-25 08:30:00.000"}
    statement = f"INSERT INTO {table} ({', '.join(values)}) VALUES (:{', :'.join(values)})"  # noqa: S608 — names above
    desk.run(statement, **values)
