"""The views that producers read: a contract, so columns are added and never changed (docs/operations.md).

Each is kept under the revision that gave it its form.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from alembic import op

from common.calendrier import OVERSEAS

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
_OF_0020 = f"""{_OF_0006}, e.provisoire_until, e.rests_on, rc.created_at AS recalled_at,
       coalesce(rc.because, '') AS recalled_because, e.reconciliation,
       CASE WHEN im.finished_at > r.created_at THEN im.finished_at END AS outdated_at"""
_JOINED_0020 = """ LEFT JOIN depot d ON d.export_id = e.id LEFT JOIN recall rc ON rc.id = e.recall_id
     LEFT JOIN liste l ON l.code_commune = e.code_commune AND l.liste = e.liste
     LEFT JOIN import im ON im.id = l.version"""
DERNIERS_EXPORTS_0020 = _DERNIERS_EXPORTS.format(added=_OF_0020, joined=_JOINED_0020)
_ADDED_0024 = f"""{_OF_0020}, coalesce(p.mode, '') AS publication_mode, p.published_on, p.published_until,
       coalesce(p.published_by, '') AS published_by, p.certified_on,
       p.certificat_name, p.certificat_size, p.certificat_sha256"""
_JOINED_0024 = f"{_JOINED_0020} LEFT JOIN publication p ON p.export_id = e.id"
DERNIERS_EXPORTS_0024 = _DERNIERS_EXPORTS.format(added=_ADDED_0024, joined=_JOINED_0024)
_ADDED_0048 = f"{_ADDED_0024}, e.a_completer, coalesce(p.reason, '') AS publication_reason"
DERNIERS_EXPORTS_0048 = _DERNIERS_EXPORTS.format(added=_ADDED_0048, joined=_JOINED_0024)
DERNIERS_EXPORTS_0052 = _DERNIERS_EXPORTS.format(added=f"{_ADDED_0048}, p.withdrawn_on", joined=_JOINED_0024)

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
HABILITATIONS_0027 = """
SELECT a.name AS agent, a.email, a.code_commune, coalesce(c.nom, '') AS nom_commune, a.identity, a.sessions_ended
FROM agent a LEFT JOIN commune c ON c.code = a.code_commune
"""
HABILITATIONS_WITH_WISHES = """
SELECT a.name AS agent, a.email, a.code_commune, coalesce(c.nom, '') AS nom_commune, a.identity, a.sessions_ended,
       a.kinds AS wishes, a.may_protect
FROM agent a LEFT JOIN commune c ON c.code = a.code_commune
"""
_REGISTRES = """
SELECT l.code_commune, coalesce(c.nom, '') AS nom_commune, l.liste, il.electeurs,
       i.finished_at AS imported_at, i.imported_by{added}
FROM liste l LEFT JOIN commune c ON c.code = l.code_commune
     LEFT JOIN import_liste il ON il.import_id = l.version AND il.code_commune = l.code_commune AND il.liste = l.liste
     LEFT JOIN import i ON i.id = il.import_id
"""
REGISTRES_0006 = _REGISTRES.format(added="")
SCRUTINS_0006 = "SELECT s.code_commune, s.date AS jour, s.libelle, s.cloture FROM scrutin s"
REUNIONS_0006 = "SELECT m.code_commune, m.liste, m.date AS jour FROM commission m"
SCRUTINS_WITH_DAYS = SCRUTINS_0006.replace(" FROM", ", s.publication_due, s.has_commission, s.texte FROM")
REUNIONS_WITH_DELIBERATION = REUNIONS_0006.replace(" FROM", ", m.has_deliberated FROM")
JOURNAL_0006 = """
SELECT a.at, a.actor, a.action, a.code_commune, a.export_id, a.detail
FROM audit a WHERE a.code_commune <> '' AND a.export_id IS NOT NULL
"""
JOURNAL_WITH_NOTES = """
SELECT a.at, a.actor, a.action, a.code_commune, a.export_id, a.detail
FROM audit a WHERE a.code_commune <> '' AND (a.export_id IS NOT NULL OR a.action IN (
       'doubt_decided', 'import_undone', 'import_redated', 'reunion_changed', 'scrutin_changed', 'motifs_completed',
       'bureau_described', 'protection_changed', 'wishes_changed', 'electeurs_seen'))
"""
JOURNAL_WITH_WORDS = """
SELECT a.at, coalesce((SELECT w.said FROM audit_word w WHERE w.sign = a.actor), a.actor) AS actor, a.action,
       a.code_commune, a.export_id,
       coalesce((SELECT replace(a.detail, w.sign, w.said) FROM audit_word w
                 WHERE w.sign = substr(a.detail, length(a.detail) - 37)), a.detail) AS detail
FROM audit a WHERE a.code_commune <> '' AND (a.export_id IS NOT NULL OR a.action IN (
       'doubt_decided', 'import_undone', 'import_redated', 'reunion_changed', 'scrutin_changed', 'motifs_completed',
       'bureau_described', 'protection_changed', 'wishes_changed', 'electeurs_seen'))
"""
JOURNAL_WITH_IMPORTS = JOURNAL_WITH_WORDS.replace("'import_undone',", "'registre_imported', 'import_undone',")
JOURNAL_WITH_BACKUPS = JOURNAL_WITH_IMPORTS.replace(
    "'electeurs_seen'))", "'electeurs_seen', 'backup_made', 'backup_restored'))"
)
BUREAUX = """
SELECT b.code_commune, b.code AS bureau, b.libelle, b.code_canton, b.libelle_canton, b.code_circonscription,
       b.libelle_circonscription
FROM bureau b
"""

# These name electors: the screen's account alone reads them.
ELECTEURS = """
SELECT e.id AS electeur, e.code_commune, e.liste, e.nom_naissance, e.nom_usage, e.prenoms, e.date_naissance
FROM electeur e JOIN liste l ON l.code_commune = e.code_commune AND l.liste = e.liste AND l.version = e.version
"""
PROTEGES = """
SELECT p.id AS protection, p.code_commune, p.nom_naissance, p.prenoms, p.date_naissance FROM protection p
"""
_MOTIFS = """
SELECT m.id AS mouvement, m.code_commune, m.liste, m.nature, m.date_mouvement AS jour, m.nom_naissance, m.nom_usage,
       m.prenoms, m.date_naissance, m.nouveau_bureau, m.ancien_bureau{noted}
FROM mouvement m WHERE m.categorie {which} '' AND m.nature <> 'modification'
"""
SANS_MOTIF = _MOTIFS.format(noted="", which="=")
MOTIFS_NOTES_0046 = _MOTIFS.format(noted=", m.categorie, m.motif", which="<>")
_COMPLETED = """
SELECT m.id AS mouvement, m.code_commune, m.liste, m.nature, m.date_mouvement AS jour, m.nom_naissance, m.nom_usage,
       m.prenoms, m.date_naissance, m.nouveau_bureau, m.ancien_bureau, m.categorie, m.motif, m.is_dated,
       (SELECT i.taken_on FROM import i JOIN import_liste il ON il.import_id = i.id
        WHERE il.code_commune = m.code_commune AND il.liste = m.liste AND i.id < m.import_id
          AND i.finished_at IS NOT NULL AND i.undone_at IS NULL ORDER BY i.id DESC LIMIT 1) AS since,
       (SELECT i.taken_on FROM import i WHERE i.id = m.import_id AND i.kind = 'reu') AS until
FROM mouvement m WHERE m.nature <> 'modification' AND {which}
"""
MOUVEMENTS_A_COMPLETER = _COMPLETED.format(which="(m.categorie = '' OR NOT m.is_dated)")
MOTIFS_NOTES = _COMPLETED.format(which="m.categorie <> ''")
_SIDE = """m{side}.nom_naissance AS {name}_nom_naissance, m{side}.nom_usage AS {name}_nom_usage,
       m{side}.prenoms AS {name}_prenoms, m{side}.date_naissance AS {name}_date_naissance,
       m{side}.commune_naissance AS {name}_commune_naissance, m{side}.pays_naissance AS {name}_pays_naissance,
       m{side}.adresse AS {name}_adresse, m{side}.{bureau} AS {name}_bureau, m{side}.numero AS {name}_numero"""
DOUBTS = f"""
SELECT d.id AS doute, d.code_commune, d.liste, d.differs, m2.date_mouvement AS jour,
       {_SIDE.format(side=1, name="radiation", bureau="ancien_bureau")},
       {_SIDE.format(side=2, name="inscription", bureau="nouveau_bureau")}
FROM doubt d JOIN mouvement m1 ON m1.id = d.radiation_id JOIN mouvement m2 ON m2.id = d.inscription_id
WHERE d.decision = ''
"""  # noqa: S608 — our own words

ENVOIS_0007 = """
SELECT n.request_id, n.code_commune, n.subject, n.kind, n.channel, n.address, n.created_at, n.sent_at, n.refusal,
       n.attempts
FROM notification n
"""


_APERCUS = """
SELECT p.id AS preview_id, r.source, r.event_id, p.code_commune, p.file_name, p.sha256, p.taken_on, p.requested_by,
       p.created_at, p.status, p.lines_read, p.found, p.reason, p.import_id, p.finished_at,
       coalesce(w.requested_by, '') AS wanted_by{added}
FROM preview p JOIN request r ON r.id = p.request_id LEFT JOIN request w ON w.id = p.import_request_id
"""
APERCUS_0030 = _APERCUS.format(added="")
APERCUS_WITH_ACT = _APERCUS.format(added=", p.act")
IMPORTS_0030 = """
SELECT i.id AS import_id, il.code_commune, il.liste, il.electeurs, il.is_compared, i.file_name, i.taken_on, i.is_dated,
       i.finished_at AS imported_at, i.imported_by, i.undone_at
FROM import i JOIN import_liste il ON il.import_id = i.id WHERE i.finished_at IS NOT NULL
"""


def _summer_time(instant: str, summer: tuple[str, int, int], winter: tuple[str, int, int]) -> str:
    """Of both: the first day that may be their Sunday, the hour of UTC at which they begin, the minutes they add."""
    begins, ends = (
        f"datetime(strftime('%Y', {instant}) || '{day}', 'weekday 0', '+{hour} hours')"
        for day, hour, _ in (summer, winter)
    )
    is_summer = f"datetime({instant}) >= {begins} AND datetime({instant}) < {ends}"
    return f"CASE WHEN {is_summer} THEN '{summer[2]:+} minutes' ELSE '{winter[2]:+} minutes' END"


def civil_offset(code_commune: str, instant: str = "'now'") -> str:
    """What SQLite, which knows no time zone, adds to an instant for the civil time of a commune.

    In Paris summer time begins and ends at one o'clock UTC, on the last Sunday of March and of October (directive
    2000/84/CE, art. 2 and 3). Overseas only Saint-Pierre-et-Miquelon has one: as in Canada, from the second Sunday of
    March to the first one of November, at two o'clock.
    """

    def offset(zone: ZoneInfo) -> str:
        if zone.key == "America/Miquelon":
            return _summer_time(instant, ("-03-08", 5, -120), ("-11-01", 4, -180))
        return f"'{(datetime(2026, 1, 1, tzinfo=zone).utcoffset() or timedelta()) // timedelta(minutes=1):+} minutes'"

    in_paris = _summer_time(instant, ("-03-25", 1, 120), ("-10-25", 1, 60))
    return _by_commune(code_commune, offset, in_paris)


def _by_commune(code_commune: str, value: Callable[[ZoneInfo], str], in_paris: str) -> str:
    longest_first = sorted(OVERSEAS.items(), key=lambda it: -len(it[0]))
    cases = (f"WHEN substr({code_commune}, 1, {len(key)}) = '{key}' THEN {value(zone)}" for key, zone in longest_first)
    return f"CASE {' '.join(cases)} ELSE {in_paris} END"


def registres(dialect: str, youngest: int) -> str:
    """With the minors of the commune's civil day, from an age on, as `common.calendrier.is_mineur` has it.

    An import gave each of them a fact.
    """
    code = "l.code_commune"
    if dialect == "postgresql":
        zone = _by_commune(code, lambda zone: f"'{zone.key}'", "'Europe/Paris'")
        now = f"now() AT TIME ZONE {zone}"
        year, rest = f"to_char({now}, 'YYYY')", f"to_char({now}, '-MM-DD')"
    else:
        year, rest = (f"strftime('{form}', 'now', {civil_offset(code)})" for form in ("%Y", "-%m-%d"))
    mineurs = f"""
       (SELECT count(*) FROM electeur e WHERE e.code_commune = l.code_commune AND e.liste = l.liste
        AND e.version = l.version AND e.facts > 0 AND e.date_naissance LIKE '____-__-__'
        AND e.date_naissance > (CAST({year} AS integer) - 18) || {rest}
        AND e.date_naissance <= (CAST({year} AS integer) - {youngest}) || {rest})"""  # noqa: S608 — our words
    return _REGISTRES.format(
        added=f""", i.taken_on, i.is_dated,
       CASE WHEN il.import_id IS NOT NULL THEN {mineurs} END AS mineurs"""
    )


JETONS_0034 = """
SELECT t.id AS jeton, t.name, t.secret_hash, tc.code_commune
FROM token t JOIN token_commune tc ON tc.token_id = t.id WHERE t.revoked_at IS NULL
"""


def extend_view(name: str, query: str) -> None:
    """Give a view more columns, at its end; the rights that accounts have on it stay."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")
    else:
        op.execute(f"DROP VIEW {name}")
        op.execute(f"CREATE VIEW {name} AS {query}")
