"""The views that producers and the screen read: a contract (docs/operations.md).

`migrate` replaces all of them after each change of the tables. PostgreSQL replaces a view only if its former columns
keep their order: new columns are appended.
"""

from collections.abc import Mapping

from common.calendrier import MAJORITE, OVERSEAS, YOUNGEST

_DERNIERS_EXPORTS = """
SELECT e.id AS export_id, r.source, r.event_id, r.correlation_id, r.requested_by, r.created_at AS requested_at,
       e.code_commune, coalesce(c.nom, '') AS nom_commune, e.liste, e.format, e.label, e.status,
       e.electeurs, e.lines_written, e.mineurs, e.bloquantes, e.remarques, e.file_name, e.size, e.sha256,
       e.error_code, e.error_message,
       e.started_at, e.finished_at, e.kind, e.type_tableau, e.presentation, e.edition, e.pages,
       e.is_bulk, e.purged_at, e.verified_at, r.id AS request_id, e.anomalies, e.differences,
       d.deposited_on, coalesce(d.deposited_by, '') AS deposited_by, coalesce(d.remarque, '') AS remarque,
       coalesce(d.verdict, '') AS verdict, d.verdict_on, coalesce(d.answer, '') AS answer,
       e.downloaded_at, e.downloaded_by, e.parameters, e.provisoire_until, e.rests_on, rc.created_at AS recalled_at,
       coalesce(rc.because, '') AS recalled_because, e.reconciliation,
       CASE WHEN im.finished_at > r.created_at THEN im.finished_at END AS outdated_at,
       coalesce(p.mode, '') AS publication_mode, p.published_on, p.published_until,
       coalesce(p.published_by, '') AS published_by, p.certified_on,
       e.a_completer, coalesce(p.reason, '') AS publication_reason, p.withdrawn_on,
       coalesce((SELECT {by_kind}(s.kind, {document}('file_name', s.file_name, 'size', s.size, 'sha256', s.sha256))
                 FROM piece s WHERE s.export_id = e.id), '{{}}') AS pieces
FROM export e JOIN request r ON r.id = e.request_id LEFT JOIN commune c ON c.code = e.code_commune
     LEFT JOIN depot d ON d.export_id = e.id LEFT JOIN recall rc ON rc.id = e.recall_id
     LEFT JOIN liste l ON l.code_commune = e.code_commune AND l.liste = e.liste
     LEFT JOIN import im ON im.id = l.version LEFT JOIN publication p ON p.export_id = e.id
"""
_PIECES = "SELECT s.export_id, s.kind, s.file_name, s.sha256 FROM piece s"
_DEMANDES = """
SELECT r.source, r.event_id, r.correlation_id, r.event_type, r.code_commune, r.requested_by,
       r.created_at AS requested_at, r.outcome, r.reason, r.notified_at, r.sender, r.id AS request_id, r.code,
       r.kind
FROM request r
"""
_HABILITATIONS = """
SELECT a.name AS agent, a.email, a.code_commune, coalesce(c.nom, '') AS nom_commune, a.identity, a.sessions_ended,
       a.kinds AS wishes, a.may_protect
FROM agent a LEFT JOIN commune c ON c.code = a.code_commune
"""
_REGISTRES = """
SELECT l.code_commune, coalesce(c.nom, '') AS nom_commune, l.liste, il.electeurs,
       i.finished_at AS imported_at, i.imported_by, i.taken_on, i.is_dated,
       CASE WHEN il.import_id IS NOT NULL THEN {mineurs} END AS mineurs
FROM liste l LEFT JOIN commune c ON c.code = l.code_commune
     LEFT JOIN import_liste il ON il.import_id = l.version AND il.code_commune = l.code_commune AND il.liste = l.liste
     LEFT JOIN import i ON i.id = il.import_id
"""
_SCRUTINS = """
SELECT s.code_commune, s.date AS jour, s.libelle, s.cloture, s.publication_due, s.has_commission, s.texte,
       s.reunion_first, s.reunion_last, s.cinq_jours_due FROM scrutin s
"""
_REUNIONS = "SELECT m.code_commune, m.liste, m.date AS jour, m.has_deliberated FROM commission m"
_JOURNAL = """
SELECT a.at, coalesce((SELECT w.words FROM audit_word w WHERE w.pseudonym = a.actor), a.actor) AS actor, a.action,
       a.code_commune, a.export_id,
       coalesce((SELECT replace(a.detail, w.pseudonym, w.words) FROM audit_word w
                 WHERE w.pseudonym = substr(a.detail, length(a.detail) - 37)), a.detail) AS detail,
       a.id AS line_id
FROM audit a WHERE a.code_commune <> '' AND (a.export_id IS NOT NULL OR a.action IN (
       'doubt_decided', 'registre_imported', 'import_undone', 'import_redated', 'reunion_changed', 'scrutin_changed',
       'motifs_completed', 'bureau_described', 'protection_changed', 'wishes_changed', 'electeurs_seen',
       'backup_made', 'backup_restored'))
"""
_BUREAUX = """
SELECT b.code_commune, b.code AS bureau, b.libelle, b.code_canton, b.libelle_canton, b.code_circonscription,
       b.libelle_circonscription
FROM bureau b
"""

# The next views name electors: only the account of the screen reads them.
_ELECTEURS = """
SELECT e.id AS electeur, e.code_commune, e.liste, e.nom_naissance, e.nom_usage, e.prenoms, e.date_naissance
FROM electeur e JOIN liste l ON l.code_commune = e.code_commune AND l.liste = e.liste AND l.version = e.version
"""
_PROTEGES = """
SELECT p.id AS protection, p.code_commune, p.nom_naissance, p.prenoms, p.date_naissance FROM protection p
"""
_MOUVEMENTS = """
SELECT m.id AS mouvement, m.code_commune, m.liste, m.nature, m.date_mouvement AS jour, m.nom_naissance, m.nom_usage,
       m.prenoms, m.date_naissance, m.nouveau_bureau, m.ancien_bureau, m.categorie, m.motif, m.is_dated,
       (SELECT i.taken_on FROM import i JOIN import_liste il ON il.import_id = i.id
        WHERE il.code_commune = m.code_commune AND il.liste = m.liste AND i.id < m.import_id
          AND i.finished_at IS NOT NULL AND i.undone_at IS NULL ORDER BY i.id DESC LIMIT 1) AS since,
       (SELECT i.taken_on FROM import i WHERE i.id = m.import_id AND i.kind = 'reu') AS until
FROM mouvement m WHERE m.nature <> 'modification' AND {which}
"""
_SIDE = """m{side}.nom_naissance AS {name}_nom_naissance, m{side}.nom_usage AS {name}_nom_usage,
       m{side}.prenoms AS {name}_prenoms, m{side}.date_naissance AS {name}_date_naissance,
       m{side}.commune_naissance AS {name}_commune_naissance, m{side}.pays_naissance AS {name}_pays_naissance,
       m{side}.adresse AS {name}_adresse, m{side}.{bureau} AS {name}_bureau, m{side}.numero AS {name}_numero"""
_DOUBTS = f"""
SELECT d.id AS doute, d.code_commune, d.liste, d.differs, m2.date_mouvement AS jour,
       {_SIDE.format(side=1, name="radiation", bureau="ancien_bureau")},
       {_SIDE.format(side=2, name="inscription", bureau="nouveau_bureau")}
FROM doubt d JOIN mouvement m1 ON m1.id = d.radiation_id JOIN mouvement m2 ON m2.id = d.inscription_id
WHERE d.decision = ''
"""  # noqa: S608 — our own words

_ENVOIS = """
SELECT n.request_id, n.code_commune, n.subject, n.kind, n.channel, n.address, n.created_at, n.sent_at, n.refusal,
       n.attempts, n.id AS notification_id
FROM notification n
"""
_APERCUS = """
SELECT p.id AS preview_id, r.source, r.event_id, p.code_commune, p.file_name, p.sha256, p.taken_on, p.requested_by,
       p.created_at, p.status, p.lines_read, p.found, p.reason, p.import_id, p.finished_at,
       coalesce(w.requested_by, '') AS wanted_by, p.act
FROM preview p JOIN request r ON r.id = p.request_id LEFT JOIN request w ON w.id = p.import_request_id
"""
_IMPORTS = """
SELECT i.id AS import_id, il.code_commune, il.liste, il.electeurs, il.is_compared, i.file_name, i.taken_on, i.is_dated,
       i.finished_at AS imported_at, i.imported_by, i.undone_at
FROM import i JOIN import_liste il ON il.import_id = i.id WHERE i.finished_at IS NOT NULL
"""
_JETONS = """
SELECT t.id AS jeton, t.name, t.secret_hash, t.code_commune FROM token t WHERE t.revoked_at IS NULL
"""

# The purge keeps these versions of a list: an existing file rests on each.
_KEPT_VERSION = """
SELECT x.code_commune, x.liste, CAST(r.value ->> 'import_id' AS bigint) AS version
FROM export x, {each}(x.rests_on) r
WHERE x.status = 'ready' AND x.purged_at IS NULL AND x.recall_id IS NULL
"""


def view_queries(dialect: str) -> Mapping[str, str]:
    """Return the query of each view, by name, in the SQL of `postgresql` or `sqlite`."""
    is_server = dialect == "postgresql"
    each = "json_array_elements" if is_server else "json_each"
    by_kind, document = ("json_object_agg", "json_build_object") if is_server else ("json_group_object", "json_object")
    return {
        "derniers_exports": _DERNIERS_EXPORTS.format(by_kind=by_kind, document=document),
        "pieces": _PIECES,
        "demandes": _DEMANDES,
        "envois": _ENVOIS,
        "apercus": _APERCUS,
        "imports": _IMPORTS,
        "habilitations": _HABILITATIONS,
        "registres": _REGISTRES.format(mineurs=_mineurs(dialect)),
        "scrutins": _SCRUTINS,
        "reunions": _REUNIONS,
        "journal": _JOURNAL,
        "bureaux": _BUREAUX,
        "electeurs": _ELECTEURS,
        "electeurs_proteges": _PROTEGES,
        "mouvements_a_completer": _MOUVEMENTS.format(which="(m.categorie = '' OR NOT m.is_dated)"),
        "motifs_notes": _MOUVEMENTS.format(which="m.categorie <> ''"),
        "doutes_ouverts": _DOUBTS,
        "jetons": _JETONS,
        "kept_version": _KEPT_VERSION.format(each=each),
    }


def _mineurs(dialect: str) -> str:
    """Return the SQL of the number of minors on the commune's civil day, as `common.calendrier.is_mineur` counts them.

    Only electors with a finding are counted: an import gives one to each minor. A person under 16 is an anomaly. SQLite
    has no time zones: it calls `common.calendrier.last_birth_today`.
    """
    if dialect == "postgresql":
        longest_first = sorted(OVERSEAS.items(), key=lambda it: -len(it[0]))
        zones = (f"WHEN l.code_commune LIKE '{key}%' THEN '{zone.key}'" for key, zone in longest_first)
        now = f"now() AT TIME ZONE CASE {' '.join(zones)} ELSE 'Europe/Paris' END"
        last_birth = f"(CAST(to_char({now}, 'YYYY') AS integer) - {{}}) || to_char({now}, '-MM-DD')"
    else:
        last_birth = "last_birth_today(l.code_commune, {})"
    return f"""
       (SELECT count(*) FROM electeur e WHERE e.code_commune = l.code_commune AND e.liste = l.liste
        AND e.version = l.version AND e.facts > 0 AND e.date_naissance LIKE '____-__-__'
        AND e.date_naissance > {last_birth.format(MAJORITE)}
        AND e.date_naissance <= {last_birth.format(YOUNGEST)})"""  # noqa: S608 — our words
