-- What 0045, 0046 and 0047 made of revision 0044.
DROP VIEW journal;
CREATE VIEW journal AS SELECT a.at, coalesce((SELECT w.said FROM audit_word w WHERE w.sign = a.actor), a.actor) AS actor, a.action, a.code_commune, a.export_id, coalesce((SELECT replace(a.detail, w.sign, w.said) FROM audit_word w WHERE w.sign = substr(a.detail, length(a.detail) - 37)), a.detail) AS detail FROM audit a WHERE a.code_commune <> '' AND (a.export_id IS NOT NULL OR a.action IN ('doubt_decided', 'registre_imported', 'import_undone', 'import_redated', 'reunion_changed', 'scrutin_changed', 'motifs_completed', 'bureau_described', 'protection_changed', 'wishes_changed', 'electeurs_seen', 'backup_made', 'backup_restored'));
CREATE VIEW motifs_notes AS SELECT m.id AS mouvement, m.code_commune, m.liste, m.nature, m.date_mouvement AS jour, m.nom_naissance, m.nom_usage, m.prenoms, m.date_naissance, m.nouveau_bureau, m.ancien_bureau, m.categorie, m.motif FROM mouvement m WHERE m.categorie <> '' AND m.nature <> 'modification';
CREATE INDEX ix_export_current ON export (code_commune, kind, liste, format, type_tableau, presentation, edition, id) WHERE status = 'ready' AND purged_at IS NULL;
CREATE INDEX ix_depot_deposited_on ON depot (deposited_on, export_id);
INSERT INTO scrutin (code_commune, date, libelle) VALUES ('', '2026-03-15', 'Municipales, dit par l''exploitant');
