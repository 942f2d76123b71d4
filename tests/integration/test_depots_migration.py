"""The record learns of deposits and goes back: requests and files stay as they were, on both databases."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, inspect, text
from sqlalchemy.exc import IntegrityError

from tests.integration.depots_desk import DepotsDesk, open_desk
from tests.parts.town import LIBREVILLE_TEMPLATE
from worker.db.migrate import downgrade, migrate
from worker.db.types import Base
from worker.exports.models import Depot

pytestmark = [pytest.mark.integration, pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=open_desk)]

NEW_VIEWS = {"habilitations", "registres", "scrutins", "reunions", "journal"}
EXPORT_BEFORE = (
    *("export_id", "source", "event_id", "correlation_id", "requested_by", "requested_at", "code_commune"),
    *("nom_commune", "liste", "format", "label", "status", "electeurs", "lines_written", "mineurs", "bloquantes"),
    *("remarques", "file_name", "size", "sha256", "report_name", "report_size", "report_sha256", "error_code"),
    *("error_message", "started_at", "finished_at", "kind", "type_tableau", "presentation", "edition", "pages"),
    *("is_bulk", "purged_at", "verified_at"),
)
EXPORT_ADDED = (
    *("request_id", "anomalies", "differences", "deposited_on", "deposited_by", "remarque", "verdict", "verdict_on"),
    *("answer", "downloaded_at", "downloaded_by", "parameters"),
)


def _columns(desk: DepotsDesk, view: str) -> tuple[str, ...]:
    return tuple(column["name"] for column in inspect(desk.engine).get_columns(view))


def _views(desk: DepotsDesk) -> set[str]:
    return set(inspect(desk.engine).get_view_names())


def _rows(desk: DepotsDesk, view: str) -> list[dict[str, object]]:
    with desk.engine.connect() as connection:
        return [dict(row) for row in connection.execute(text(f"SELECT * FROM {view}")).mappings()]  # noqa: S608


def test_columns_are_added_at_the_end_of_a_view(desk: DepotsDesk) -> None:
    expected = EXPORT_BEFORE + EXPORT_ADDED
    assert _columns(desk, "derniers_exports")[: len(expected)] == expected
    assert _columns(desk, "demandes")[10:12] == ("sender", "request_id")
    assert _columns(desk, "habilitations")[:4] == ("agent", "email", "code_commune", "nom_commune")
    assert _columns(desk, "journal") == ("at", "actor", "action", "code_commune", "export_id", "detail")


def test_the_migration_makes_the_table_that_the_code_expects(desk: DepotsDesk) -> None:
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)
    for name in ("export", "request", "audit", Depot.__tablename__):
        Base.metadata.tables[name].to_metadata(metadata)

    def is_wanted(_item: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
        return kind == "column" or name in {"audit", "depot"}

    with desk.engine.connect() as connection:
        options = {"compare_type": True, "include_object": is_wanted}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


@pytest.mark.slow
def test_a_verdict_is_one_of_two(desk: DepotsDesk) -> None:
    row = desk.make()
    desk.deposit(row["export_id"])
    with pytest.raises(IntegrityError):
        desk.run("UPDATE depot SET verdict = 'peut-être'")


@pytest.mark.slow
def test_going_back_loses_the_deposits_only(desk: DepotsDesk) -> None:
    row = desk.make()
    desk.deposit(row["export_id"])
    before = _rows(desk, "derniers_exports")

    downgrade(desk.engine, "0005")
    assert not _views(desk) & NEW_VIEWS
    assert "depot" not in inspect(desk.engine).get_table_names()
    assert _columns(desk, "derniers_exports") == EXPORT_BEFORE
    assert _rows(desk, "derniers_exports") == [{name: before[0][name] for name in EXPORT_BEFORE}]

    migrate(desk.engine)
    assert _views(desk) >= NEW_VIEWS
    (again,) = _rows(desk, "derniers_exports")
    assert again["deposited_on"] is None
    assert {name: again[name] for name in EXPORT_BEFORE} == {name: before[0][name] for name in EXPORT_BEFORE}
    assert desk.deposit(row["export_id"])["outcome"] == "accepted"
