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
FROM export e JOIN request r ON r.id = e.request_id LEFT JOIN commune c ON c.code = e.code_commune{joined}
"""

DERNIERS_EXPORTS_0001 = _DERNIERS_EXPORTS.format(added="", joined="")
_OF_0003 = ", e.kind, e.type_tableau, e.presentation, e.edition, e.pages"
DERNIERS_EXPORTS_0003 = _DERNIERS_EXPORTS.format(added=_OF_0003, joined="")
_OF_0004 = f"{_OF_0003}, e.is_bulk, e.purged_at, e.verified_at"
DERNIERS_EXPORTS_0004 = _DERNIERS_EXPORTS.format(added=_OF_0004, joined="")
_OF_0006 = f"""{_OF_0004}, r.id AS request_id, e.anomalies, e.differences,
       d.deposited_on, coalesce(d.deposited_by, '') AS deposited_by, coalesce(d.remarque, '') AS remarque,
       coalesce(d.verdict, '') AS verdict, d.verdict_on, coalesce(d.answer, '') AS answer,
       e.downloaded_at, e.downloaded_by, e.parameters"""
DERNIERS_EXPORTS_0006 = _DERNIERS_EXPORTS.format(added=_OF_0006, joined=" LEFT JOIN depot d ON d.export_id = e.id")
DERNIERS_EXPORTS_0009 = _DERNIERS_EXPORTS.format(
    added=f"{_OF_0006}, e.provisoire_until", joined=" LEFT JOIN depot d ON d.export_id = e.id"
)
DERNIERS_EXPORTS_0016 = _DERNIERS_EXPORTS.format(
    added=f"""{_OF_0006}, e.provisoire_until, e.rests_on, rc.created_at AS recalled_at,
       coalesce(rc.because, '') AS recalled_because""",
    joined=" LEFT JOIN depot d ON d.export_id = e.id LEFT JOIN recall rc ON rc.id = e.recall_id",
)
DERNIERS_EXPORTS_0017 = _DERNIERS_EXPORTS.format(
    added=f"""{_OF_0006}, e.provisoire_until, e.rests_on, rc.created_at AS recalled_at,
       coalesce(rc.because, '') AS recalled_because, e.reconciliation""",
    joined=" LEFT JOIN depot d ON d.export_id = e.id LEFT JOIN recall rc ON rc.id = e.recall_id",
)

_DEMANDES = """
SELECT r.source, r.event_id, r.correlation_id, r.event_type, r.code_commune, r.requested_by,
       r.created_at AS requested_at, r.outcome, r.reason, r.told_at{added}
FROM request r
"""

DEMANDES_0001 = _DEMANDES.format(added="")
DEMANDES_0004 = _DEMANDES.format(added=", r.sender")
DEMANDES_0006 = _DEMANDES.format(added=", r.sender, r.id AS request_id")
DEMANDES_0012 = _DEMANDES.format(added=", r.sender, r.id AS request_id, r.code")

HABILITATIONS_0006 = """
SELECT a.name AS agent, a.email, a.code_commune, coalesce(c.nom, '') AS nom_commune
FROM agent a LEFT JOIN commune c ON c.code = a.code_commune
"""
REGISTRES_0006 = """
SELECT l.code_commune, coalesce(c.nom, '') AS nom_commune, l.liste, il.electeurs,
       i.finished_at AS imported_at, i.imported_by
FROM liste l LEFT JOIN commune c ON c.code = l.code_commune
     LEFT JOIN import_liste il ON il.import_id = l.version AND il.code_commune = l.code_commune AND il.liste = l.liste
     LEFT JOIN import i ON i.id = il.import_id
"""
SCRUTINS_0006 = "SELECT s.code_commune, s.date AS jour, s.libelle, s.cloture FROM scrutin s"
REUNIONS_0006 = "SELECT m.code_commune, m.liste, m.date AS jour FROM commission m"
JOURNAL_0006 = """
SELECT a.at, a.actor, a.action, a.code_commune, a.export_id, a.detail
FROM audit a WHERE a.code_commune <> '' AND a.export_id IS NOT NULL
"""

ENVOIS_0007 = """
SELECT n.request_id, n.code_commune, n.subject, n.kind, n.channel, n.address, n.created_at, n.sent_at, n.refusal,
       n.attempts
FROM notification n
"""


def extend_view(name: str, query: str) -> None:
    """Give a view more columns, at its end; the rights that accounts have on it stay."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")
    else:
        op.execute(f"DROP VIEW {name}")
        op.execute(f"CREATE VIEW {name} AS {query}")
