"""Bring a database to the newest form, or tell whether it is."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

from worker.db.grants import grant
from worker.errors import ConfigurationError

_LOCK = 0x70726566  # « pref »
_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(engine: Engine, revision: str = "head") -> None:
    """Run the missing migrations, in one transaction; doing it twice, or two at once, does nothing more.

    Raises:
        ConfigurationError: the database is newer than this code.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        try:
            command.upgrade(_config(connection), revision)
        except CommandError:
            raise ConfigurationError(
                "la base a été mise à jour par une version plus récente de ce logiciel : employez celle-là"
            ) from None
        if connection.dialect.name == "postgresql" and revision == "head":
            grant(connection)


def downgrade(engine: Engine, revision: str = "base") -> None:
    """Undo migrations down to `revision`."""
    with engine.begin() as connection:
        command.downgrade(_config(connection), revision)


def current_revision(engine: Engine) -> tuple[str | None, str | None]:
    """The database's revision and the newest one."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        return context.get_current_revision(), ScriptDirectory(str(_MIGRATIONS)).get_current_head()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config
