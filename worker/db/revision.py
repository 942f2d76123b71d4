"""Whether a database has the form that this code needs, told without Alembic: a worker has no use for it."""

from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from common.database import explain_database_tls
from worker.errors import ConfigurationError

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


def require_current(engine: Engine) -> None:
    """Refuse to start on a database that was not migrated or is not who it should be; one that is away is waited for.

    Raises:
        ConfigurationError: it lacks tables or migrations, or its certificate is refused; the message says what to do.
    """
    try:
        with engine.connect() as connection:
            fits = is_usable(connection)
    except OperationalError as error:
        if reason := explain_database_tls(str(error.orig)):
            raise ConfigurationError(
                f"la base de données est refusée : {reason} ; corrigez PREFECTURE_DATABASE_URL ou SSL_CERT_FILE"
            ) from None
        if engine.dialect.name != "sqlite" or "no such table" not in str(error.orig):
            return
        fits = False
    except DBAPIError:
        fits = False
    if not fits:
        raise ConfigurationError("la base de données n'est pas prête : lancez « python -m worker migrate »")


def is_usable(connection: Connection) -> bool:
    """Whether this code works on it: it is migrated, or newer in a way that this code's revision still works with.

    Raises:
        DBAPIError: it has no tables, or of a time when it did not say what it works with.
    """
    query = text("SELECT version_num, works_with FROM alembic_version")
    rows, ours = connection.execute(query), newest()
    return any(found == ours or (works_with or found) <= ours < found for found, works_with in rows)


def newest() -> str:
    """The last revision: files are named by their number."""
    return max(path.name[:4] for path in _VERSIONS.glob("[0-9]*.py"))
