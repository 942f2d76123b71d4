"""The views that producers read: a contract, so columns are added and never changed (docs/operations.md).

Each is kept under the revision that gave it its form.
"""

from alembic import op

_DERNIERS_EXPORTS = """
SELECT e.id AS export_id, r.source, r.event_id, r.correlation_id, r.requested_by, r.created_at AS requested_at,
       e.code_commune, coalesce(c.nom, '') AS nom_commune, e.liste, e.format, e.label, e.status,
       e.electeurs, e.lines_written, e.mineurs, e.bloquantes, e.remarques, e.file_name, e.size, e.sha256,
       e.report_name, e.report_size, e.report_sha256, e.error_code, e.error_message,
       e.started_at, e.finished_at{added}
FROM export e JOIN request r ON r.id = e.request_id LEFT JOIN commune c ON c.code = e.code_commune
"""

DERNIERS_EXPORTS_0001 = _DERNIERS_EXPORTS.format(added="")
_OF_0003 = ", e.kind, e.type_tableau, e.presentation, e.edition, e.pages"
DERNIERS_EXPORTS_0003 = _DERNIERS_EXPORTS.format(added=_OF_0003)
DERNIERS_EXPORTS_0004 = _DERNIERS_EXPORTS.format(added=f"{_OF_0003}, e.is_bulk, e.purged_at, e.verified_at")

_DEMANDES = """
SELECT r.source, r.event_id, r.correlation_id, r.event_type, r.code_commune, r.requested_by,
       r.created_at AS requested_at, r.outcome, r.reason, r.told_at{added}
FROM request r
"""

DEMANDES_0001 = _DEMANDES.format(added="")
DEMANDES_0004 = _DEMANDES.format(added=", r.sender")


def extend_view(name: str, query: str) -> None:
    """Give a view more columns, at its end; the rights that accounts have on it stay."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")
    else:
        op.execute(f"DROP VIEW {name}")
        op.execute(f"CREATE VIEW {name} AS {query}")
