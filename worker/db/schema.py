"""The whole schema of a new database: the tables of all models, their first rows, views, functions and triggers.

The only module of `worker.db` that knows the models of other packages.
"""

from uuid import uuid4

from sqlalchemy import Connection, insert, text

from worker.access.models import Agent
from worker.arrivals import Preview
from worker.audit import Audit
from worker.db.functions import function_statements
from worker.db.types import Base
from worker.db.views import view_queries
from worker.exports.models import Export
from worker.exports.storage import Volume
from worker.notifier.models import Notification
from worker.parked import Parked
from worker.registre.models import Scrutin
from worker.work.models import Work

ROOMS = (Preview, Audit, Export, Volume, Notification, Agent, Parked, Scrutin, Work)
"""A model of each module that has tables: to import one declares all tables of its module."""

# Décret n° 2025-848 of 27 August 2025 (JORF n° 0199 of the 28th), art. 1. A second round is held in some communes only:
# each notes its own. What the operator has noted of that day stays.
_DECREED_SCRUTIN = """
INSERT INTO scrutin (code_commune, date, libelle)
SELECT '', '2026-03-15', 'Élections municipales et communautaires, 1er tour (décret n° 2025-848 du 27 août 2025)'
WHERE NOT EXISTS (SELECT 1 FROM scrutin WHERE code_commune = '' AND date = '2026-03-15')
"""


def create_tables(connection: Connection) -> None:
    """Create the tables and indexes of all models, with the rows that the code expects."""
    Base.metadata.create_all(connection, checkfirst=False)
    _put_last(connection, "ix_export_commune")
    connection.execute(insert(Volume).values(name="exports", token=uuid4().hex))
    add_decreed_scrutin(connection)


def _put_last(connection: Connection, name: str) -> None:
    """Make an index again, after the others: of two that serve as well, SQLite takes the last one made."""
    (index,) = (index for index in Base.metadata.tables["export"].indexes if index.name == name)
    index.drop(connection)
    index.create(connection)


def add_decreed_scrutin(connection: Connection) -> None:
    """Add the national poll that a decree has fixed, unless the operator has noted a poll of that day."""
    connection.execute(text(_DECREED_SCRUTIN))


def replace_views_and_functions(connection: Connection) -> None:
    """Bring all views, functions and triggers to the text of this release; rights on the views remain."""
    dialect = connection.dialect.name
    for name, query in view_queries(dialect).items():
        if dialect == "sqlite":
            connection.execute(text(f"DROP VIEW IF EXISTS {name}"))
        replace = "OR REPLACE " if dialect == "postgresql" else ""
        connection.execute(text(f"CREATE {replace}VIEW {name} AS {query}"))
    for statement in function_statements(dialect):
        connection.execute(text(statement))
