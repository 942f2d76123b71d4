"""A corrected date of birth that nobody has looked at: a radiation and an inscription that are one person."""

DOUBT = (
    """INSERT INTO import (id, file_name, sha256, imported_by, lines_read, lines_kept, lines_rejected, values_cleaned,
       bureaux_before, finished_at)
       VALUES (900, 'reu.csv', '', 'essai', 0, 0, 0, 0, '[]', '2026-11-20 10:00:00.000')""",
    """INSERT INTO mouvement (id, code_commune, liste, import_id, nature, effet, etat, date_tableau, date_mouvement,
       ancien_bureau, nom_naissance, prenoms, date_naissance, adresse)
       VALUES (9001, '13900', 'P', 900, 'radiation', 'Immediat', 'applique', '2027-01-10', '2026-11-20', '0001',
       'INVENTÉE', 'Zélie', '1961-00-00', '3 RUE DU PUITS')""",
    """INSERT INTO mouvement (id, code_commune, liste, import_id, nature, effet, etat, date_tableau, date_mouvement,
       nouveau_bureau, nom_naissance, prenoms, date_naissance, adresse)
       VALUES (9002, '13900', 'P', 900, 'inscription', 'Immediat', 'applique', '2027-01-10', '2026-11-20', '0001',
       'INVENTÉE', 'Zélie', '1961-08-05', '3 RUE DU PUITS')""",
    """INSERT INTO doubt (id, import_id, code_commune, liste, radiation_id, inscription_id, differs)
       VALUES (901, 900, '13900', 'P', 9001, 9002, 'date_naissance')""",
)
