"""Creates the schema of a database or migrates it to the newest revision, and grants the accounts their rights.

The only module of `worker.db` that knows the models of other packages.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, insert, text

from worker.access.models import Agent
from worker.arrivals import Preview
from worker.audit import Audit
from worker.db.engine import newest
from worker.db.functions import function_statements, trigger_statements, view_queries
from worker.db.types import Base
from worker.errors import ConfigurationError
from worker.exports.models import Export
from worker.exports.storage import Volume
from worker.notifier.models import Notification
from worker.registre.models import Scrutin
from worker.work.queue import Work

_MAINTAIN, _MAINTAIN_SINCE = "MAINTAIN", (17,)
"""Renew the statistics of a table: a separate right since this version of PostgreSQL, the owner's alone before."""

_REGISTER = "bureau, commission, commune, electeur, liste, mouvement, protection, scrutin"

_Grants = Sequence[tuple[str, str]]

_TRAIL: _Grants = (("INSERT", "audit"), ("SELECT, INSERT", "audit_word"))
"""Rights to add a line to the audit trail and record the settings of a process."""

_WORK = ("SELECT, INSERT, UPDATE, DELETE", "work")

_REQUESTS: _Grants = (
    ("SELECT", f"agent, alembic_version, doubt, import, import_liste, sender, {_REGISTER}"),
    ("SELECT (code_commune, id, name)", "token"),
    # The columns and tables that declarations about the register change (ADR 0007).
    (
        "UPDATE (born_after, born_before, decision, decided_at, decided_by, modification_id)",
        "doubt",
    ),
    (
        "INSERT, DELETE, UPDATE (categorie, date_mouvement, date_tableau, doubt_id, is_dated, is_protegee, motif)",
        "mouvement",
    ),
    ("INSERT, DELETE", "commission, protection, scrutin"),
    (
        "UPDATE (code_canton, code_circonscription, libelle_canton, libelle_circonscription)",
        "bureau",
    ),
    ("UPDATE (mairie)", "commune"),
    ("UPDATE (identity, kinds)", "agent"),
    ("SELECT (id), INSERT", "recall"),
    ("SELECT, DELETE", "piece"),
    ("SELECT, INSERT, UPDATE", "copie, depot, export, preview, publication, request"),
    ("SELECT, INSERT, DELETE", "early_cancel"),
    ("SELECT", "volume"),
    _WORK,
    *_TRAIL,
)
"""Rights to record requests and declarations."""

_FILES: _Grants = (
    (
        "SELECT",
        "alembic_version, bureau, commune, copie, doubt, electeur, export, homonym, import, import_liste, liste",
    ),
    ("SELECT", "mouvement, protection, publication, request"),
    ("SELECT, UPDATE (marked_at)", "volume"),
    (
        "UPDATE (error_code, error_message, finished_at, lines_written, started_at, status)",
        "export",
    ),
    (
        "UPDATE (a_completer, anomalies, bloquantes, differences, electeurs, mineurs, pages)",
        "export",
    ),
    ("UPDATE (reconciliation, remarques)", "export"),
    ("UPDATE (fault, profile, purged_at, rests_on, sha256, size, verified_at)", "export"),
    (
        "SELECT (deposited_on, export_id, fingerprint, fingerprint_key, fingerprint_reason, verdict)",
        "depot",
    ),
    ("UPDATE (fingerprint, fingerprint_key, fingerprint_reason)", "depot"),
    ("SELECT, INSERT, DELETE", "piece"),
    ("UPDATE (completed_at)", "request"),
    _WORK,
)
"""Rights to claim a work, read the register, make the file and record it. The account inserts no request."""

_LECTURE: _Grants = (
    (
        "SELECT",
        "apercus, bureaux, demandes, derniers_exports, envois, habilitations, imports, journal, registres",
    ),
    ("SELECT", "mouvements_comptes, pieces, reunions, scrutins"),
)

GRANTS: Mapping[str, _Grants] = {
    "prefecture_requests": _REQUESTS,
    "prefecture_files": _FILES,
    # Imports into the register, makes no file (ADR 0007).
    "prefecture_registre": (
        ("SELECT", f"alembic_version, kept_version, {_REGISTER}"),
        ("SELECT, INSERT, UPDATE, DELETE", "import"),
        ("SELECT, INSERT", "doubt, homonym, import_liste, mouvement"),
        ("UPDATE (absorbed_by, absorbed_into)", "import_liste"),
        ("INSERT, UPDATE, DELETE", "bureau"),
        # To undo or redate an import: its mouvements, and the files to recall.
        (
            "DELETE, UPDATE (categorie, date_mouvement, date_tableau, doubt_id, is_dated, motif)",
            "mouvement",
        ),
        (
            "UPDATE (born_after, born_before, decision, decided_at, decided_by, modification_id)",
            "doubt",
        ),
        ("INSERT", "protection"),
        ("DELETE", "doubt, homonym"),
        (
            "SELECT (a_completer, bloquantes, code_commune, downloaded_at, edition, id, kind, label)",
            "export",
        ),
        ("SELECT (liste, provisoire_until, recall_id, rests_on, status)", "export"),
        ("UPDATE (label, recall_id, status)", "export"),
        ("SELECT (deposited_on, export_id, verdict)", "depot"),
        ("SELECT (export_id, published_on)", "publication"),
        ("SELECT (id), INSERT", "recall"),
        ("INSERT, UPDATE, DELETE", "electeur, liste"),
        (_MAINTAIN, "electeur"),
        ("SELECT, UPDATE", "preview"),
        ("SELECT (completed_at, fair_tag, id, lane), UPDATE (completed_at)", "request"),
        ("SELECT (id, part, request_id)", "export"),
        _WORK,
        ("SELECT (name)", "agent"),
        *_TRAIL,
    ),
    # This account reads no row of an elector.
    "prefecture_notifier": (
        (
            "SELECT",
            "agent, alembic_version, commission, commune, export, liste, recall, recipient, request",
        ),
        ("SELECT", "piece, scrutin, volume"),
        ("SELECT (created_at), DELETE", "early_cancel"),
        ("SELECT, UPDATE (finished_at, status)", "preview"),
        ("UPDATE (purged_at)", "export"),
        ("UPDATE (notified_at)", "request"),
        _WORK,
        ("SELECT, INSERT, UPDATE", "notification"),
        ("SELECT, INSERT", "reminder"),
        ("SELECT (account, created_at, event_id, id), INSERT, DELETE", "answer"),
        ("SELECT (decided_on, id, recue_on), DELETE", "copie"),
        ("UPDATE (disabled_at)", "recipient"),
        ("SELECT (deposited_on, export_id), UPDATE (answer)", "depot"),
        ("SELECT (export_id, published_on, published_until, withdrawn_on)", "publication"),
        ("SELECT", "audit"),
        ("SELECT, DELETE", "audit_unlogged"),
        (
            "EXECUTE",
            "FUNCTION purge_audit(timestamptz), purge_refused(bigint[]), purge_versions(bigint)",
        ),
        *_TRAIL,
    ),
    # The columns of `work` are for KEDA (deploy/kubernetes/scaling.yaml).
    "prefecture_lecture": (*_LECTURE, ("SELECT (created_at, due_at, kind, lane, state)", "work")),
    "prefecture_ecran": (
        *_LECTURE,
        # These views name electors.
        (
            "SELECT",
            "copies, doutes, electeurs, electeurs_proteges, motifs_notes, mouvements_a_completer",
        ),
        ("SELECT", "jetons, mairies, reponses"),
    ),
}
"""The rights of each account but the owner."""

_OURS = """
SELECT string_agg(quote_ident(relname), ', ') FROM pg_class
WHERE CAST(relkind AS text) = ANY(:kinds)
AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('request'))
AND relowner = (SELECT relowner FROM pg_class WHERE oid = to_regclass('request'))
"""


def grant(connection: Connection) -> None:
    """Grant the existing accounts these rights, and revoke all others; an account that inserts rows numbers them."""
    existing = set(connection.scalars(text("SELECT rolname FROM pg_roles")))
    tables, sequences = (
        connection.scalar(text(_OURS), {"kinds": kinds}) for kinds in (["r", "v"], ["S"])
    )
    for account in sorted(GRANTS.keys() & existing):
        connection.execute(text(f"REVOKE ALL ON {tables} FROM {account}"))
        for rights, things in GRANTS[account]:
            if (
                rights == _MAINTAIN
                and (connection.dialect.server_version_info or ()) < _MAINTAIN_SINCE
            ):
                continue
            connection.execute(text(f"GRANT {rights} ON {things} TO {account}"))
        if any("INSERT" in rights for rights, _ in GRANTS[account]):
            connection.execute(text(f"GRANT USAGE ON SEQUENCE {sequences} TO {account}"))


_LOCK = 0x70726566  # « pref »
_MIGRATIONS = Path(__file__).parent / "migrations"

_RELEASE_BEFORE = "0044"
"""The revision of release 0.3.0, from which the first migration starts."""


def migrate(engine: Engine) -> None:
    """Create the schema, or run the missing migrations, in one transaction. A second run changes nothing.

    Raises:
        ConfigurationError: the database is newer than this code, or older than the revision of the first migration.
    """
    with engine.begin() as connection:
        is_server = connection.dialect.name == "postgresql"
        if is_server:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        found = require_migratable(connection)
        if found != newest():
            config = _config(connection)
            if found is None:
                create_tables(connection)
                command.stamp(config, "head")
            else:
                if found < ScriptDirectory.from_config(config).get_bases()[0]:
                    command.stamp(config, "base", purge=True)
                command.upgrade(config, "head")
            replace_views_and_functions(connection)
        elif is_server:
            # The tables are current, but a function may be older than this code, or changed by hand.
            replace_functions(connection)
        if is_server:
            grant(connection)


def require_migratable(connection: Connection) -> str | None:
    """Return the revision of a database that `migrate` accepts, None if it is empty. Change nothing.

    Raises:
        ConfigurationError: as `migrate`.
    """
    found = _revision(connection)
    if found is not None and found > newest():
        raise ConfigurationError(
            "la base a été mise à jour par une version plus récente de ce logiciel : employez celle-là"
        )
    is_former = (
        found is not None
        and found < ScriptDirectory.from_config(_config(connection)).get_bases()[0]
    )
    if is_former and found != _RELEASE_BEFORE:
        raise ConfigurationError(
            f"la base est celle d'une version trop ancienne (révision {found}) : installez d'abord la version 0.3.0 "
            f"(révision {_RELEASE_BEFORE}), lancez « python -m worker migrate », puis revenez à cette version"
        )
    return found


def current_revision(engine: Engine) -> tuple[str | None, str]:
    """Return the database's revision and the newest one."""
    with engine.connect() as connection:
        return _revision(connection), newest()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


ROOMS = (Preview, Audit, Export, Volume, Notification, Agent, Scrutin, Work)
"""A model of each module that has tables: its import declares all tables of the module."""

# Décret n° 2025-848 of 27 August 2025 (JORF n° 0199 of the 28th), art. 1. Only some communes have a second round: each
# records its own. A poll that the operator has recorded for that day stays.
_DECREED_SCRUTIN = """
INSERT INTO scrutin (code_commune, date, libelle)
SELECT '', '2026-03-15', 'Élections municipales et communautaires, 1er tour (décret n° 2025-848 du 27 août 2025)'
WHERE NOT EXISTS (SELECT 1 FROM scrutin WHERE code_commune = '' AND date = '2026-03-15')
"""


def create_tables(connection: Connection) -> None:
    """Create the tables and indexes of all models, with the rows that the code expects."""
    Base.metadata.create_all(connection, checkfirst=False)
    # of two equally good indexes SQLite uses the last one
    (last,) = (
        index
        for index in Base.metadata.tables["export"].indexes
        if index.name == "ix_export_commune"
    )
    last.drop(connection)
    last.create(connection)
    connection.execute(insert(Volume).values(name="exports", token=uuid4().hex))
    add_decreed_scrutin(connection)


def add_decreed_scrutin(connection: Connection) -> None:
    """Add the national poll of the decree, unless the operator has recorded a poll of that day."""
    connection.execute(text(_DECREED_SCRUTIN))


def replace_views_and_functions(connection: Connection) -> None:
    """Replace all views, functions and triggers by those of this release; rights on the views remain."""
    dialect = connection.dialect.name
    for name, query in view_queries(dialect).items():
        if dialect == "sqlite":
            connection.execute(text(f"DROP VIEW IF EXISTS {name}"))
        replace = "OR REPLACE " if dialect == "postgresql" else ""
        connection.execute(text(f"CREATE {replace}VIEW {name} AS {query}"))
    if dialect == "postgresql":
        replace_functions(connection)
    for statement in trigger_statements(dialect, Base.metadata.tables["electeur"].columns.keys()):
        connection.execute(text(statement))


_SCHEMA_OF_TABLES = """
SELECT CAST(CAST(relnamespace AS regnamespace) AS text) FROM pg_class WHERE oid = to_regclass('request')
"""


def replace_functions(connection: Connection) -> None:
    """Replace all functions of PostgreSQL by those of this release; rights on them remain."""
    schema = connection.scalar(text(_SCHEMA_OF_TABLES))
    for statement in function_statements(str(schema)):
        connection.execute(text(statement))
