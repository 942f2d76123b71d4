"""Bring a database to the newest form, or tell whether it is."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from worker.db.grants import grant
from worker.db.revision import is_usable
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
        config = _config(connection)
        try:
            command.upgrade(config, revision)
        except CommandError:
            if is_usable(connection):  # after a rollback
                return
            raise ConfigurationError(
                "la base a été mise à jour par une version plus récente de ce logiciel : employez celle-là"
            ) from None
        if revision == "head":
            connection.execute(text("UPDATE alembic_version SET works_with = :oldest"), {"oldest": _oldest(config)})
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


def _oldest(config: Config) -> str:
    """The oldest revision whose code works on the newest form: that of the last migration with `BREAKS_FORMER`."""
    script = ScriptDirectory.from_config(config)
    return next(it.revision for it in script.walk_revisions() if getattr(it.module, "BREAKS_FORMER", False))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config
