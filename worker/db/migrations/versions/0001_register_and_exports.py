"""Register, requests, exports, notifications, and the views that producers read."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from worker.db.migrations.views import DEMANDES_0001, DERNIERS_EXPORTS_0001
from worker.db.types import Texte, UtcDateTime, utc_now

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EMPTY = sa.text("''")
_ELECTEUR_TEXTS = (
    "code_bureau",
    "sexe",
    "nom_naissance",
    "nom_usage",
    "prenoms",
    "date_naissance",
    "code_commune_naissance",
    "commune_naissance",
    "departement_naissance",
    "pays_naissance",
    "nationalite",
    "complement1",
    "complement2",
    "numero_voie",
    "type_voie",
    "libelle_voie",
    "lieu_dit",
    "code_postal",
    "ville",
    "pays",
)
_BUREAU_TEXTS = ["libelle", "code_canton", "libelle_canton", "code_circonscription", "libelle_circonscription"]


def upgrade() -> None:
    """Create everything."""
    for name, columns in _tables():
        op.create_table(name, *columns)
    _create_indexes()
    op.execute(f"CREATE VIEW derniers_exports AS {DERNIERS_EXPORTS_0001}")
    op.execute(f"CREATE VIEW demandes AS {DEMANDES_0001}")


def downgrade() -> None:
    """Drop everything."""
    for view in ("demandes", "derniers_exports"):
        op.execute(f"DROP VIEW {view}")
    for name, _ in reversed(list(_tables())):
        op.drop_table(name)


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, Texte, primary_key=key, nullable=False)


def _empty_text(name: str) -> sa.Column[str]:
    return sa.Column(name, Texte, nullable=False, server_default=_EMPTY)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


def _instant(name: str) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime, nullable=True)


def _born_now(name: str) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime, nullable=False, server_default=utc_now())


def _version() -> sa.Column[int]:
    return sa.Column("version", sa.BigInteger, nullable=False, server_default="0")


def _tables() -> Iterator[tuple[str, list[sa.schema.SchemaItem]]]:
    yield from _register_tables()
    yield from _export_tables()
    yield from _notifier_tables()


def _register_tables() -> Iterator[tuple[str, list[sa.schema.SchemaItem]]]:
    yield "commune", [_text("code", key=True), _text("nom"), _text("code_departement")]
    yield (
        "bureau",
        [_text("code_commune", key=True), _text("code", key=True), *(_empty_text(name) for name in _BUREAU_TEXTS)],
    )
    yield "liste", [_text("code_commune", key=True), _text("liste", key=True), _version()]
    yield (
        "electeur",
        [
            sa.Column("id", _ID, primary_key=True),
            _text("code_commune"),
            _text("liste"),
            _version(),
            sa.Column("numero_ordre", sa.Integer),
            sa.Column("numero_general", sa.Integer),
            *(_empty_text(name) for name in _ELECTEUR_TEXTS),
            _count("nettoyages"),
        ],
    )
    yield (
        "import",
        [
            sa.Column("id", _ID, primary_key=True),
            *(_text(name) for name in ("file_name", "sha256", "imported_by")),
            _born_now("started_at"),
            _instant("finished_at"),
            _instant("undone_at"),
            *(_count(name) for name in ("lines_read", "lines_kept", "lines_rejected", "values_cleaned")),
            sa.Column("bureaux_before", sa.JSON, nullable=False),
        ],
    )
    yield (
        "import_liste",
        [
            sa.Column("import_id", _ID, sa.ForeignKey("import.id"), primary_key=True),
            _text("code_commune", key=True),
            _text("liste", key=True),
            sa.Column("electeurs", sa.Integer, nullable=False),
            sa.Column("version_before", sa.BigInteger),
        ],
    )


def _export_tables() -> Iterator[tuple[str, list[sa.schema.SchemaItem]]]:
    yield (
        "request",
        [
            sa.Column("id", _ID, primary_key=True),
            *(_text(name) for name in ("source", "event_id", "event_type", "correlation_id")),
            *(_text(name) for name in ("code_commune", "requested_by")),
            sa.Column("created_at", UtcDateTime, nullable=False),
            *(_text(name) for name in ("outcome", "reason")),
            _instant("told_at"),
            sa.Column("teller", Texte),
            _instant("teller_lease"),
            _instant("tell_after"),
            _count("tell_attempts"),
            sa.UniqueConstraint("source", "event_id", name="uq_request_source_event_id"),
        ],
    )
    yield (
        "export",
        [
            sa.Column("id", _ID, primary_key=True),
            sa.Column("request_id", _ID, sa.ForeignKey("request.id"), nullable=False),
            *(_text(name) for name in ("part", "code_commune", "liste", "format", "file_name", "label", "status")),
            _born_now("created_at"),
            sa.Column("owner", Texte),
            _instant("lease_until"),
            _count("attempts"),
            _count("retries"),
            *(_instant(name) for name in ("not_before", "rung_at", "started_at", "finished_at")),
            sa.Column("electeurs", sa.Integer),
            *(_count(name) for name in ("lines_written", "mineurs", "bloquantes", "remarques")),
            sa.Column("anomalies", sa.JSON, nullable=False),
            sa.Column("size", sa.BigInteger),
            sa.Column("sha256", Texte),
            sa.Column("report_name", Texte),
            sa.Column("report_size", sa.BigInteger),
            sa.Column("report_sha256", Texte),
            _empty_text("error_code"),
            _empty_text("error_message"),
            _instant("published_at"),
            sa.UniqueConstraint("request_id", "part", name="uq_export_request_id_part"),
            sa.UniqueConstraint("file_name", name="uq_export_file_name"),
        ],
    )


def _notifier_tables() -> Iterator[tuple[str, list[sa.schema.SchemaItem]]]:
    yield "agent", [_text("name", key=True), _text("code_commune", key=True), _text("email")]
    yield (
        "notification",
        [
            sa.Column("request_id", _ID, sa.ForeignKey("request.id"), primary_key=True),
            _text("email", key=True),
            _text("message_id"),
            _instant("sent_at"),
            _empty_text("refusal"),
        ],
    )


def _create_indexes() -> None:
    numero = sa.text("numero_ordre" if op.get_bind().dialect.name == "sqlite" else "numero_ordre NULLS FIRST")
    op.create_index("ix_electeur_ordre", "electeur", ["code_commune", "liste", "version", "code_bureau", numero])
    op.create_index("ix_export_status", "export", ["status"])
    op.create_index("ix_export_recent", "export", ["code_commune", "created_at"])
    op.create_index("ix_request_untold", "request", ["told_at"])
