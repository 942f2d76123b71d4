"""A file of the kind that ELIRE delivers for a poll, made up here: taking one is a matter of a profile.

ELIRE's real columns are not public; these are invented. The dates and motifs of the file reach the tableau.
"""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest

from schemas.tableaux import TypeTableau
from tests.integration.files_desk import Ran
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, MouvementsDesk
from tests.integration.tableau_desk import TableauDesk
from tests.unit.reu_sample import electeurs
from worker.registre.reu.importer import Intake

pytestmark = pytest.mark.database(TWO_COMMUNES)

FILE = """\
Mouvements J-5;;;;;;;;
Code commune;Type liste;Mouvement;Le;Motif réglementaire;Nom;Prénoms;Né le;Bureau
13055;LP;AJOUT;2026-03-09;L30;TROMBONE;Cyprien Basile;14.02.1991;13055_0001
13055;LP;RETRAIT;2026-03-10;DECES;CORNEMUSE;Ombline;03.07.1938;13055_0002
"""

PROFILE = """\
kind = "source"
of = "mouvements"
name = "elire-j5-invented"
label = "mouvements J-5 d'ELIRE (inventés)"
version = "0"
according_to = "personne : ses colonnes ne sont pas publiques"
seen_on = 2026-11-29

[fields.code_commune]
titles = ["Code commune"]
[fields.liste]
titles = ["Type liste"]
[fields.nature]
titles = ["Mouvement"]
values.inscription = ["AJOUT"]
values.radiation = ["RETRAIT"]
[fields.effet]
constant = "Immediat"
[fields.etat]
constant = "applique"
[fields.date_mouvement]
titles = ["Le"]
[fields.categorie]
titles = ["Motif réglementaire"]
values.inscription_l30 = ["L30"]
values.radiation_deces = ["DECES"]
[fields.nom_naissance]
titles = ["Nom"]
[fields.date_naissance]
titles = ["Né le"]
shapes = ["JJ.MM.AAAA"]
[fields.code_bureau]
titles = ["Bureau"]
"""


def test_a_file_of_another_form_is_taken_by_its_profile(
    run: Callable[..., Ran], register: MouvementsDesk, tableaux: TableauDesk, tmp_path: Path
) -> None:
    register.load(electeurs(5), intake=Intake(date(2026, 2, 19)))
    (path := tmp_path / "mouvements.csv").write_text(FILE, encoding="cp1252")
    (profile := tmp_path / "elire.toml").write_text(PROFILE, encoding="utf-8")
    refused = run("import-mouvements", path)
    assert "Colonnes manquantes : " in refused.err
    assert run("profiles", "check", profile).code == 0
    done = run("import-mouvements", path, "--profile", profile, "--complete-until", "2026-03-10")
    assert done.code == 0, done.err
    asked_at = datetime.fromisoformat("2026-03-11T09:30:00+01:00")
    made = tableaux.make(
        TypeTableau.VINGT_JOURS,
        commune=COMMUNE,
        reunion="2026-02-19",
        until="2026-03-10",
        created_at=asked_at,
    )
    for said in ("TROMBONE", "09/03/2026", "L. 30", "CORNEMUSE", "10/03/2026", "Décès"):
        assert said in made.text
    assert not [line for line in made.anomalies if "absent" in ";".join(line)]
