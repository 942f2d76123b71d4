"""Migrations 0008, 0045 and 0052: links of what was imported before, and gaps; decreed polls and their own days."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Date, Engine, MetaData, bindparam, text

from common.calendrier import last_round
from schemas.vocabulary import Liste
from tests.parts.databases import Template
from worker.db.engine import build_engine
from worker.db.migrate import downgrade, migrate
from worker.db.types import Base
from worker.domain.tableau.couverture import Link
from worker.registre.imports.chain import read_chain
from worker.registre.scrutins import Reunion, select_reunions, select_scrutins, set_scrutin

TABLES = ("import", "import_liste", "scrutin", "commission", "reminder", "reminder_echeance")
_REMINDED = text(
    "INSERT INTO reminder_echeance (code_commune, echeance, due_on, days, until, scrutin, reminder_id)"
    " VALUES ('13900', 'commission', '2026-11-20', :days, '2026-12-30', :scrutin, 1)"
).bindparams(bindparam("scrutin", type_=Date))

_IMPORT = """INSERT INTO import (id, kind, file_name, sha256, imported_by, started_at, finished_at, lines_read,
             lines_kept, lines_rejected, values_cleaned, bureaux_before)
             VALUES (:id, 'reu', 'reu.csv', 'x', 'mairie', :at, :at, 1, 1, 0, 0, '[]')"""
_LISTE = "INSERT INTO import_liste VALUES (:id, '13900', 'P', 98, :before)"
_MOUVEMENT = """INSERT INTO mouvement (code_commune, liste, import_id, nature, effet, etat, date_tableau,
                                       date_mouvement)
                VALUES ('13900', 'P', 2, 'radiation', 'Immediat', 'applique', '2026-10-20', '2026-10-20')"""
NIGHT = "2026-11-09 23:30:00.000+00:00"
"""Half past midnight of the 10th, in Paris."""


def _prepare(url: str) -> None:
    engine = build_engine(url)
    migrate(engine, "0007")
    with engine.begin() as connection:
        for number, at in ((1, "2026-09-10 08:00:00.000"), (2, "2026-10-20 08:00:00.000"), (3, NIGHT)):
            instant = at if engine.dialect.name == "postgresql" else at[:23]
            connection.execute(text(_IMPORT), {"id": number, "at": instant})
            connection.execute(text(_LISTE), {"id": number, "before": number - 1 or None})
        connection.execute(text(_MOUVEMENT))
    engine.dispose()


pytestmark = [pytest.mark.integration, pytest.mark.database(Template("before-the-chain", _prepare))]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = build_engine(database_url)
    yield engine
    engine.dispose()


def test_what_left_no_mouvement_is_a_gap(engine: Engine) -> None:
    migrate(engine)
    with engine.connect() as connection:
        chain = read_chain(connection, "13900", Liste.PRINCIPALE)
    first, compared, gap = (replace(link, electeurs=None, growth=0, held=None) for link in chain.links)
    assert first == Link(date(2026, 9, 10), is_dated=False, is_compared=False, import_id=1)
    assert compared == Link(date(2026, 10, 20), is_dated=False, is_compared=True, undated=1, import_id=2)
    assert (gap.is_compared, gap.taken_on) == (False, date(2026, 11, 10)), "the day is that of Paris"
    assert chain.words == []


@pytest.mark.slow
def test_the_tables_are_those_that_the_code_expects(engine: Engine) -> None:
    migrate(engine)
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)
    for name in TABLES:
        Base.metadata.tables[name].to_metadata(metadata)

    def is_wanted(_item: object, name: str | None, kind: str, reflected: bool, _other: object) -> bool:
        return name in TABLES if kind == "table" else not (kind == "index" and reflected)

    with engine.connect() as connection:
        options = {"compare_type": True, "include_object": is_wanted}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


@pytest.mark.slow
def test_it_goes_back_and_forth(engine: Engine) -> None:
    migrate(engine)
    downgrade(engine, "0007")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM import_liste")) == 3
    migrate(engine)


def test_the_poll_of_a_decree_comes_and_what_the_operator_said_of_that_day_stays(engine: Engine) -> None:
    migrate(engine, "0044")
    migrate(engine)
    with engine.begin() as connection:
        (decreed,) = select_scrutins(connection)
        assert (decreed.date, last_round(decreed.date, decreed.libelle)) == (date(2026, 3, 15), date(2026, 3, 22))
        assert "décret n° 2025-848" in decreed.libelle
        set_scrutin(connection, decreed._replace(libelle="Municipales"))
    for revision in ("0044", "head"):
        (downgrade if revision == "0044" else migrate)(engine, revision)
        with engine.connect() as connection:
            assert connection.scalars(text("SELECT libelle FROM scrutin")).all() == ["Municipales"]


def test_polls_and_meetings_keep_their_usual_days_and_the_way_back(engine: Engine) -> None:
    migrate(engine, "0047")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO commission VALUES ('13900', '', '2026-11-13')"))
    migrate(engine)
    with engine.begin() as connection:
        (decreed,) = select_scrutins(connection)
        assert (decreed.publication_due, decreed.has_commission, decreed.texte) == (None, True, "")
        assert select_reunions(connection, "13900") == [Reunion("", date(2026, 11, 13))]
        connection.execute(text("INSERT INTO reminder (id, code_commune, day) VALUES (1, '13900', '2026-11-20')"))
        for number, scrutin in enumerate((None, date(2026, 12, 6))):
            connection.execute(_REMINDED, {"scrutin": scrutin, "days": number})
    downgrade(engine, "0047")
    with engine.connect() as connection:
        left = connection.execute(text("SELECT days FROM reminder_echeance")).scalars().all()
        columns = [list(connection.execute(text(f"SELECT * FROM {view}")).keys()) for view in ("scrutins", "reunions")]  # noqa: S608
    assert left == [1], "a reminder of before is always about a poll"
    assert columns == [["code_commune", "jour", "libelle", "cloture"], ["code_commune", "liste", "jour"]]
    migrate(engine)
