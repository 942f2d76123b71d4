"""Undecided findings: a radiation and an inscription of one person; two exports that were compared."""

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

TWO_EXPORTS = tuple(
    statement.format(number=number, day=day, liste=liste)
    for number, day in ((950, "2026-09-10"), (951, "2026-11-20"))
    for statement, listes in (
        (
            """INSERT INTO import (id, file_name, sha256, imported_by, lines_read, lines_kept, lines_rejected,
               values_cleaned, bureaux_before, taken_on, finished_at)
               VALUES ({number}, 'reu.csv', '', 'essai', 0, 0, 0, 0, '[]', '{day}', '{day} 10:00:00.000')""",
            ("",),
        ),
        (
            """INSERT INTO import_liste (import_id, code_commune, liste, electeurs)
               VALUES ({number}, '13900', '{liste}', 9)""",
            ("P", "CE", "CM"),
        ),
    )
    for liste in listes
)
